import { HoldpointError, type Hasher } from "../../../protocol/index.ts";
import { type HubReader } from "../database/database.ts";
import { genesisHash, lineHash } from "./audit-trail.ts";
import { type Checkpoint } from "./checkpoint.ts";

export interface AuditReport {
  /** Lines that follow from the first one without a fault. */
  readonly records: number;
  readonly intact: boolean;
  /** The first line that does not follow, and how; null where all do. */
  readonly fault: { readonly n: number; readonly message: string } | null;
  /** Hash of the last line that follows. */
  readonly head: string;
}

export interface VerifyOptions {
  readonly hasher: Hasher;
  /** Kept outside of the hub: with it a chain that was cut off, or written anew, shows too. */
  readonly checkpoint?: Checkpoint;
  readonly onProgress?: (records: number) => void;
}

const linesAtOnce = 1_000;

/**
 * Recomputes the chain from its first line. A line that was edited, taken out, put in or moved breaks it there; lines
 * cut off at the end show against the head and, where somebody set that back as well, against a checkpoint.
 * The log may grow meanwhile. Errors: HP_USAGE for a checkpoint of another hub.
 */
export async function verifyAudit({ db }: HubReader, options: VerifyOptions): Promise<AuditReport> {
  const { hasher, checkpoint, onProgress } = options;
  const { hub_id: hubId } = await db.selectFrom("hub_instance").select("hub_id").executeTakeFirstOrThrow();
  if (checkpoint && checkpoint.hubId !== hubId) {
    throw new HoldpointError("HP_USAGE", `the checkpoint is of the hub ${checkpoint.hubId}, this is ${hubId}`);
  }
  let n = 0;
  let hash = genesisHash(hasher, hubId);
  const broken = (at: number, message: string): AuditReport => {
    return { records: n, intact: false, fault: { n: at, message }, head: hash };
  };
  const fitsCheckpoint = (): boolean => checkpoint?.n !== n || checkpoint.hash === hash;
  if (!fitsCheckpoint()) return broken(0, "the checkpoint does not fit this hub");
  for (;;) {
    const head = await db.selectFrom("audit_head").select(["n", "hash"]).executeTakeFirst();
    const lines = await db
      .selectFrom("audit_log")
      .selectAll()
      .where("n", ">", n)
      .orderBy("n")
      .limit(linesAtOnce)
      .execute();
    for (const line of lines) {
      if (line.n !== n + 1) return broken(n + 1, "the line is missing");
      if (line.hash !== lineHash(hasher, hash, line)) return broken(line.n, "the line is not the one that was written");
      n = line.n;
      hash = line.hash;
      if (!fitsCheckpoint()) return broken(n, "the line is not the one of the checkpoint");
      // The head was read before the lines: nothing of ours can lie between its number and another hash.
      if (head?.n === n && head.hash !== hash) return broken(n, "the log's head has another hash");
    }
    onProgress?.(n);
    if (lines.length > 0) continue;
    if (n < (head?.n ?? 0)) return broken(n + 1, "the log was cut off here: its head is further on");
    if (n > (head?.n ?? 0)) return broken(n, "the log goes on behind its head");
    if (n < (checkpoint?.n ?? 0)) return broken(n + 1, "the log was cut off here: the checkpoint is further on");
    return { records: n, intact: true, fault: null, head: hash };
  }
}

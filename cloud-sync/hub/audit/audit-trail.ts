import { canonicalJson, toHex, type Clock, type Hasher } from "../../../protocol/index.ts";
import { type HubTransaction } from "../database/database.ts";
import { type AuditEntry, type AuditTrail } from "../room.ts";

/**
 * Appends to the audit log in the transaction of what it tells: what was not recorded did not happen. Each line's hash
 * covers the one before, so a line that is changed, taken out or put in shows from there on (audit-verify.ts).
 */
export function createAuditTrail(hubId: string, clock: Clock, hasher: Hasher): AuditTrail {
  return {
    record: async (trx, entry) => {
      const head = await lockHead(trx, genesisHash(hasher, hubId));
      const row = { n: head.n + 1, at_ms: Math.round(clock.wallMs()), ...columnsOf(entry) };
      const hash = lineHash(hasher, head.hash, row);
      await trx.db
        .insertInto("audit_log")
        .values({ ...row, hash })
        .execute();
      await trx.db.updateTable("audit_head").set({ n: row.n, hash }).execute();
    },
  };
}

export interface AuditLine {
  readonly n: number;
  readonly at_ms: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: string;
}

export function genesisHash(hasher: Hasher, hubId: string): string {
  return toHex(hasher.sha256(new TextEncoder().encode(`holdpoint audit 1\n${hubId}`)));
}

export function lineHash(hasher: Hasher, previous: string, line: AuditLine): string {
  const { n, at_ms, actor, action, subject, detail } = line;
  return toHex(
    hasher.sha256(
      new TextEncoder().encode(`${previous}\n${canonicalJson({ n, at_ms, actor, action, subject, detail })}`),
    ),
  );
}

function columnsOf({ actor, action, subject, detail = {} }: AuditEntry): Omit<AuditLine, "n" | "at_ms"> {
  return { actor, action, subject, detail: canonicalJson(detail) };
}

/** The head, locked until the commit: lines are numbered in the order of their commits. */
async function lockHead(
  { db }: HubTransaction,
  genesis: string,
): Promise<{ readonly n: number; readonly hash: string }> {
  return db
    .insertInto("audit_head")
    .values({ one: 1, n: 0, hash: genesis })
    .onConflict((conflict) => conflict.column("one").doUpdateSet((head) => ({ n: head.ref("audit_head.n") })))
    .returning(["n", "hash"])
    .executeTakeFirstOrThrow();
}

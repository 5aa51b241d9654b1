import { HoldpointError } from "../../../protocol/index.ts";
import { systemClock } from "../../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../../protocol/platform/hash.node.ts";
import { readSigningKey, signatureVerifier } from "../../../protocol/platform/signing.node.ts";
import { openHubReader } from "../database/open-database.node.ts";
import { genesisHash } from "./audit-trail.ts";
import { verifyAudit, type AuditReport } from "./audit-verify.ts";
import { checkpointSchema, isSigned, signCheckpoint, type Checkpoint } from "./checkpoint.ts";

/** The audit log, looked at beside the hub: read only, whether the hub runs or not. */
export interface AuditDesk {
  verify(checkpoint: Checkpoint | null, onProgress?: (records: number) => void): Promise<AuditReport>;
  /** Errors: HP_NOT_FOUND where the hub has not made its key yet. */
  checkpoint(): Promise<Checkpoint>;
  close(): Promise<void>;
}

/** `url` is a directory or `postgres://…`. Errors: HP_NOT_FOUND (there is no hub), HP_DATABASE. */
export async function openAuditDesk(url: string): Promise<AuditDesk> {
  const reader = await openHubReader(url);
  return {
    verify: (checkpoint, onProgress) =>
      reader.read((db) =>
        verifyAudit(
          { db },
          { hasher: nodeHasher, ...(checkpoint ? { checkpoint } : {}), ...(onProgress ? { onProgress } : {}) },
        ),
      ),
    checkpoint: () =>
      reader.read(async (db) => {
        const hub = await db.selectFrom("hub_instance").selectAll().executeTakeFirstOrThrow();
        if (hub.signing_key === null) throw new HoldpointError("HP_NOT_FOUND", "this hub has no key yet", keyHint);
        const head = await db.selectFrom("audit_head").select(["n", "hash"]).executeTakeFirst();
        const { n, hash } = head ?? { n: 0, hash: genesisHash(nodeHasher, hub.hub_id) };
        const facts = { hubId: hub.hub_id, n, hash, atMs: Math.round(systemClock.wallMs()) };
        return signCheckpoint(facts, readSigningKey(hub.signing_key));
      }),
    close: () => reader.close(),
  };
}

/** A checkpoint from the text of its file. Errors: HP_USAGE where it is none, or its signature does not fit. */
export function readCheckpoint(text: string): Checkpoint {
  const checked = checkpointSchema.safeParse(parsed(text));
  const refuse = (message: string): never => {
    throw new HoldpointError("HP_USAGE", message, { hint: "Give a file that `holdpoint audit export` wrote." });
  };
  if (!checked.success) return refuse("this is no checkpoint of an audit log");
  const verify = signatureVerifier(checked.data.publicKey);
  if (!verify || !isSigned(checked.data, verify)) return refuse("the checkpoint's signature does not fit");
  return checked.data;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

const keyHint = { hint: "Start the hub once." };

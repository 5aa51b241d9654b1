import { z } from "zod";
import { type Kysely } from "kysely";
import { type PersonCaller } from "../api/caller.ts";
import { type HubTables } from "../database/tables.ts";
import { type HubParts } from "../room.ts";
import { type GateProposal } from "./proposal-parts.ts";

/** Within what the hub may apply a proposal by itself. A person sets it, task by task; without it the hub only proposes. */
export const gateLimitsSchema = z.strictObject({
  kinds: z.array(z.enum(["drop_floor", "use_contract", "loosen_contract"])).min(1),
  /** No gate threshold may end up below it. */
  gateThresholdMin: z.number().min(0).max(1),
  /** A proposal whose error bound is above it, or unknown, waits for a person. */
  errorBoundMax: z.number().gt(0).max(0.5),
  /** Stores that one change may touch. */
  storesMax: z.number().int().min(1).max(50_000),
});
export type GateLimits = z.output<typeof gateLimitsSchema>;

export interface SetLimits {
  readonly limits: GateLimits;
  readonly changedMs: number;
  readonly changedBy: string;
}

/** Pure. */
export function isWithinLimits(proposal: GateProposal, limits: GateLimits): boolean {
  const { errorBound } = proposal.after;
  return (
    limits.kinds.includes(proposal.kind) &&
    proposal.lowest >= limits.gateThresholdMin &&
    errorBound !== null &&
    errorBound <= limits.errorBoundMax &&
    proposal.stores.length <= limits.storesMax
  );
}

export async function readLimits(db: Kysely<HubTables>, task: string): Promise<SetLimits | null> {
  const row = await db.selectFrom("gate_limits").selectAll().where("task", "=", task).executeTakeFirst();
  if (!row) return null;
  return { limits: JSON.parse(row.body) as GateLimits, changedMs: row.changed_ms, changedBy: row.changed_by };
}

/** Null takes them away: the hub applies nothing by itself any more. */
export async function changeLimits(
  { database, clock, audit }: HubParts,
  caller: PersonCaller,
  task: string,
  limits: GateLimits | null,
): Promise<SetLimits | null> {
  const by = `${caller.kind}:${caller.id}`;
  const values = { body: JSON.stringify(limits), changed_ms: Math.round(clock.wallMs()), changed_by: by };
  await database.write(async (trx) => {
    if (limits === null) await trx.db.deleteFrom("gate_limits").where("task", "=", task).execute();
    else {
      await trx.db
        .insertInto("gate_limits")
        .values({ task, ...values })
        .onConflict((conflict) => conflict.column("task").doUpdateSet(values))
        .execute();
    }
    await audit.record(trx, { actor: by, action: "gate_limits.changed", subject: `task:${task}`, detail: { limits } });
    trx.tell({ kind: "gate", task });
  });
  return limits === null ? null : { limits, changedMs: values.changed_ms, changedBy: by };
}

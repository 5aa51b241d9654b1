import { type Kysely } from "kysely";
import { HoldpointError } from "../../../protocol/index.ts";
import { type PersonCaller } from "../api/caller.ts";
import { type HubParts } from "../room.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubTables } from "../database/tables.ts";
import { gateColumns, type GateName } from "./gate-list.ts";
import { contractsOfTask } from "./gate-targets.ts";
import { StateBook } from "./state-book.ts";

/** A gate threshold; null accepts nothing any more; `evidence` takes an earlier raise back. */
export type RaiseTo = number | null | "evidence";

/** By whom, when and why a gate is raised. */
export interface GateRaise {
  /** Null: nothing is accepted. */
  readonly gateThreshold: number | null;
  readonly by: string;
  readonly atMs: number;
  readonly why: string;
}

/**
 * Raises a gate threshold at once, for every model. It holds, over epochs, until it is taken back. Errors: HP_NOT_FOUND (nothing is certified there), HP_CONFLICT (it would fall).
 */
export async function raiseGate(
  parts: HubParts,
  caller: PersonCaller,
  name: GateName,
  { gateThreshold, why }: { readonly gateThreshold: RaiseTo; readonly why: string },
): Promise<{ readonly raised: number; readonly agents: number }> {
  const { level, scope, task, label, rung } = name;
  return parts.database.write(async (trx) => {
    // Beside the keeper: whoever has the task counts first.
    await trx.db
      .selectFrom("gate_tasks")
      .select("task")
      .where("task", "=", task)
      .$if(parts.database.kind === "postgres", (query) => query.forUpdate())
      .execute();
    const head = await trx.db.selectFrom("gate_tasks").select("last_n").where("task", "=", task).executeTakeFirst();
    const contracts = await contractsOfTask(trx.db, task);
    const book = new StateBook(parts, trx, { task, nowMs: Math.round(parts.clock.wallMs()), contracts });
    await book.open([]);
    const of = (row: { level: string; scope: string; label: string; rung: string }): boolean =>
      row.level === level && row.scope === scope && row.label === (label ?? "") && row.rung === rung;
    const to = gateThreshold === null ? "people" : gateThreshold === "evidence" ? null : gateThreshold;
    const { found, raised } = book.raise(of, to);
    if (found === 0) throw new HoldpointError("HP_NOT_FOUND", "no such gate, or nothing has been certified there");
    if (raised === 0 && gateThreshold === "evidence") {
      throw new HoldpointError("HP_CONFLICT", "there is no raise to take back");
    }
    if (raised === 0) {
      throw new HoldpointError("HP_CONFLICT", "the gate threshold would fall: only evidence lowers one", {
        hint: "Name a higher one than holds now, or null, which accepts nothing.",
      });
    }
    const agents = await book.save(head?.last_n ?? 0);
    const nowMs = Math.round(parts.clock.wallMs());
    await noteRaise(
      trx,
      name,
      gateThreshold === "evidence" ? null : { gateThreshold, by: caller.name, atMs: nowMs, why },
    );
    const entry = {
      actor: `${caller.kind}:${caller.id}`,
      action: gateThreshold === "evidence" ? "gate.raise_taken_back" : "gate.raised_by_hand",
      subject: `gate:${task}@${level}/${scope}`,
    };
    await parts.audit.record(trx, { ...entry, detail: { gateThreshold, label, rung, why } });
    return { raised, agents };
  });
}

/** Who raised a gate, when and why, as long as the raise holds; null takes it away. */
async function noteRaise({ db }: HubTransaction, name: GateName, raise: GateRaise | null): Promise<void> {
  await db
    .deleteFrom("gate_raises")
    .where((row) => row.and(gateColumns(name)))
    .execute();
  if (raise === null) return;
  const { gateThreshold, by, atMs, why } = raise;
  const values = { gate_threshold: gateThreshold, raised_by: by, raised_ms: atMs, why };
  await db
    .insertInto("gate_raises")
    .values({ ...gateColumns(name), ...values })
    .execute();
}

/** The raise that holds at a gate; null where none does, or an earlier release made it. */
export async function raiseOf(db: Kysely<HubTables>, name: GateName): Promise<GateRaise | null> {
  const row = await db
    .selectFrom("gate_raises")
    .selectAll()
    .where((of) => of.and(gateColumns(name)))
    .executeTakeFirst();
  return row ? { gateThreshold: row.gate_threshold, by: row.raised_by, atMs: row.raised_ms, why: row.why } : null;
}

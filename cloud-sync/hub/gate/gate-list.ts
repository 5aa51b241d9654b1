import { type Kysely } from "kysely";
import { z } from "zod";
import { type CertificateState } from "../../../models/measure/certificate-state.ts";
import { inScope, type PersonCaller } from "../api/caller.ts";
import { listCursor, pageOf } from "../api/pages.ts";
import { fleetScope } from "../config/config-tables.ts";
import { type HubTables } from "../database/tables.ts";
import { capOf } from "./certificate-issue.ts";
import { type GateContract } from "./gate-contracts.ts";
import { overdueSince } from "./gate-overdue.ts";
import { type GateLevel, type GateRung, type StateKey } from "./gate-tables.ts";
import { residualIn } from "./state-entry.ts";

type Db = Kysely<HubTables>;

/** Which gate: a task's, or a class's of it, in all stores that one layer's contract is for. */
export interface GateName {
  readonly level: GateLevel;
  /** A region's or a store's name; `-` for the fleet. */
  readonly scope: string;
  readonly task: string;
  /** Null: every label without a contract of its own. */
  readonly label: string | null;
  readonly rung: GateRung;
}

/** A gate's name as the columns of the gate's tables have it. */
export function gateColumns(name: GateName): GateName & { readonly label: string } {
  const { level, scope, task, label, rung } = name;
  return { level, scope, task, label: label ?? "", rung };
}

/** One line of the gates' page. */
export interface GateLine extends GateName {
  /** Stores that it is for, of those that the caller sees. */
  readonly stores: number;
  /** Null: the gate threshold is a number that somebody chose. */
  readonly contract: { readonly maxError: number; readonly delta: number } | null;
  readonly state: GateStateLine | null;
  /** Since when the hub should have counted its labels and looked at its certificates; null where it does. */
  readonly overdueSinceMs: number | null;
  /** Where one store was asked for: what its own labels cap the group's gate threshold with; null where they do not. */
  readonly cap: { readonly gateThreshold: number | null; readonly maxError: number } | null;
}

/** The newest model's certificate of a gate, as it stands. */
export interface GateStateLine {
  readonly kind: string;
  readonly model: string;
  readonly calibration: string;
  readonly epoch: number;
  /** Labels of this epoch. */
  readonly labels: number;
  /** Labels until the launch is tried, of coarse answers after that of the fine ones; null where it was. */
  readonly labelsMissing: number | null;
  /** Of coarse answers: it speaks of cases whose fine confidence is below that, null of all; null before a label says so. */
  readonly residual: { readonly below: number | null } | null;
  readonly gateThreshold: number | null;
  /** What a person has raised it to, until that is taken back; `people`: nothing is accepted. */
  readonly raised: number | "people" | null;
  readonly certificate: string | null;
  readonly renewal: number;
  readonly issuedMs: number | null;
  readonly lapseMs: number | null;
  readonly changedMs: number;
}

const cursors = listCursor("gates", z.string());

/** What is asked for the lines of one page only. */
const unknown = { state: null, overdueSinceMs: null, cap: null };

interface ListQuery {
  readonly task?: string | undefined;
  /** Gates that hold in this store only. */
  readonly store?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** The gates of the caller's stores and tasks: those under a contract, and tasks with labels that have none. */
export async function listGates(
  db: Db,
  { stores: own, tasks }: Pick<PersonCaller, "stores" | "tasks">,
  { task, store, cursor, limit }: ListQuery,
  nowMs: number,
): Promise<{ items: GateLine[]; cursor: string | null }> {
  // A store of somebody else has no gate that the caller could see.
  const stores = store === undefined ? own : inScope(own, store) ? [store] : [];
  const after = cursors.read(cursor);
  const found = await db
    .selectFrom("gate_contracts")
    .select(["task", "level", "scope", "label", "rung"])
    .select((row) => [row.fn.countAll<number>().as("stores"), row.fn.min("contract").as("contract")])
    .$if(stores !== null, (query) => query.where("store", "in", [...(stores ?? []), ""]))
    .$if(tasks !== null, (query) => query.where("task", "in", [...(tasks ?? []), ""]))
    .$if(task !== undefined, (query) => query.where("task", "=", task ?? ""))
    .groupBy(["task", "level", "scope", "label", "rung"])
    .execute();
  const certified: GateLine[] = found.map((row) => {
    const { maxError, delta } = JSON.parse(row.contract) as GateContract;
    const name = { level: row.level, scope: row.scope, task: row.task, label: row.label || null, rung: row.rung };
    return { ...name, stores: row.stores, contract: { maxError, delta }, ...unknown };
  });
  const withContract = new Set(certified.map((line) => line.task));
  const guessed = (await tasksWithLabels(db, { stores, tasks }, task)).filter((row) => !withContract.has(row.task));
  const lines = [
    ...certified,
    ...guessed.map((row): GateLine => ({
      ...{ level: "fleet", scope: fleetScope, task: row.task, label: null, rung: "fine" },
      ...{ stores: row.stores, contract: null, ...unknown },
    })),
  ].sort((a, b) => (keyText(a) < keyText(b) ? -1 : 1));
  const rest = after === null ? lines : lines.filter((line) => keyText(line) > after);
  const page = pageOf(rest.slice(0, limit + 1), limit, (line) => cursors.write(keyText(line)));
  const items: GateLine[] = [];
  for (const line of page.items) {
    const state = await newestState(db, line);
    const cap = store === undefined || state === null ? null : await capIn(db, store, line, state);
    const overdueSinceMs = line.contract === null ? null : await overdueSince(db, line.task, nowMs);
    items.push({ ...line, state, overdueSinceMs, cap });
  }
  return { items, cursor: page.cursor };
}

/** Tasks that labels were ever counted for, with the stores that report them. */
async function tasksWithLabels(
  db: Db,
  { stores, tasks }: Pick<PersonCaller, "stores" | "tasks">,
  task: string | undefined,
): Promise<readonly { readonly task: string; readonly stores: number }[]> {
  return db
    .selectFrom("gate_tasks")
    .leftJoin("store_tasks", "store_tasks.task", "gate_tasks.task")
    .select("gate_tasks.task")
    .select((row) => row.fn.count<number>("store_tasks.store").as("stores"))
    .$if(stores !== null, (query) => query.where("store_tasks.store", "in", [...(stores ?? []), ""]))
    .$if(tasks !== null, (query) => query.where("gate_tasks.task", "in", [...(tasks ?? []), ""]))
    .$if(task !== undefined, (query) => query.where("gate_tasks.task", "=", task ?? ""))
    .groupBy("gate_tasks.task")
    .execute();
}

/** The state of the model whose labels came last; null before the first label. */
export async function newestState(db: Db, name: GateName): Promise<GateStateLine | null> {
  const row = await db
    .selectFrom("gate_states")
    .selectAll()
    .where((row) => row.and(gateColumns(name)))
    .where("purpose", "=", "certificate")
    .orderBy("changed_ms", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!row) return null;
  const { raised, ...life } = JSON.parse(row.state) as CertificateState;
  const residual = residualIn(row);
  const own = missingIn(life);
  // Until the fine certificate beside it was tried it waits.
  const awaited = own === null || residual === null ? null : await fineBeside(db, row, residual.calibration);
  return {
    labelsMissing: own === null ? null : Math.max(own, awaited ?? 0),
    residual: residual && { below: residual.below },
    ...{ kind: row.kind, model: row.model, calibration: row.calibration, epoch: row.epoch, labels: row.labels },
    ...{ gateThreshold: row.gate_threshold, raised, certificate: row.certificate, renewal: row.renewal },
    ...{ issuedMs: row.issued_ms || null, lapseMs: row.lapse_ms, changedMs: row.changed_ms },
  };
}

function missingIn({ launch, rules }: Pick<CertificateState, "launch" | "rules">): number | null {
  return launch.isDone ? null : Math.max(0, rules.launchLabels - launch.confidence.length);
}

/** What the fine certificate of the same stores and the same model still lacks; null where there is none, or it was tried. */
async function fineBeside(
  db: Db,
  { level, scope, task, model }: Pick<StateKey, "level" | "scope" | "task" | "model">,
  calibration: string,
): Promise<number | null> {
  const row = await db
    .selectFrom("gate_states")
    .select("state")
    .where((of) => of.and({ level, scope, task, label: "", rung: "fine" as const, model, calibration }))
    .where("purpose", "=", "certificate")
    .executeTakeFirst();
  return row ? missingIn(JSON.parse(row.state) as CertificateState) : null;
}

/** A store of a group's gate may be worse than the group: then less is accepted there, or nothing. */
async function capIn(
  db: Db,
  store: string,
  { task, label, rung }: GateName,
  { model, calibration }: Pick<GateStateLine, "model" | "calibration">,
): Promise<GateLine["cap"]> {
  const row = await db
    .selectFrom("gate_states")
    .select(["purpose", "contract", "state"])
    .where("level", "=", "store")
    .where("scope", "=", store)
    .where("task", "=", task)
    .where("label", "=", label ?? "")
    .where("rung", "=", rung)
    .where("model", "=", model)
    .where("calibration", "=", calibration)
    .executeTakeFirst();
  return row ? capOf(row, JSON.parse(row.state) as CertificateState) : null;
}

function keyText({ task, level, scope, label, rung }: GateName): string {
  return JSON.stringify([task, level, scope, label ?? "", rung]);
}

import { sql, type Kysely } from "kysely";
import { keyText as pathText, type Contract, type Costs, type ResolvedConfig } from "../../../config/index.ts";
import { StoreConfigs } from "../config/config-check.ts";
import { readStoreTexts } from "../config/config-reading.ts";
import { fleetScope } from "../config/config-tables.ts";
import { type HubTransaction } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { type HubTables } from "../database/tables.ts";
import { type HubParts } from "../room.ts";
import { newTask, type GateRung, type GateTables } from "./gate-tables.ts";

export type ContractRow = GateTables["gate_contracts"];

/** What an operator has promised: with probability 1 − delta at most `maxError` of what is accepted is wrong. */
export interface GateContract extends Omit<Contract, "kind"> {
  /** Share of the accepted decisions that people look at as well. */
  readonly auditShare: number;
  /** Reviews in a thousand decisions that people can take; null: no limit is stated. */
  readonly reviewsPer1000: number | null;
  /** What a review and a wrong accept cost; null where nobody has said, absent in a row of an earlier release. */
  readonly costs?: Costs | null;
}

/** Stores are written so many at a time. */
const rowsAtOnce = 500;

/**
 * Makes `gate_contracts` anew where the layers, the stores' regions or the set of stores have changed since. Any process
 * does it; one at a time, and what it writes is the same whoever does. Returns the tasks whose contracts are others now.
 */
export async function refreshContracts(parts: HubParts): Promise<readonly string[]> {
  const { database, clock } = parts;
  const [stamp, known] = await database.read(async (db) => [await configStamp(db), await knownStamp(db)]);
  if (stamp === known) return [];
  return database.write(async (trx) => {
    await lockHead(trx);
    // Read again under the lock: what another process has made meanwhile is not made twice.
    const now = await configStamp(trx.db);
    if (now === (await knownStamp(trx.db))) return [];
    const changed = await replaceContracts(trx, await wantedContracts(parts, trx));
    await trx.db.updateTable("gate_head").set({ config_stamp: now }).execute();
    // Another number or another region may be worth another proposal.
    await trx.db.updateTable("gate_tasks").set({ proposed_ms: 0 }).execute();
    // The keeper looks at each of them at once, whichever process it is.
    for (const task of changed) {
      await lookAt(trx, task, Math.round(clock.wallMs()));
      trx.tell({ kind: "gate", task });
    }
    return changed;
  });
}

async function lookAt({ db }: HubTransaction, task: string, nowMs: number): Promise<void> {
  await db
    .insertInto("gate_tasks")
    .values({ ...newTask(task), look_ms: nowMs })
    .onConflict((known) => known.column("task").doUpdateSet({ look_ms: nowMs }))
    .execute();
}

async function lockHead({ db }: HubTransaction): Promise<void> {
  await db
    .insertInto("gate_head")
    .values({ one: 1, config_stamp: "" })
    .onConflict((conflict) =>
      conflict.column("one").doUpdateSet((head) => ({ config_stamp: head.ref("gate_head.config_stamp") })),
    )
    .execute();
}

/** Changes when a layer, a store's region or the set of stores does. Moves of one millisecond count by their number. */
async function configStamp(db: Kysely<HubTables>): Promise<string> {
  const head = await db.selectFrom("config_head").select("change_n").executeTakeFirst();
  const regions = await db
    .selectFrom("stores")
    .select((row) => [row.fn.max("changed_ms").as("last"), row.fn.countAll<number>().as("count")])
    .executeTakeFirst();
  const moved = await db
    .selectFrom("stores")
    .select((row) => row.fn.countAll<number>().as("count"))
    .where("changed_ms", "=", regions?.last ?? 0)
    .executeTakeFirst();
  const agents = await db
    .selectFrom("agents")
    .select(sql<number>`cast(count(distinct store) as bigint)`.as("stores"))
    .executeTakeFirst();
  return [head?.change_n ?? 0, regions?.last ?? 0, regions?.count, moved?.count, agents?.stores].join("/");
}

async function knownStamp(db: Kysely<HubTables>): Promise<string | null> {
  return (await db.selectFrom("gate_head").select("config_stamp").executeTakeFirst())?.config_stamp ?? null;
}

/** The contracts of every store, by its effective config; stores with the same layers are resolved once. */
async function wantedContracts({ hasher }: HubParts, { db }: HubTransaction): Promise<readonly ContractRow[]> {
  const stores = await readStoreTexts(db, { layer: "fleet", scope: fleetScope });
  const configs = new StoreConfigs(hasher);
  const resolved = new Map<string, ResolvedConfig>();
  return stores.flatMap(({ store, region, texts }) => {
    const key = JSON.stringify(texts);
    const config = resolved.get(key) ?? configs.resolve(store, texts);
    resolved.set(key, config);
    return contractsOf(config, { store, region });
  });
}

interface StoreName {
  readonly store: string;
  readonly region: string | null;
}

/** The contracts that hold in one store, each with the layer whose word it is. Pure. */
export function contractsOf({ config, provenance }: ResolvedConfig, store: StoreName): readonly ContractRow[] {
  return Object.values(config.tasks).flatMap(
    ({ task, gate, fallback, auditShare, reviewCapacity, costs }): ContractRow[] => {
      const row = (label: string, rung: GateRung, promised: Contract, key: string): ContractRow => {
        const { maxError, delta, launchLabels, lapseAfterMs, lapseAccepts } = promised;
        const reviewsPer1000 = reviewCapacity?.per1000 ?? null;
        const contract: GateContract = {
          ...{ maxError, delta, launchLabels, lapseAfterMs, lapseAccepts, auditShare, reviewsPer1000, costs },
        };
        const of = ownerOf(provenance.get(key)?.layer, store);
        return { store: store.store, task, label, rung, ...of, contract: JSON.stringify(contract) };
      };
      const key = `thresholds.${task}`;
      const { target, classContracts, coarseContract } = gate;
      // Without a contract of its own the coarse answer is under the task's.
      const ofTask = target.kind === "contract" && fallback.includes("coarse_answer") ? target : null;
      const coarse = coarseContract ?? ofTask;
      return [
        ...(target.kind === "contract" ? [row("", "fine", target, key)] : []),
        ...Object.entries(classContracts).map(([label, contract]) =>
          row(label, "fine", contract, pathText(["thresholds", task, "classes", label])),
        ),
        ...(coarse === null ? [] : [row("", "coarse", coarse, coarseContract === null ? key : `${key}.coarse`)]),
      ];
    },
  );
}

function ownerOf(layer: string | undefined, { store, region }: StoreName): Pick<ContractRow, "level" | "scope"> {
  if (layer === "store") return { level: "store", scope: store };
  if (layer === "region" && region !== null) return { level: "region", scope: region };
  return { level: "fleet", scope: fleetScope };
}

/** Writes what differs. Returns the tasks that it was about. */
async function replaceContracts(trx: HubTransaction, wanted: readonly ContractRow[]): Promise<readonly string[]> {
  const before = await trx.db.selectFrom("gate_contracts").selectAll().execute();
  const known = new Map(before.map((row) => [keyOf(row), row]));
  const kept = new Map(wanted.map((row) => [keyOf(row), row]));
  const fresh = wanted.filter((row) => !isSame(row, known.get(keyOf(row))));
  const gone = before.filter((row) => !kept.has(keyOf(row)));
  for (const { store, task, label, rung } of [...gone, ...fresh.filter((row) => known.has(keyOf(row)))]) {
    await trx.db
      .deleteFrom("gate_contracts")
      .where("store", "=", store)
      .where("task", "=", task)
      .where("label", "=", label)
      .where("rung", "=", rung)
      .execute();
  }
  for (let from = 0; from < fresh.length; from += rowsAtOnce) {
    await insertRows(trx, "gate_contracts", fresh.slice(from, from + rowsAtOnce));
  }
  return [...new Set([...gone, ...fresh].map(({ task }) => task))];
}

function keyOf({ store, task, label, rung }: ContractRow): string {
  return JSON.stringify([store, task, label, rung]);
}

function isSame(a: ContractRow, b: ContractRow | undefined): boolean {
  return b !== undefined && a.level === b.level && a.scope === b.scope && a.contract === b.contract;
}

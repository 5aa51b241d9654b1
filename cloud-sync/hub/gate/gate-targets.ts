import { type Kysely } from "kysely";
import { type HubTables } from "../database/tables.ts";
import { type LabelRow } from "./due-labels.ts";
import { type ContractRow, type GateContract } from "./gate-contracts.ts";
import { type GateTables, type StateKey } from "./gate-tables.ts";

/** The contracts of one task, as its stores are under them. */
export interface TaskContracts {
  readonly byStore: ReadonlyMap<string, readonly HeldContract[]>;
}

export interface HeldContract extends Pick<ContractRow, "store" | "label" | "rung" | "level" | "scope"> {
  readonly contract: GateContract;
}

type Purpose = GateTables["gate_states"]["purpose"];

/** Which certificate a label is evidence for, and which contract that one is held to. */
export interface Target extends StateKey {
  readonly purpose: Purpose;
  readonly contract: GateContract;
}

/** How much looser than the group's contract a store's own certificate may be that caps it there. */
const capLooseness = 3;
const capErrorMax = 0.5;
/** A cap says what a store's labels say, and they do not age by themselves. */
const capLapseAfterMs = 3650 * 86_400_000;

export async function contractsOfTask(db: Kysely<HubTables>, task: string): Promise<TaskContracts> {
  const rows = await db.selectFrom("gate_contracts").selectAll().where("task", "=", task).execute();
  const byStore = new Map<string, HeldContract[]>();
  for (const { store, label, rung, level, scope, contract } of rows) {
    const held = { store, label, rung, level, scope, contract: JSON.parse(contract) as GateContract };
    byStore.set(store, [...(byStore.get(store) ?? []), held]);
  }
  return { byStore };
}

/** The contract that a label falls under: its class's own, else the task's. Pure. */
export function targetsOf({ byStore }: TaskContracts, label: LabelRow): readonly Target[] {
  const held = (byStore.get(label.store) ?? []).filter(({ rung }) => rung === label.rung);
  const own = held.find((one) => one.label === label.predicted) ?? held.find((one) => one.label === "");
  return own ? keysFor(own, label) : [];
}

/** The certificate of a contract for one model, and the store's own cap where the contract is a group's. */
export function keysFor(
  { store, label, rung, level, scope, contract }: HeldContract,
  { task, model, calibration }: Pick<LabelRow, "task" | "model" | "calibration">,
): readonly Target[] {
  const of = { task, label, rung, model, calibration };
  const certificate: Target = { ...of, level, scope, purpose: "certificate", contract };
  if (level === "store") return [certificate];
  return [certificate, { ...of, level: "store", scope: store, purpose: "cap", contract: capContract(contract) }];
}

function capContract(contract: GateContract): GateContract {
  const maxError = Math.min(capErrorMax, capLooseness * contract.maxError);
  return { ...contract, maxError, launchLabels: null, lapseAfterMs: capLapseAfterMs };
}

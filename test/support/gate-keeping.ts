import { refreshContracts } from "../../cloud-sync/hub/gate/gate-contracts.ts";
import { keepTask } from "../../cloud-sync/hub/gate/gate-keeper.ts";
import { type HubTables } from "../../cloud-sync/hub/database/tables.ts";
import { type FakeClock } from "../../testing/index.ts";
import { seedCases, type ReviewPlace, type SeedTraits } from "./hub-review.ts";

type StateRow = HubTables["gate_states"];

/** A task in a hub's database, with what a test does with it. */
export interface KeptTask {
  readonly task: string;
  /** Opens cases of it. */
  readonly held: (count: number, traits?: SeedTraits) => Promise<readonly string[]>;
  /** The world says of each case what it was. */
  readonly say: (ids: readonly string[], label: string) => Promise<void>;
  readonly judge: (ids: readonly string[], isWrong?: boolean) => Promise<void>;
  readonly keep: () => Promise<number>;
  readonly log: () => Promise<readonly HubTables["gate_log"][]>;
  readonly state: (purpose?: StateRow["purpose"], rung?: StateRow["rung"]) => Promise<StateRow | undefined>;
}

let tasks = 0;

/**
 * A task of its own, under the only config layer that there is then.
 *
 * @param text the fleet's layer; unless given a contract of 10 % at δ = 0.2
 */
export async function beginTask(
  place: ReviewPlace,
  clock: FakeClock,
  text?: (task: string) => string,
): Promise<KeptTask> {
  const task = `task_${(tasks += 1)}`;
  const layer = text?.(task) ?? `thresholds: { ${task}: { max_error: 0.1, delta: 0.2 } }`;
  await place.database.write(async ({ db }) => {
    await db.deleteFrom("config_layers").execute();
    const row = { layer: "fleet" as const, scope: "-", revision: 1, changed_ms: 1, changed_by: "test" };
    await db
      .insertInto("config_layers")
      .values({ ...row, text: layer })
      .execute();
    // A test may change the config a few times: the next task's must not look as if it were one of those.
    const change = { change_n: 100 * tasks };
    await db
      .insertInto("config_head")
      .values({ one: 1, ...change })
      .onConflict((known) => known.column("one").doUpdateSet(change))
      .execute();
  });
  await refreshContracts(place.parts);
  const held = async (count: number, traits: SeedTraits = {}): Promise<readonly string[]> => {
    clock.advance(1);
    return seedCases(place, count, { task, ...traits });
  };
  const say = async (ids: readonly string[], label: string): Promise<void> => {
    for (const caseId of ids) {
      await place.database.write((trx) => place.listener.outcome(trx, { caseId, label, isCorrect: null }));
    }
  };
  const judge = (ids: readonly string[], isWrong = false) => say(ids, isWrong ? "Banana" : "Kiwi");
  const keep = () => keepTask(place.parts, task);
  const log = () =>
    place.database.read((db) => db.selectFrom("gate_log").selectAll().where("task", "=", task).orderBy("n").execute());
  const state = (purpose: "certificate" | "cap" = "certificate", rung: "fine" | "coarse" = "fine") =>
    place.database.read((db) =>
      db
        .selectFrom("gate_states")
        .selectAll()
        .where("task", "=", task)
        .where("purpose", "=", purpose)
        .where("rung", "=", rung)
        .executeTakeFirst(),
    );
  return { task, held, say, judge, keep, log, state };
}

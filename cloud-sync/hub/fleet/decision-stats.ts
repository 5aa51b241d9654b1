import { sql, type Kysely } from "kysely";
import { HoldpointError } from "../../../protocol/index.ts";
import { type Scope } from "../api/caller.ts";
import { type HubTables } from "../database/tables.ts";
import { hourMs } from "./decision-counts.ts";
import { sumOf } from "./store-list.ts";

/** Automated against human over time: the sums of the hours, in steps of an hour or a day. */
export interface StatsQuery {
  /** Wall clock, milliseconds; the first step begins at or before it. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly step: "hour" | "day";
  readonly by: "all" | "task" | "store";
  readonly store: string | null;
  readonly task: string | null;
  readonly stores: Scope;
  readonly tasks: Scope;
}

export interface DecisionStep {
  readonly atMs: number;
  /** Store or task, where it was asked for by one. */
  readonly group: string | null;
  readonly accepted: number;
  readonly escalated: number;
  readonly abstained: number;
}

const stepsMs = { hour: hourMs, day: 24 * hourMs };
/** Steps of one answer; a year in days or a month in hours is below it. */
const stepsMax = 1000;
/** Points of one answer, where it is by store or task. */
const pointsMax = 50_000;

/** Days are those of UTC. Steps without decisions are left out. Errors: HP_TOO_LARGE. */
export async function decisionSteps(db: Kysely<HubTables>, query: StatsQuery): Promise<readonly DecisionStep[]> {
  const stepMs = stepsMs[query.step];
  if ((query.toMs - query.fromMs) / stepMs > stepsMax) {
    const hint = "Ask for a shorter time or for days.";
    throw new HoldpointError("HP_TOO_LARGE", `more than ${stepsMax} steps were asked for`, { hint });
  }
  const at = sql<number>`hour_ms - hour_ms % cast(${stepMs} as bigint)`;
  const group = query.by === "all" ? sql<string | null>`null` : sql<string | null>`${sql.ref(query.by)}`;
  const rows = await db
    .selectFrom("decision_hours")
    .select([at.as("at_ms"), group.as("of"), sumOf("accepted"), sumOf("escalated"), sumOf("abstained")])
    .where("hour_ms", ">=", query.fromMs - (query.fromMs % stepMs))
    .where("hour_ms", "<", query.toMs)
    .$if(query.store !== null, (asked) => asked.where("store", "=", query.store ?? ""))
    .$if(query.task !== null, (asked) => asked.where("task", "=", query.task ?? ""))
    .$if(query.stores !== null, (asked) => asked.where("store", "in", [...(query.stores ?? []), ""]))
    .$if(query.tasks !== null, (asked) => asked.where("task", "in", [...(query.tasks ?? []), ""]))
    .groupBy(query.by === "all" ? ["at_ms"] : ["at_ms", query.by])
    .orderBy("at_ms")
    .$if(query.by !== "all", (asked) => asked.orderBy("of"))
    .limit(pointsMax + 1)
    .execute();
  if (rows.length > pointsMax) {
    const hint = "Ask for a shorter time, for days, or for one store.";
    throw new HoldpointError("HP_TOO_LARGE", `the answer has more than ${pointsMax} points`, { hint });
  }
  return rows.map(({ at_ms: atMs, of, accepted, escalated, abstained }) => {
    return { atMs, group: of, accepted, escalated, abstained };
  });
}

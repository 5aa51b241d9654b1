import { sql, type AliasedRawBuilder, type Kysely } from "kysely";
import { z } from "zod";
import { type Scope } from "../api/caller.ts";
import { listCursor } from "../api/pages.ts";
import { type HubTables } from "../database/tables.ts";
import { heartbeatOf, stateOf, type ReportInputs } from "./agent-report.ts";
import { hourMs } from "./decision-counts.ts";

type Db = Kysely<HubTables>;
type Times = Pick<ReportInputs, "nowMs" | "offlineAfterMs">;

/** One line of the fleet's page. */
export interface StoreLine {
  readonly store: string;
  readonly region: string | null;
  readonly agents: number;
  readonly online: number;
  readonly degraded: number;
  /** Rows that the agents' journals have written and the hub has not. */
  readonly pending: number;
  /** Escalations that wait for people, by the agents' own journals. */
  readonly waiting: number;
  /** When the oldest case that waits came to the hub; null where none waits. */
  readonly oldestMs: number | null;
  /** Share of the decisions of the last 24 hours that nobody had to look at; null where there were none. */
  readonly coverage: number | null;
  /** Agents that run another version of the hub's config than they should. */
  readonly behind: number;
}

export interface StorePage {
  readonly scope: Scope;
  readonly region: string | null;
  /** Part of a store's name, in any case. */
  readonly search: string | null;
  readonly cursor: string | null;
  readonly limit: number;
}

export async function listStores(
  db: Db,
  page: StorePage,
  times: Times,
): Promise<{ readonly items: readonly StoreLine[]; readonly cursor: string | null }> {
  const rows = await storeNames(db, page);
  const stores = rows.slice(0, page.limit);
  const lines = stores.length === 0 ? [] : await linesOf(db, stores, times);
  const last = stores.at(-1);
  return { items: lines, cursor: rows.length > page.limit && last ? cursors.write(last.store) : null };
}

const cursors = listCursor("stores", z.string());

interface NamedStore {
  readonly store: string;
  readonly region: string | null;
}

/** Stores that have an agent or a setting, by name; one more than the page holds. */
function storeNames(db: Db, { scope, region, search, cursor, limit }: StorePage): Promise<NamedStore[]> {
  const after = cursors.read(cursor);
  const pattern = `%${(search ?? "").toLowerCase().replaceAll(/[\\%_]/g, "\\$&")}%`;
  return db
    .selectFrom((every) =>
      every
        .selectFrom("agents")
        .select("store")
        .union((others) => others.selectFrom("stores").select("store"))
        .as("known"),
    )
    .leftJoin("stores", "stores.store", "known.store")
    .select(["known.store", "stores.region"])
    .$if(scope !== null, (query) => query.where("known.store", "in", [...(scope ?? []), ""]))
    .$if(region !== null, (query) => query.where("stores.region", "=", region))
    .$if(search !== null, (query) => query.where(sql<boolean>`lower(known.store) like ${pattern} escape '\\'`))
    .$if(after !== null, (query) => query.where("known.store", ">", after ?? ""))
    .orderBy("known.store")
    .limit(limit + 1)
    .execute();
}

async function linesOf(db: Db, stores: readonly NamedStore[], times: Times): Promise<readonly StoreLine[]> {
  const names = stores.map(({ store }) => store);
  const agents = await db
    .selectFrom("agents")
    .select(["agent_id", "store", "state", "seen_ms", "heartbeat", "config_version"])
    .where("store", "in", names)
    .where("state", "=", "active")
    .execute();
  const journals = await journalStreams(db, names);
  const oldest = await oldestCases(db, names);
  const coverage = await coverageOf(db, names, times.nowMs);
  return stores.map(({ store, region }) => {
    const own = agents.filter((agent) => agent.store === store);
    const beats = own.map((agent) => ({ agent, beat: heartbeatOf(agent) }));
    const online = own.filter((agent) => stateOf(agent, times) === "online");
    return {
      ...{ store, region, agents: own.length, online: online.length },
      degraded: beats.filter(({ beat }) => beat !== null && beat.status.reasons.length > 0).length,
      pending: beats.reduce((sum, { agent, beat }) => {
        const have = beat === null ? 0 : (journals(agent.store, beat.outbox.epoch)?.watermark ?? 0);
        return sum + Math.max(0, (beat?.outbox.lastSeq ?? 0) - have);
      }, 0),
      waiting: beats.reduce((sum, { beat }) => sum + (beat?.status.waiting ?? 0), 0),
      oldestMs: oldest.get(store) ?? null,
      coverage: coverage.get(store) ?? null,
      behind: beats.filter(({ agent, beat }) => beat !== null && (beat.hubConfig ?? 0) !== agent.config_version).length,
    };
  });
}

/** What the hub holds of a store's journal, by the journal's epoch; null where nothing came of it. */
type JournalStreams = (store: string, epoch: string) => ReportInputs["stream"];

/** A box that is enrolled anew goes on with the journal of which the hub has rows under its name of before. */
export async function journalStreams(db: Db, stores: readonly string[]): Promise<JournalStreams> {
  if (stores.length === 0) return () => null;
  const rows = await db
    .selectFrom("ingest_streams")
    .innerJoin("agents", "agents.agent_id", "ingest_streams.agent_id")
    .select(["agents.store", "ingest_streams.epoch"])
    .select((row) => [row.fn.max("watermark").as("watermark"), row.fn.max("last_seq").as("last_seq")])
    .where("agents.store", "in", stores)
    .groupBy(["agents.store", "ingest_streams.epoch"])
    .execute();
  const found = new Map(rows.map(({ store, epoch, ...stream }) => [`${store}/${epoch}`, stream]));
  return (store, epoch) => found.get(`${store}/${epoch}`) ?? null;
}

/** One look into the index `cases_waiting` for each store, however many cases wait. */
async function oldestCases(db: Db, stores: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom("agents")
    .select("agents.store")
    .select((agent) =>
      agent
        .selectFrom("cases")
        .select("cases.received_ms")
        .whereRef("cases.store", "=", "agents.store")
        // Literals, so that the planner sees that the partial index holds these rows.
        .where("cases.state", "=", sql.lit("open" as const))
        .where("cases.kind", "=", sql.lit("escalation" as const))
        .orderBy("cases.received_ms")
        .limit(1)
        .as("oldest"),
    )
    .where("agents.store", "in", stores)
    .groupBy("agents.store")
    .execute();
  return new Map(rows.flatMap(({ store, oldest }) => (oldest === null ? [] : [[store, oldest] as const])));
}

/** Cases of a store that wait, up to `countMax`: a page says "more than" beyond it. */
export async function countWaiting(db: Db, store: string, countMax: number): Promise<number> {
  const { count } = await db
    .selectFrom((cases) =>
      cases
        .selectFrom("cases")
        .select("case_id")
        .where("store", "=", store)
        .where("state", "=", sql.lit("open" as const))
        .where("kind", "=", sql.lit("escalation" as const))
        .limit(countMax)
        .as("waiting"),
    )
    .select((row) => row.fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  return count;
}

async function coverageOf(db: Db, stores: readonly string[], nowMs: number): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom("decision_hours")
    .select("store")
    .select([sumOf("accepted"), sumOf("escalated"), sumOf("abstained")])
    .where("store", "in", stores)
    .where("hour_ms", ">", nowMs - 24 * hourMs)
    .groupBy("store")
    .execute();
  return new Map(
    rows.map(({ store, accepted, escalated, abstained }) => [store, accepted / (accepted + escalated + abstained)]),
  );
}

/** PostgreSQL adds bigint up to numeric, which would come as text. */
export function sumOf<N extends "accepted" | "escalated" | "abstained">(column: N): AliasedRawBuilder<number, N> {
  return sql<number>`cast(sum(${sql.ref(column)}) as bigint)`.as(column);
}

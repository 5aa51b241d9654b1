import { type Kysely } from "kysely";
import { HoldpointError } from "../../../protocol/index.ts";
import { type HubTables } from "../database/tables.ts";
import { StoreConfigs } from "../config/config-check.ts";
import { readStoreTexts } from "../config/config-reading.ts";
import { type BundleParts } from "../config/config-bundle.ts";
import { type HubParts } from "../room.ts";
import { agentReport, heartbeatOf, type AgentReport } from "./agent-report.ts";
import { hourMs, type TaskDecisions } from "./decision-counts.ts";
import { offlineAfterMs } from "./presence.ts";
import { countWaiting, journalStreams, listStores, sumOf, type StoreLine } from "./store-list.ts";

/** Cases that are counted one by one; a page says "more than" beyond it. */
const waitingCountMax = 10_000;
/** Agents that one store's page shows; the newest first. */
const agentsMax = 500;

export interface StoreStory extends Omit<StoreLine, "agents" | "coverage"> {
  readonly agents: readonly AgentReport[];
  /** Cases here that wait for people, at most `waitingCountMax`. */
  readonly casesWaiting: number;
  /** Decisions of the last 24 hours by task; `share` of them were accepted. */
  readonly coverage: readonly (TaskDecisions & { readonly share: number })[];
}

/** What the fleet's pages need beside the hub's own: which certificates a store's agents are to run. */
export type StoryParts = HubParts & Pick<BundleParts, "certificatesOf">;

/** Everything that the hub knows of one store. Throws HP_NOT_FOUND. */
export async function storeStory(parts: StoryParts, store: string): Promise<StoreStory> {
  const { database, clock, hasher } = parts;
  const nowMs = Math.round(clock.wallMs());
  return database.read(async (db) => {
    const page = { scope: [store], region: null, search: null, cursor: null, limit: 1 };
    const [line] = (await listStores(db, page, { nowMs, offlineAfterMs })).items;
    if (!line) throw new HoldpointError("HP_NOT_FOUND", "no such store");
    const [texts] = await readStoreTexts(db, { layer: "store", scope: store });
    const certificates = await parts.certificatesOf(db, store);
    const wanted = new StoreConfigs(hasher).resolve(
      store,
      texts?.texts ?? { fleet: "", region: "", store: "" },
      certificates,
    );
    const rows = await db
      .selectFrom("agents")
      .selectAll()
      .where("store", "=", store)
      .orderBy("agent_id", "desc")
      .limit(agentsMax)
      .execute();
    const journals = await journalStreams(db, [store]);
    const agents = rows.map((row) => {
      const epoch = heartbeatOf(row)?.outbox.epoch;
      const stream = epoch === undefined ? null : journals(store, epoch);
      return agentReport(row, { nowMs, offlineAfterMs, stream, wantedDigest: wanted.config.digest });
    });
    const casesWaiting = await countWaiting(db, store, waitingCountMax);
    return { ...line, agents, casesWaiting, coverage: await coverageByTask(db, store, nowMs) };
  });
}

async function coverageByTask(db: Kysely<HubTables>, store: string, nowMs: number): Promise<StoreStory["coverage"]> {
  const rows = await db
    .selectFrom("decision_hours")
    .select("task")
    .select([sumOf("accepted"), sumOf("escalated"), sumOf("abstained")])
    .where("store", "=", store)
    .where("hour_ms", ">", nowMs - 24 * hourMs)
    .groupBy("task")
    .orderBy("task")
    .execute();
  return rows.map((row) => ({ ...row, share: row.accepted / (row.accepted + row.escalated + row.abstained) }));
}

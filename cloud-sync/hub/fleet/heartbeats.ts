import {
  heartbeatReplySchema,
  heartbeatSchema,
  HoldpointError,
  type Heartbeat,
  type HeartbeatReply,
} from "../../../protocol/index.ts";
import { labelsDigest as digestOf } from "../../../models/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { agentRoute, type HubRoute } from "../api/hub-route.ts";
import { filledUp, isDatabaseGone, together } from "../api/together.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { agentEvent } from "./agent-event.ts";
import { addDecisions, decisionsSince } from "./decision-counts.ts";
import { type FleetTables } from "./fleet-tables.ts";

/** What the agents say of themselves, every half minute and after a change. */
export function heartbeatRoutes(parts: HubParts): readonly HubRoute[] {
  const beat = together<Beat, HeartbeatReply | null>({
    itemsMax: togetherMax,
    keyOf: ({ caller }) => caller.agentId,
    run: (beats) => parts.database.write((trx) => beatAll(parts, trx, beats)),
    isEverybodys: isDatabaseGone,
  });
  return [
    agentRoute({
      method: "POST",
      path: "/v1/heartbeat",
      operation: { id: "heartbeat", summary: "Report an agent's state; learn what the hub has for it", tag: "agents" },
      body: heartbeatSchema,
      // Labels of every task may come along, once.
      bodyBytesMax: 8 * 1024 * 1024,
      reply: heartbeatReplySchema,
      handle: async ({ caller, body }) => {
        const reply = await beat({ caller, heartbeat: body });
        if (reply) return reply;
        throw new HoldpointError("HP_CLONED", `another box reports as ${caller.name} of ${caller.store}`);
      },
    }),
  ];
}

/** Pace of the heartbeats, milliseconds: with ten thousand agents some three hundred a second. */
export const heartbeatEveryMs = 30_000;

/** Heartbeats of one transaction: they hold their agents' rows until the commit. */
const togetherMax = 64;

interface Beat {
  readonly caller: AgentCaller;
  readonly heartbeat: Heartbeat;
}

/**
 * All heartbeats that wait, in one transaction; null for each that is a cloned box's. Agents are locked in one order, and
 * what they count is written store by store, so that two processes wait for each other and seldom deadlock.
 */
async function beatAll(
  parts: HubParts,
  trx: HubTransaction,
  beats: readonly Beat[],
): Promise<readonly (HeartbeatReply | null)[]> {
  const agentIds = beats.map(({ caller }) => caller.agentId);
  const ids = filledUp(agentIds);
  const rows = await trx.db
    .selectFrom("agents")
    .select(["agent_id", "boot_id", "boot_before", "config_version", "heartbeat", "offline_ms", "cloned_ms"])
    .where("agent_id", "in", ids)
    .$if(parts.database.kind === "postgres", (query) => query.orderBy("agent_id").forUpdate())
    .execute();
  const rowOf = new Map(rows.map((row) => [row.agent_id, row]));
  const streams = await trx.db
    .selectFrom("ingest_streams")
    .select(["agent_id", "epoch", "watermark"])
    .where("agent_id", "in", ids)
    .execute();
  const answerP95Of = await answerTimes(
    trx,
    beats.flatMap(({ heartbeat }) => heartbeat.tasks),
  );
  const replies = new Map<string, HeartbeatReply | null>();
  const byStore = [...beats].sort((one, other) => (one.caller.store < other.caller.store ? -1 : 1));
  for (const beat of byStore) {
    const { agentId } = beat.caller;
    const row = rowOf.get(agentId);
    if (!row) throw new HoldpointError("HP_NOT_FOUND", "this agent is not one of the fleet any more");
    const { epoch } = beat.heartbeat.outbox;
    const stream = streams.find((one) => one.agent_id === agentId && one.epoch === epoch);
    const taken = await take(parts, trx, beat, row);
    replies.set(
      agentId,
      taken && { ...taken, watermark: stream?.watermark ?? 0, ...answerP95Of(beat.heartbeat.tasks) },
    );
  }
  return agentIds.map((agentId) => replies.get(agentId) ?? null);
}

type AgentState = Pick<
  FleetTables["agents"],
  "boot_id" | "boot_before" | "config_version" | "heartbeat" | "offline_ms" | "cloned_ms"
>;

/** Null where the heartbeat is a cloned box's: that one is written down, and nothing else of it counts. */
async function take(
  parts: HubParts,
  trx: HubTransaction,
  { caller, heartbeat }: Beat,
  row: AgentState,
): Promise<Omit<HeartbeatReply, "watermark"> | null> {
  const nowMs = Math.round(parts.clock.wallMs());
  const { bootId } = heartbeat;
  // A start replaces the boot before it for good. One that comes back after that runs beside its successor.
  if (bootId === row.boot_before && bootId !== row.boot_id) {
    await tellOfClone(parts, trx, caller, row.cloned_ms, nowMs);
    return null;
  }
  const { tasks, ...rest } = heartbeat;
  // Labels are kept apart; they would make every row of the fleet's page a large one.
  const kept = JSON.stringify({
    ...rest,
    tasks: tasks.map((task) => ({ ...task, labels: undefined, coarse: undefined })),
  });
  await trx.db
    .updateTable("agents")
    .set({
      heartbeat: kept,
      seen_ms: nowMs,
      software: heartbeat.software,
      boot_id: bootId,
      offline_ms: null,
      ...(bootId === row.boot_id ? {} : { boot_before: row.boot_id }),
    })
    .where("agent_id", "=", caller.agentId)
    .execute();
  // Without a task there is nothing to count, and the text of the last heartbeat need not be read.
  if (tasks.length > 0) {
    const before = row.heartbeat === null ? null : (JSON.parse(row.heartbeat) as Heartbeat);
    await addDecisions(trx, caller.store, decisionsSince(before, heartbeat), nowMs);
  }
  if (row.offline_ms !== null) await parts.events.emit(trx, [agentEvent("agent.online", caller, {})]);
  const labelsWanted = await keepLabels(parts, trx.db, caller.store, tasks);
  trx.tell({ kind: "agent", agentId: caller.agentId, isReport: true });
  const configVersion = row.config_version === 0 ? null : row.config_version;
  return { nowMs, configVersion, labelsWanted, nextMs: heartbeatEveryMs };
}

/** How long people take, for the tasks whose gate keeper knows it: agents hold their reviewers' capacity against it. */
async function answerTimes(
  { db }: HubTransaction,
  all: Heartbeat["tasks"],
): Promise<(tasks: Heartbeat["tasks"]) => Pick<HeartbeatReply, "answerP95Ms">> {
  if (all.length === 0) return () => ({});
  const rows = await db
    .selectFrom("gate_tasks")
    .select(["task", "answer_p95_ms"])
    .where("answer_p95_ms", "is not", null)
    .where("task", "in", [...new Set(all.map(({ task }) => task))])
    .execute();
  const known = new Map(rows.map((row) => [row.task, row.answer_p95_ms]));
  return (tasks) => {
    const times = tasks.flatMap(({ task }): [string, number][] => {
      const p95Ms = known.get(task) ?? null;
      return p95Ms === null ? [] : [[task, p95Ms]];
    });
    return times.length === 0 ? {} : { answerP95Ms: Object.fromEntries(times) };
  };
}

/** A clone reports every half minute; once an hour it is worth a line. */
const cloneToldEveryMs = 3_600_000;

async function tellOfClone(
  { audit, events }: HubParts,
  trx: HubTransaction,
  caller: AgentCaller,
  beforeMs: number | null,
  nowMs: number,
): Promise<void> {
  await trx.db.updateTable("agents").set({ cloned_ms: nowMs }).where("agent_id", "=", caller.agentId).execute();
  trx.tell({ kind: "agent", agentId: caller.agentId, isReport: true });
  if (beforeMs !== null && nowMs - beforeMs < cloneToldEveryMs) return;
  const subject = `agent:${caller.agentId}`;
  await audit.record(trx, { actor: "hub", action: "agent.cloned", subject, detail: { store: caller.store } });
  await events.emit(trx, [agentEvent("agent.cloned", caller, {})]);
}

/** Labels and questions of the store's tasks, for the review page's search box. Returns the tasks whose labels lack. */
async function keepLabels(
  { hasher, clock }: HubParts,
  db: Parameters<Parameters<HubParts["database"]["write"]>[0]>[0]["db"],
  store: string,
  tasks: Heartbeat["tasks"],
): Promise<string[]> {
  if (tasks.length === 0) return [];
  const rows = await db
    .selectFrom("store_tasks")
    .select(["task", "labels_digest"])
    .where("store", "=", store)
    .execute();
  const known = new Map(rows.map((row) => [row.task, row.labels_digest]));
  const nowMs = Math.round(clock.wallMs());
  const wanted: string[] = [];
  for (const { task, labels, labelsDigest, coarse, question } of tasks) {
    if (known.get(task) === labelsDigest && known.has(task)) continue;
    if (labelsDigest !== null && labels === undefined) {
      wanted.push(task);
      continue;
    }
    const groups = coarse && coarse.of.length === labels?.length ? JSON.stringify(coarse) : null;
    // By their digest they are looked up for labels of any store, so it must be theirs.
    if (labels && coarse && groups !== null && labelsDigest === digestOf(labels, coarse, hasher)) {
      await db
        .insertInto("gate_groups")
        .values({ digest: labelsDigest, labels: JSON.stringify(labels), coarse: groups, came_ms: nowMs })
        .onConflict((conflict) => conflict.column("digest").doUpdateSet({ came_ms: nowMs }))
        .execute();
    }
    const values = { labels_digest: labelsDigest, labels: JSON.stringify(labels ?? []), coarse: groups, question };
    await db
      .insertInto("store_tasks")
      .values({ store, task, ...values })
      .onConflict((conflict) => conflict.columns(["store", "task"]).doUpdateSet(values))
      .execute();
  }
  return wanted;
}

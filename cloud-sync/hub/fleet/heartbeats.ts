import {
  heartbeatReplySchema,
  heartbeatSchema,
  HoldpointError,
  type Heartbeat,
  type HeartbeatReply,
} from "../../../protocol/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { agentRoute, type HubRoute } from "../api/hub-route.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { agentEvent } from "./agent-event.ts";
import { addDecisions, decisionsSince } from "./decision-counts.ts";

/** What the agents say of themselves, every half minute and after a change. */
export function heartbeatRoutes(parts: HubParts): readonly HubRoute[] {
  return [
    agentRoute({
      method: "POST",
      path: "/v1/heartbeat",
      operation: { id: "heartbeat", summary: "Report an agent's state; learn what the hub has for it", tag: "agents" },
      body: heartbeatSchema,
      // Labels of every task may come along, once.
      bodyBytesMax: 8 * 1024 * 1024,
      reply: heartbeatReplySchema,
      handle: ({ caller, body }) => beat(parts, caller, body),
    }),
  ];
}

/** Pace of the heartbeats, milliseconds: with ten thousand agents some three hundred a second. */
export const heartbeatEveryMs = 30_000;

async function beat(parts: HubParts, caller: AgentCaller, heartbeat: Heartbeat): Promise<HeartbeatReply> {
  const reply = await parts.database.write((trx) => take(parts, trx, caller, heartbeat));
  if (reply) return reply;
  throw new HoldpointError("HP_CLONED", `another box reports as ${caller.name} of ${caller.store}`);
}

/** Null where the heartbeat is a cloned box's: that one is written down, and nothing else of it counts. */
async function take(
  parts: HubParts,
  trx: HubTransaction,
  caller: AgentCaller,
  heartbeat: Heartbeat,
): Promise<HeartbeatReply | null> {
  const nowMs = Math.round(parts.clock.wallMs());
  const row = await trx.db
    .selectFrom("agents")
    .select(["boot_id", "boot_before", "config_version", "heartbeat", "offline_ms", "cloned_ms"])
    .where("agent_id", "=", caller.agentId)
    .$if(parts.database.kind === "postgres", (query) => query.forUpdate())
    .executeTakeFirstOrThrow();
  const { bootId, outbox } = heartbeat;
  // A start replaces the boot before it for good. One that comes back after that runs beside its successor.
  if (bootId === row.boot_before && bootId !== row.boot_id) {
    await tellOfClone(parts, trx, caller, row.cloned_ms, nowMs);
    return null;
  }
  const isNewBoot = bootId !== row.boot_id;
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
      ...(isNewBoot ? { boot_before: row.boot_id } : {}),
    })
    .where("agent_id", "=", caller.agentId)
    .execute();
  const before = row.heartbeat === null ? null : (JSON.parse(row.heartbeat) as Heartbeat);
  await addDecisions(trx, caller.store, decisionsSince(before, heartbeat), nowMs);
  if (row.offline_ms !== null) await parts.events.emit(trx, [agentEvent("agent.online", caller, {})]);
  const labelsWanted = await keepLabels(trx.db, caller.store, tasks);
  const stream = await trx.db
    .selectFrom("ingest_streams")
    .select("watermark")
    .where("agent_id", "=", caller.agentId)
    .where("epoch", "=", outbox.epoch)
    .executeTakeFirst();
  trx.tell({ kind: "agent", agentId: caller.agentId });
  const answerP95Ms = await answerTimes(trx, tasks);
  return {
    nowMs,
    configVersion: row.config_version === 0 ? null : row.config_version,
    watermark: stream?.watermark ?? 0,
    labelsWanted,
    ...(Object.keys(answerP95Ms).length > 0 ? { answerP95Ms } : {}),
    nextMs: heartbeatEveryMs,
  };
}

/** How long people take, for the tasks whose gate keeper knows it: agents hold their reviewers' capacity against it. */
async function answerTimes({ db }: HubTransaction, tasks: Heartbeat["tasks"]): Promise<Record<string, number>> {
  if (tasks.length === 0) return {};
  const rows = await db
    .selectFrom("gate_tasks")
    .select(["task", "answer_p95_ms"])
    .where("answer_p95_ms", "is not", null)
    .where(
      "task",
      "in",
      tasks.map(({ task }) => task),
    )
    .execute();
  return Object.fromEntries(rows.flatMap((row) => (row.answer_p95_ms === null ? [] : [[row.task, row.answer_p95_ms]])));
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
  trx.tell({ kind: "agent", agentId: caller.agentId });
  if (beforeMs !== null && nowMs - beforeMs < cloneToldEveryMs) return;
  const subject = `agent:${caller.agentId}`;
  await audit.record(trx, { actor: "hub", action: "agent.cloned", subject, detail: { store: caller.store } });
  await events.emit(trx, [agentEvent("agent.cloned", caller, {})]);
}

/** Labels and questions of the store's tasks, for the review page's search box. Returns the tasks whose labels lack. */
async function keepLabels(
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
  const wanted: string[] = [];
  for (const { task, labels, labelsDigest, coarse, question } of tasks) {
    if (known.get(task) === labelsDigest && known.has(task)) continue;
    if (labelsDigest !== null && labels === undefined) {
      wanted.push(task);
      continue;
    }
    const groups = coarse && coarse.of.length === labels?.length ? JSON.stringify(coarse) : null;
    const values = { labels_digest: labelsDigest, labels: JSON.stringify(labels ?? []), coarse: groups, question };
    await db
      .insertInto("store_tasks")
      .values({ store, task, ...values })
      .onConflict((conflict) => conflict.columns(["store", "task"]).doUpdateSet(values))
      .execute();
  }
  return wanted;
}

import { newId, type Decision } from "../../../protocol/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { type PictureVault } from "../blobs/picture-vault.node.ts";
import { type CaseListener, type OpenedCase } from "../cases/case-opening.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { type ReadItem } from "./ingest-items.ts";

export interface InlinePicture {
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

type CaseItem = Extract<ReadItem, { kind: "case" }>;

interface Options extends HubParts {
  readonly vault: PictureVault;
  readonly listener: CaseListener;
}

/**
 * Inserts new cases with one statement. Returns those that are known with another body; the same id with the same body
 * is nothing new. A case's pictures are durable before its row is.
 */
export async function openCases(
  options: Options,
  trx: HubTransaction,
  agent: AgentCaller,
  items: readonly CaseItem[],
  pictures: ReadonlyMap<string, InlinePicture>,
): Promise<readonly CaseItem[]> {
  if (items.length === 0) return [];
  const nowMs = Math.round(options.clock.wallMs());
  // Two rows with one id in one call: the first one counts, and the second is held against it like any later one.
  const first = new Map<string, CaseItem>();
  for (const item of items) if (!first.has(item.item.id)) first.set(item.item.id, item);
  const rows = [...first.values()].map((item) => rowOf(options, agent, item, nowMs));
  const inserted = await trx.db
    .insertInto("cases")
    .values(rows)
    .onConflict((conflict) => conflict.columns(["store", "decision_id"]).doNothing())
    .returning(["case_id", "decision_id"])
    .execute();
  const caseIds = new Map(inserted.map((row) => [row.decision_id, row.case_id]));
  const opened = [...first.values()].flatMap((item) => {
    const caseId = caseIds.get(item.item.id);
    return caseId === undefined ? [] : [openedCase(agent, item, caseId, nowMs)];
  });
  await keepPictures(options, trx, items, caseIds, pictures);
  if (opened.length > 0) {
    await story(options, trx, opened, nowMs);
    await options.listener.opened(trx, opened);
  }
  return conflictsOf(trx, agent, items, caseIds);
}

function rowOf(options: Options, agent: AgentCaller, { item, decision, digest }: CaseItem, nowMs: number) {
  const { brief } = item;
  const text = JSON.stringify(decision);
  const { picture = null, costs = null, reviewLeftMs = null } = brief ?? {};
  return {
    case_id: newId(options.clock, options.random),
    store: agent.store,
    decision_id: item.id,
    agent_id: agent.agentId,
    device: brief?.view.device ?? "",
    task: decision.task,
    kind: item.kind === "audit" ? ("audit" as const) : ("escalation" as const),
    body_digest: digest,
    decision: text,
    first_decision: text,
    view: JSON.stringify(brief?.view ?? {}),
    extra: null,
    costs: costs && JSON.stringify(costs),
    state: "open" as const,
    received_ms: nowMs,
    held_ms: item.createdAtMs,
    due_ms: reviewLeftMs === null ? null : nowMs + Math.round(reviewLeftMs),
    final_ms: null,
    picture_sha256: picture?.sha256 ?? null,
    picture_bytes: picture?.bytes ?? 0,
    picture_type: picture?.contentType ?? null,
    picture_state: picture ? ("wanted" as const) : ("none" as const),
  };
}

function openedCase(agent: AgentCaller, { item, decision }: CaseItem, caseId: string, nowMs: number): OpenedCase {
  const left = item.brief?.reviewLeftMs ?? null;
  return {
    caseId,
    store: agent.store,
    task: decision.task,
    kind: item.kind === "audit" ? "audit" : "escalation",
    dueMs: left === null ? null : nowMs + Math.round(left),
    heldMs: item.createdAtMs,
    confidence: decision.confidence,
    label: labelOf(decision),
    costs: item.brief?.costs ?? null,
  };
}

export function labelOf(decision: Decision): string | null {
  return decision.answer?.label ?? null;
}

async function keepPictures(
  { vault }: Options,
  trx: HubTransaction,
  items: readonly CaseItem[],
  caseIds: ReadonlyMap<string, string>,
  pictures: ReadonlyMap<string, InlinePicture>,
): Promise<void> {
  const coming = items.flatMap(({ item }) => {
    const caseId = caseIds.get(item.id);
    const picture = pictures.get(item.id);
    const isIt = picture !== undefined && picture.sha256 === item.brief?.picture?.sha256;
    return caseId !== undefined && isIt ? [{ caseId, bytes: picture.bytes }] : [];
  });
  if (coming.length === 0) return;
  await vault.keep(trx, await vault.seal(coming));
  await trx.db
    .updateTable("cases")
    .set({ picture_state: "kept" })
    .where(
      "case_id",
      "in",
      coming.map(({ caseId }) => caseId),
    )
    .execute();
}

async function story(
  { clock, random }: Options,
  trx: HubTransaction,
  opened: readonly OpenedCase[],
  nowMs: number,
): Promise<void> {
  const events = opened.map(({ caseId, kind, dueMs }) => ({
    event_id: newId(clock, random),
    case_id: caseId,
    at_ms: nowMs,
    kind: "opened",
    body: JSON.stringify({ kind, dueMs }),
  }));
  await trx.db.insertInto("case_events").values(events).execute();
}

async function conflictsOf(
  { db }: HubTransaction,
  agent: AgentCaller,
  items: readonly CaseItem[],
  inserted: ReadonlyMap<string, string>,
): Promise<readonly CaseItem[]> {
  const known = items.filter(
    ({ item }, index) => !inserted.has(item.id) || items.findIndex((one) => one.item.id === item.id) !== index,
  );
  if (known.length === 0) return [];
  const rows = await db
    .selectFrom("cases")
    .select(["decision_id", "body_digest"])
    .where("store", "=", agent.store)
    .where(
      "decision_id",
      "in",
      known.map(({ item }) => item.id),
    )
    .execute();
  const digests = new Map(rows.map((row) => [row.decision_id, row.body_digest]));
  return known.filter(({ item, digest }) => digests.get(item.id) !== digest);
}

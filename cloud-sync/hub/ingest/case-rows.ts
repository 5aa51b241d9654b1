import { newId, type Decision } from "../../../protocol/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { type CaseKey, type PictureVault, type TakenPicture } from "../blobs/picture-vault.ts";
import { type CaseListener, type OpenedCase } from "../cases/case-opening.ts";
import { type HubTransaction } from "../database/database.ts";
import { insertRows, type InsertRow } from "../database/insert-rows.ts";
import { type HubParts } from "../room.ts";
import { caseSamples } from "./case-sample.ts";
import { type ReadItem } from "./ingest-items.ts";

export interface InlinePicture {
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

export type CaseItem = Extract<ReadItem, { kind: "case" }>;

interface Options extends HubParts {
  readonly vault: PictureVault;
  readonly listener: CaseListener;
}

/** A case with its id at the hub and, where its picture came along, where that one lies. Nobody refers to it yet. */
export interface SealedCases {
  readonly caseIds: ReadonlyMap<string, string>;
  readonly keys: ReadonlyMap<string, CaseKey>;
}

/**
 * Gives cases their ids and seals the pictures that came along, before the transaction: no lock is held while the disk
 * writes them, and a picture is durable before its case is. A call that comes twice leaves bytes that nobody refers to.
 */
export async function sealCases(
  { vault, clock, random }: Options,
  items: readonly CaseItem[],
  pictures: ReadonlyMap<string, InlinePicture>,
): Promise<SealedCases> {
  const caseIds = new Map<string, string>();
  const coming: TakenPicture[] = [];
  for (const { item } of items) {
    // Two rows with one id in one call: the first one counts.
    if (caseIds.has(item.id)) continue;
    const caseId = newId(clock, random);
    caseIds.set(item.id, caseId);
    const picture = pictures.get(item.id);
    if (picture && picture.sha256 === item.brief?.picture?.sha256) coming.push({ caseId, ...picture });
  }
  const keys = await vault.sealTaken(coming);
  return { caseIds, keys: new Map(keys.map((key) => [key.case_id, key])) };
}

/** A new case of some agent's call. */
export interface HeldCase {
  readonly agent: AgentCaller;
  readonly row: CaseItem;
  readonly sealed: SealedCases;
}

interface Opening {
  /** Cases that are known with another body; the same id with the same body is nothing new. */
  readonly conflicts: ReadonlySet<HeldCase>;
  /** The new ones whose picture came along. */
  readonly pictured: readonly HeldCase[];
}

/** Inserts new cases, of several agents' calls, with one statement a table. */
export async function openCases(options: Options, trx: HubTransaction, held: readonly HeldCase[]): Promise<Opening> {
  if (held.length === 0) return { conflicts: new Set(), pictured: [] };
  const nowMs = Math.round(options.clock.wallMs());
  // The second row of an id is held against the first like any later one.
  const first = new Map<string, HeldCase>();
  for (const one of held) if (!first.has(nameOf(one))) first.set(nameOf(one), one);
  const made = [...first.values()].map((one) => {
    const caseId = one.sealed.caseIds.get(one.row.item.id) ?? newId(options.clock, options.random);
    return { one, caseId, key: one.sealed.keys.get(caseId) ?? null };
  });
  const rows = made.map(({ one, caseId, key }) => rowOf(one.agent, one.row, caseId, key !== null, nowMs));
  const inserted = await insertRows(
    trx,
    "cases",
    rows,
    "on conflict (store, decision_id) do nothing returning case_id",
  );
  const isNew = new Set(inserted.map((row) => row["case_id"]));
  const opened = made.filter(({ caseId }) => isNew.has(caseId));
  if (opened.length > 0) {
    await options.vault.keep(
      trx,
      opened.flatMap(({ key }) => (key ? [key] : [])),
    );
    const cases = opened.map(({ one, caseId }) => openedCase(one.agent, one.row, caseId, nowMs));
    await options.listener.opened(trx, cases);
  }
  const fresh = new Set(opened.map(({ one }) => one));
  return {
    conflicts: await conflictsAmong(
      trx,
      held.filter((one) => !fresh.has(one)),
    ),
    pictured: opened.flatMap(({ one, key }) => (key ? [one] : [])),
  };
}

/** The device's id is its own within the store. */
function nameOf({ agent, row }: HeldCase): string {
  return `${agent.store} ${row.item.id}`;
}

function rowOf(
  agent: AgentCaller,
  { item, decision, digest }: CaseItem,
  caseId: string,
  hasPicture: boolean,
  nowMs: number,
): InsertRow<"cases"> {
  const { brief } = item;
  const { picture = null, costs = null, reviewLeftMs = null } = brief ?? {};
  return {
    case_id: caseId,
    store: agent.store,
    decision_id: item.id,
    agent_id: agent.agentId,
    device: brief?.view.device ?? "",
    task: decision.task,
    kind: item.kind === "audit" ? ("audit" as const) : ("escalation" as const),
    body_digest: digest,
    decision: JSON.stringify(decision),
    first_decision: null,
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
    picture_state: hasPicture ? ("kept" as const) : picture ? ("wanted" as const) : ("none" as const),
  };
}

function openedCase(agent: AgentCaller, row: CaseItem, caseId: string, nowMs: number): OpenedCase {
  const { item, decision } = row;
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
    ...caseSamples(row),
  };
}

export function labelOf(decision: Decision): string | null {
  return decision.answer?.label ?? null;
}

async function conflictsAmong({ db }: HubTransaction, known: readonly HeldCase[]): Promise<ReadonlySet<HeldCase>> {
  if (known.length === 0) return new Set();
  const rows = await db
    .selectFrom("cases")
    .select(["store", "decision_id", "body_digest"])
    .where(
      "decision_id",
      "in",
      known.map(({ row }) => row.item.id),
    )
    .where("store", "in", [...new Set(known.map(({ agent }) => agent.store))])
    .execute();
  const digests = new Map(rows.map((row) => [`${row.store} ${row.decision_id}`, row.body_digest]));
  return new Set(known.filter((one) => digests.get(nameOf(one)) !== one.row.digest));
}

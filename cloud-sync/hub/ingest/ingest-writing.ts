import { HoldpointError, newId, type IngestReply } from "../../../protocol/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { type PictureVault } from "../blobs/picture-vault.ts";
import { type CaseListener } from "../cases/case-opening.ts";
import { type HubTransaction } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { type HubParts } from "../room.ts";
import { openCases, type CaseItem, type HeldCase, type SealedCases } from "./case-rows.ts";
import { applyChange } from "./ingest-changes.ts";
import { type ReadItem } from "./ingest-items.ts";

/**
 * The transaction of ingest calls, each of another agent. Every agent's rows are applied in their order; the new cases
 * with which the calls begin, nearly all that ever comes, are opened together.
 */
export interface IngestOptions extends HubParts {
  readonly vault: PictureVault;
  readonly listener: CaseListener;
}

/** A call that was read and checked, and whose pictures lie sealed. */
export interface PreparedCall {
  readonly agent: AgentCaller;
  readonly epoch: string;
  readonly from: number;
  readonly lastSeq: number;
  readonly skipped: number;
  readonly rows: readonly ReadItem[];
  readonly sealed: SealedCases;
}

/** What is to be done with a call: its rows that are new, and what came of them so far. */
interface Step {
  readonly call: PreparedCall;
  readonly had: number;
  /** A gap lies before its rows: what lies between is asked for again, so that rows are applied in order or not at all. */
  readonly isGap: boolean;
  readonly fresh: readonly ReadItem[];
  readonly refused: { seq: number; code: string; message: string }[];
  /** Cases that are new and have their picture: nobody need ask the database what they lack. */
  readonly pictured: Set<string>;
}

export async function writeCalls(
  options: IngestOptions,
  trx: HubTransaction,
  calls: readonly PreparedCall[],
): Promise<readonly IngestReply[]> {
  const hadOf = await lockStreams(trx, calls);
  const steps = calls.map((call) => stepOf(options, call, hadOf(call)));
  const taken = steps.filter(({ isGap }) => !isGap);
  const openings = new Map(taken.map((step) => [step, openingOf(step.fresh)]));
  await open(
    options,
    trx,
    [...openings].flatMap(([step, rows]) => rows.map((row) => [step, row] as const)),
  );
  for (const [step, { length }] of openings) await applyRest(options, trx, step, step.fresh.slice(length));
  await moveStreams(trx, taken);
  const wanted = await wantedPictures(trx, taken);
  return steps.map((step) => {
    const { agent } = step.call;
    if (step.isGap) return { watermark: step.had, refused: [], wanted: [] };
    trx.tell({ kind: "agent", agentId: agent.agentId, isReport: true });
    return { watermark: watermarkOf(step), refused: step.refused, wanted: wanted(step) };
  });
}

function stepOf({ logger }: IngestOptions, call: PreparedCall, had: number): Step {
  const { agent, from, skipped, rows } = call;
  const missing = from - had - 1;
  const isGap = missing > skipped;
  // What the agent's own journal has no more would be waited for for ever.
  if (missing > 0 && !isGap) logger.warn("rows_gone", { agent: agent.agentId, from: had + 1, rows: missing });
  const known = Math.max(had, from - 1);
  const fresh = isGap ? [] : rows.filter(({ item }) => item.seq > known);
  return { call, had, isGap, fresh, refused: [], pictured: new Set() };
}

function watermarkOf({ call, had, fresh }: Step): number {
  return fresh.at(-1)?.item.seq ?? Math.max(had, call.from - 1);
}

/** The new cases with which the rows begin. */
function openingOf(rows: readonly ReadItem[]): readonly CaseItem[] {
  const cases: CaseItem[] = [];
  for (const row of rows) {
    if (row.kind !== "case") break;
    cases.push(row);
  }
  return cases;
}

/**
 * The streams' watermarks, their rows locked until the commit: calls of one agent take turns. Locked in one order, so that
 * two processes wait for each other and do not deadlock.
 */
async function lockStreams(
  trx: HubTransaction,
  calls: readonly PreparedCall[],
): Promise<(call: PreparedCall) => number> {
  const keys = calls.map(({ agent, epoch }) => ({ agent_id: agent.agentId, epoch, watermark: 0, last_seq: 0 }));
  keys.sort((one, other) => (one.agent_id < other.agent_id ? -1 : 1));
  // Changes nothing, and locks the rows in the same breath.
  const same = "on conflict (agent_id, epoch) do update set watermark = ingest_streams.watermark";
  const rows = await insertRows(trx, "ingest_streams", keys, `${same} returning agent_id, epoch, watermark`);
  const had = new Map(rows.map((row) => [`${String(row["agent_id"])} ${String(row["epoch"])}`, row["watermark"]]));
  return ({ agent, epoch }) => Number(had.get(`${agent.agentId} ${epoch}`));
}

async function moveStreams(trx: HubTransaction, steps: readonly Step[]): Promise<void> {
  const rows = steps.map((step) => {
    const { agent, epoch, lastSeq } = step.call;
    const watermark = watermarkOf(step);
    return { agent_id: agent.agentId, epoch, watermark, last_seq: Math.max(watermark, lastSeq) };
  });
  const moved = "watermark = excluded.watermark, last_seq = excluded.last_seq";
  await insertRows(trx, "ingest_streams", rows, `on conflict (agent_id, epoch) do update set ${moved}`);
}

/** New cases, each with the step that it is of. One statement for many is what makes ingest fast. */
async function open(
  options: IngestOptions,
  trx: HubTransaction,
  cases: readonly (readonly [Step, CaseItem])[],
): Promise<void> {
  const steps = new Map<HeldCase, Step>();
  for (const [step, row] of cases) steps.set({ agent: step.call.agent, row, sealed: step.call.sealed }, step);
  const { conflicts, pictured } = await openCases(options, trx, [...steps.keys()]);
  for (const held of pictured) steps.get(held)?.pictured.add(held.row.item.id);
  for (const [held, step] of steps) {
    if (!conflicts.has(held)) continue;
    const message = `the id ${held.row.item.id} has come with another body before`;
    await refuse(options, trx, step, held.row, new HoldpointError("HP_CONFLICT", message));
  }
}

/** What follows the first cases, in order: runs of cases between the changes still go together. */
async function applyRest(
  options: IngestOptions,
  trx: HubTransaction,
  step: Step,
  rows: readonly ReadItem[],
): Promise<void> {
  let run: (readonly [Step, CaseItem])[] = [];
  const flush = async (): Promise<void> => {
    await open(options, trx, run);
    run = [];
  };
  for (const row of rows) {
    if (row.kind === "case") {
      run.push([step, row]);
      continue;
    }
    await flush();
    if (row.kind === "refused") await refuse(options, trx, step, row, row.error);
    else await applyChange(options, trx, step.call.agent, row);
  }
  await flush();
}

/** Set aside for a person to look at; the row counts as received. */
async function refuse(
  { clock, random }: IngestOptions,
  trx: HubTransaction,
  { call: { agent, epoch }, refused }: Step,
  { item }: ReadItem,
  error: HoldpointError,
): Promise<void> {
  refused.push({ seq: item.seq, code: error.code, message: error.message });
  await trx.db
    .insertInto("quarantine")
    .values({
      quarantine_id: newId(clock, random),
      agent_id: agent.agentId,
      store: agent.store,
      decision_id: item.id,
      kind: item.kind,
      epoch,
      seq: item.seq,
      reason: `${error.code}: ${error.message}`,
      body: item.body,
      at_ms: Math.round(clock.wallMs()),
    })
    .execute();
}

/** Cases of these calls whose pictures the hub still lacks, call by call. */
async function wantedPictures(
  { db }: HubTransaction,
  steps: readonly Step[],
): Promise<(step: Step) => IngestReply["wanted"]> {
  const asked = new Map(
    steps.map(({ call, pictured }) => {
      const ids = call.rows.flatMap(({ kind, item }) => {
        return kind === "case" && item.brief?.picture && !pictured.has(item.id) ? [item.id] : [];
      });
      return [call, new Set(ids)] as const;
    }),
  );
  const ids = [...asked.values()].flatMap((some) => [...some]);
  if (ids.length === 0) return () => [];
  const rows = await db
    .selectFrom("cases")
    .select(["store", "decision_id", "picture_sha256"])
    .where("decision_id", "in", ids)
    .where("store", "in", [...new Set(steps.map(({ call }) => call.agent.store))])
    .where("picture_state", "=", "wanted")
    .execute();
  return ({ call }) =>
    rows
      .filter(({ store, decision_id: id }) => store === call.agent.store && asked.get(call)?.has(id) === true)
      .map(({ decision_id: id, picture_sha256: sha256 }) => ({ id, sha256: sha256 ?? "", offset: 0 }));
}

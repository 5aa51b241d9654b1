import { HoldpointError, newId, toHex, type Input, type ReviewCase } from "../../../protocol/index.ts";
import { type PictureVault } from "../blobs/picture-vault.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { type CaseListener, type OpenedCase } from "./case-opening.ts";

/** Work that comes in by another road than an agent's outbox: nobody's journal decides it, so the hub's answer is final. */
export interface ImportParts extends HubParts {
  readonly vault: PictureVault;
  readonly listener: CaseListener;
}

export interface ImportCase {
  /** Id under which the sender knows it: a UUID, unique within the store. */
  readonly decisionId: string;
  readonly store: string;
  readonly task: string;
  /** Who sent it, as reviewers see it. */
  readonly device: string;
  /** SHA-256 of what was sent, hexadecimal: the same id with another content is a conflict. */
  readonly digest: string;
  readonly view: ImportView;
  readonly picture: ImportPicture | null;
  /** What the sender wants back with the result: plain data. */
  readonly extra: Readonly<Record<string, unknown>> | null;
  /** Wall-clock milliseconds after which nobody is asked any more; null: nobody waits. */
  readonly dueMs: number | null;
}

/** What reviewers see of it, beside the picture. */
export type ImportView = Pick<
  ReviewCase,
  "inputKind" | "context" | "facts" | "series" | "suggestions" | "confidence" | "question" | "explanation"
>;

export interface ImportPicture {
  readonly bytes: Uint8Array;
  readonly contentType: "image/jpeg" | "image/png" | "image/webp";
}

export interface TakenImport {
  readonly caseId: string;
  readonly decisionId: string;
  /** False where the same content came before. */
  readonly isNew: boolean;
}

/** Cases of one call. */
const importCasesMax = 1_000;

/**
 * Opens cases of kind `import`, all or none. `also` runs in the same transaction, with the cases in the order in which
 * they were given. The pictures are durable before the rows are. Errors: HP_TOO_LARGE, HP_CONFLICT (an id that is known
 * with another content), HP_DISK_FULL, HP_DATABASE.
 */
export async function importCases<T>(
  parts: ImportParts,
  cases: readonly ImportCase[],
  also: (trx: HubTransaction, taken: readonly TakenImport[]) => Promise<T>,
): Promise<T> {
  if (cases.length > importCasesMax) {
    throw new HoldpointError("HP_TOO_LARGE", `${cases.length} cases in one call; at most ${importCasesMax} are taken`);
  }
  const made = cases.map((one) => ({ ...one, caseId: newId(parts.clock, parts.random) }));
  const keys = await parts.vault.seal(
    made.flatMap(({ caseId, picture }) => (picture ? [{ caseId, bytes: picture.bytes }] : [])),
  );
  return parts.database.write(async (trx) => {
    const taken = await open(parts, trx, made);
    const isNew = new Set(taken.flatMap((one) => (one.isNew ? [one.caseId] : [])));
    // Sealed bytes whose key is never written are nobody's, and go with their segment.
    await parts.vault.keep(
      trx,
      keys.filter(({ case_id }) => isNew.has(case_id)),
    );
    return also(trx, taken);
  });
}

type MadeCase = ImportCase & { readonly caseId: string };

async function open(
  parts: ImportParts,
  trx: HubTransaction,
  cases: readonly MadeCase[],
): Promise<readonly TakenImport[]> {
  if (cases.length === 0) return [];
  const nowMs = Math.round(parts.clock.wallMs());
  const first = new Map<string, MadeCase>();
  for (const one of cases) if (!first.has(keyOf(one))) first.set(keyOf(one), one);
  const inserted = await trx.db
    .insertInto("cases")
    .values([...first.values()].map((one) => rowOf(parts, one, nowMs)))
    .onConflict((conflict) => conflict.columns(["store", "decision_id"]).doNothing())
    .returning("case_id")
    .execute();
  const isNew = new Set(inserted.map((row) => row.case_id));
  const opened = [...first.values()].filter(({ caseId }) => isNew.has(caseId));
  if (opened.length > 0) {
    await tellOpened(parts, trx, opened, nowMs);
    await parts.listener.opened(
      trx,
      opened.map((one) => openedCase(one, nowMs)),
    );
  }
  const known = await knownOf(trx, cases);
  return cases.map((one) => {
    const row = known.get(keyOf(one));
    if (row?.digest !== one.digest) {
      throw new HoldpointError("HP_CONFLICT", `${one.decisionId} is known with another content`);
    }
    return { caseId: row.caseId, decisionId: one.decisionId, isNew: row.caseId === one.caseId };
  });
}

function keyOf({ store, decisionId }: Pick<ImportCase, "store" | "decisionId">): string {
  return `${store}|${decisionId}`;
}

function rowOf(
  { hasher }: ImportParts,
  { caseId, decisionId, store, task, device, digest, view, picture, extra, dueMs }: MadeCase,
  nowMs: number,
) {
  const whole = { ...view, id: decisionId, task, store, device, gateThreshold: 0, audit: false };
  const reasons = view.suggestions.length === 0 ? ["no_model"] : [];
  return {
    ...{ case_id: caseId, store, decision_id: decisionId, agent_id: null, device, task, kind: "import" as const },
    ...{ body_digest: digest, decision: null, first_decision: null, costs: null, state: "open" as const },
    view: JSON.stringify({ ...whole, reasons, heldAtMs: nowMs }),
    extra: extra && JSON.stringify(extra),
    ...{ received_ms: nowMs, held_ms: nowMs, due_ms: dueMs, final_ms: null },
    picture_sha256: picture && toHex(hasher.sha256(picture.bytes)),
    picture_bytes: picture?.bytes.byteLength ?? 0,
    picture_type: picture?.contentType ?? null,
    picture_state: picture ? ("kept" as const) : ("none" as const),
  };
}

function openedCase({ caseId, store, task, view, dueMs }: MadeCase, nowMs: number): OpenedCase {
  const label = view.suggestions[0]?.label ?? null;
  const { confidence } = view;
  return {
    ...{ caseId, store, task, kind: "import" as const, dueMs, heldMs: nowMs, confidence, label },
    ...{ costs: null, sample: null, second: null },
  };
}

async function tellOpened(
  { clock, random }: ImportParts,
  trx: HubTransaction,
  opened: readonly MadeCase[],
  nowMs: number,
): Promise<void> {
  const events = opened.map(({ caseId, dueMs, device }) => ({
    ...{ event_id: newId(clock, random), case_id: caseId, at_ms: nowMs, kind: "opened" },
    body: JSON.stringify({ kind: "import", dueMs, device }),
  }));
  await trx.db.insertInto("case_events").values(events).execute();
  for (const { caseId } of opened) trx.tell({ kind: "case", caseId });
}

async function knownOf(
  { db }: HubTransaction,
  cases: readonly MadeCase[],
): Promise<ReadonlyMap<string, { readonly caseId: string; readonly digest: string }>> {
  const rows = await db
    .selectFrom("cases")
    .select(["case_id", "store", "decision_id", "body_digest"])
    .where("store", "in", [...new Set(cases.map(({ store }) => store))])
    .where("decision_id", "in", [...new Set(cases.map(({ decisionId }) => decisionId))])
    .execute();
  return new Map(
    rows.map((row) => [
      keyOf({ store: row.store, decisionId: row.decision_id }),
      { caseId: row.case_id, digest: row.body_digest },
    ]),
  );
}

/** A picture of the protocol's input as the hub keeps it; null for inputs that are none. */
export function importPicture(input: Input): ImportPicture | null {
  if (input.kind !== "image") return null;
  return { bytes: input.data, contentType: `image/${input.encoding}` };
}

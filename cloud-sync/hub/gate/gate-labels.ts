import { type HubTransaction } from "../database/database.ts";
import { type CaseTruth } from "../review/gate-port.ts";
import { type HubParts } from "../room.ts";
import { isWrongAnswer } from "./coarse-answers.ts";
import { type GateLabelSource, type GateTables } from "./gate-tables.ts";

type LabelRow = Pick<
  GateTables["gate_labels"],
  | "case_id"
  | "store"
  | "task"
  | "rung"
  | "predicted"
  | "state"
  | "is_wrong"
  | "is_rule"
  | "answered_ms"
  | "counted_ms"
  | "kind"
  | "label_groups"
>;

const columns = [
  ...(["case_id", "store", "task", "rung", "predicted", "state", "is_wrong", "is_rule"] as const),
  ...(["answered_ms", "counted_ms", "kind", "label_groups"] as const),
] as const;

/**
 * Makes labels of what people and the world say, in the transaction in which they say it: one of each answer that the model
 * had to the case.
 */
export async function learnTruth(parts: HubParts, trx: HubTransaction, truth: CaseTruth): Promise<void> {
  for (const row of await lockRows(parts, trx, truth.caseId)) await learnOf(parts, trx, row, truth);
}

async function learnOf(parts: HubParts, trx: HubTransaction, row: LabelRow, truth: CaseTruth): Promise<void> {
  switch (truth.kind) {
    case "label":
      return learnLabel(parts, trx, row, truth);
    case "wrong":
      // Said of the answer that took effect. Of the other one nobody knows, and what nobody knows counts as wrong.
      return settle(parts, trx, row, { isWrong: true, truth: null, source: truth.source });
    case "unknowable":
      return settle(parts, trx, row, { isWrong: true, truth: null, source: "unknowable" });
    case "pending":
      if (row.state === "open") await write(parts, trx, row, { state: "pending" });
      return;
    case "dropped":
      if (row.state === "pending") {
        await trx.db
          .updateTable("gate_labels")
          .set({ state: "open", answered_ms: null })
          .where("case_id", "=", row.case_id)
          .where("rung", "=", row.rung)
          .execute();
      }
  }
}

/** Where nobody knows which group a label is of, a coarse answer is neither right nor wrong: of no certificate's business. */
async function learnLabel(
  parts: HubParts,
  trx: HubTransaction,
  row: LabelRow,
  { label, source }: { readonly label: string; readonly source: GateLabelSource },
): Promise<void> {
  const isWrong = await isWrongAnswer(trx, row, label);
  if (isWrong !== null) return settle(parts, trx, row, { isWrong, truth: label, source });
  // What was counted stays as it was counted.
  if (row.counted_ms === null) await write(parts, trx, row, { state: "apart", truth: label, source });
}

/**
 * The case's content is gone. What was known of it stays. An audit sample that nobody has judged counts as wrong: else
 * whoever forgets inconvenient samples would look better than they are.
 */
export async function forgetSample(parts: HubParts, trx: HubTransaction, caseId: string): Promise<void> {
  for (const row of await lockRows(parts, trx, caseId)) {
    const isOpen = row.state === "open" || row.state === "pending";
    if (row.kind === "audit" && isOpen) {
      await settle(parts, trx, row, { isWrong: true, truth: null, source: "lost" });
    }
  }
  // A label that is still to be counted keeps its basket until then: it says which of them belong together.
  await trx.db
    .updateTable("gate_labels")
    .set({ basket: null })
    .where("case_id", "=", caseId)
    .where("state", "in", ["open", "counted", "apart"])
    .execute();
}

interface Known {
  readonly isWrong: boolean;
  readonly truth: string | null;
  readonly source: GateLabelSource;
}

/**
 * A label that was not counted yet is as the strongest source says. One that was counted as right and turns out to be
 * wrong is counted again; one that was counted as wrong stays so, because labels that contradict each other are an error.
 */
async function settle(parts: HubParts, trx: HubTransaction, row: LabelRow, known: Known): Promise<void> {
  const isCounted = row.counted_ms !== null;
  const isWrong = known.isWrong || (isCounted && row.is_wrong === 1);
  const said = { truth: known.truth, source: known.source, is_wrong: isWrong ? 1 : 0 };
  const isNews = !isCounted || (isWrong && row.is_wrong !== 1);
  const state = row.is_rule === 1 ? ("apart" as const) : isNews ? ("ready" as const) : row.state;
  await write(parts, trx, row, { ...said, state });
  if (state === "ready") trx.tell({ kind: "gate", task: row.task });
}

async function write(
  { clock }: HubParts,
  { db }: HubTransaction,
  row: LabelRow,
  changes: Partial<Pick<GateTables["gate_labels"], "state" | "truth" | "is_wrong" | "source">>,
): Promise<void> {
  await db
    .updateTable("gate_labels")
    .set({ ...changes, answered_ms: row.answered_ms ?? Math.round(clock.wallMs()) })
    .where("case_id", "=", row.case_id)
    .where("rung", "=", row.rung)
    .execute();
}

/** Locked until the commit: the keeper counts a row or the label changes it, one after the other. The fine one first. */
async function lockRows({ database }: HubParts, { db }: HubTransaction, caseId: string): Promise<readonly LabelRow[]> {
  return db
    .selectFrom("gate_labels")
    .select(columns)
    .where("case_id", "=", caseId)
    .orderBy("rung", "desc")
    .$if(database.kind === "postgres", (query) => query.forUpdate())
    .execute();
}

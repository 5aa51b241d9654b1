import { type HubTransaction } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { type HubParts } from "../room.ts";
import { takeAccepted } from "./accepted-counts.ts";
import { answerP95 } from "./answer-times.ts";
import { dueLabels, evidenceAmong, labelsAtOnce, type LabelRow } from "./due-labels.ts";
import { newTask, type GateTables } from "./gate-tables.ts";
import { contractsOfTask, targetsOf, type TaskContracts } from "./gate-targets.ts";
import { StateBook } from "./state-book.ts";
import { adjusted } from "../../../models/measure/store-adjustment.ts";

/** How often a task under a contract is looked at although no label came: certificates lapse, people become slower. */
const lookEveryMs = 30_000;
/** A task without one has nothing that happens by itself. */
const restMs = 86_400_000;

/**
 * Counts the labels of a task that are due, in their order, and issues what follows, in one transaction: a process that is
 * killed has done all of it or nothing. Another process that has the task leaves nothing to do. Returns the number of
 * labels taken; as many as it may take at once means that there are more.
 */
export async function keepTask(parts: HubParts, task: string): Promise<number> {
  return parts.database.write(async (trx) => {
    const held = await lockTask(parts, trx, task);
    if (!held) return 0;
    const nowMs = Math.round(parts.clock.wallMs());
    const contracts = await contractsOfTask(trx.db, task);
    const labels = await dueLabels(parts, trx, task, nowMs);
    const book = new StateBook(parts, trx, { task, nowMs, contracts });
    await book.open(labels);
    // Labels may come many times a second; what was accepted is asked for as often as agents report.
    const isLook = held.look_ms <= nowMs;
    const isUnderContract = contracts.byStore.size > 0;
    book.passTime(isLook && isUnderContract ? await takeAccepted(trx, task, nowMs) : new Map());
    // What an epoch begins with is fitted when it is saved: labels of the new one wait for the next transaction.
    const counted = await countLabels(parts, trx, book, contracts, book.hasNewEpoch ? [] : labels, held.last_n, nowMs);
    const { lastN } = counted;
    await book.save(lastN);
    await trx.db
      .updateTable("gate_tasks")
      .set({
        last_n: lastN,
        ...(isLook ? { look_ms: nowMs + (isUnderContract ? lookEveryMs : restMs) } : {}),
        answer_p95_ms: isUnderContract ? await answerP95(trx.db, task, nowMs) : null,
        ...(book.hasPublished ? { proposed_ms: 0 } : {}),
      })
      .where("task", "=", task)
      .execute();
    return counted.taken < labels.length ? labelsAtOnce : labels.length;
  });
}

/** The task's row, locked until the commit; null where another process has it. */
async function lockTask(
  { database }: HubParts,
  { db }: HubTransaction,
  task: string,
): Promise<{ readonly last_n: number; readonly look_ms: number } | null> {
  await db
    .insertInto("gate_tasks")
    .values(newTask(task))
    .onConflict((conflict) => conflict.column("task").doNothing())
    .execute();
  const row = await db
    .selectFrom("gate_tasks")
    .select(["last_n", "look_ms"])
    .where("task", "=", task)
    .$if(database.kind === "postgres", (query) => query.forUpdate().skipLocked())
    .executeTakeFirst();
  return row ?? null;
}

/**
 * Takes each label through the certificates that it is evidence for, and writes down that it was counted. Ends where an
 * epoch does; returns how many were taken and the log's last line.
 */
async function countLabels(
  parts: HubParts,
  trx: HubTransaction,
  book: StateBook,
  contracts: TaskContracts,
  labels: readonly LabelRow[],
  lastN: number,
  nowMs: number,
): Promise<{ readonly taken: number; readonly lastN: number }> {
  const [first] = labels;
  if (!first) return { taken: 0, lastN };
  const isEvidence = await evidenceAmong(parts, trx, first.task, labels);
  const lines: GateTables["gate_log"][] = [];
  const taken: LabelRow[] = [];
  let n = lastN;
  for (const label of labels) {
    const isCounted = isEvidence(label);
    const targets = isCounted ? targetsOf(contracts, label) : [];
    book.narrow(targets, label);
    if (book.hasNewEpoch) break;
    taken.push(label);
    if (!isCounted) continue;
    n += 1;
    const { task, case_id, rung } = label;
    lines.push({ task, n, case_id, rung, is_wrong: label.is_wrong ?? 1, at_ms: nowMs });
    for (const target of targets) {
      const isOwn = target.level === "store" && target.purpose === "certificate";
      book.count(target, label, adjusted(label.confidence, isOwn ? null : book.adjustOf(label)));
    }
  }
  await insertRows(trx, "gate_log", lines);
  await markCounted(trx, taken, lastN, nowMs);
  return { taken: taken.length, lastN: n };
}

async function markCounted(
  { db }: HubTransaction,
  labels: readonly LabelRow[],
  lastN: number,
  nowMs: number,
): Promise<void> {
  for (const rung of ["fine", "coarse"] as const) {
    const own = labels.filter((label) => label.rung === rung);
    await write(own, { state: "counted", counted_ms: nowMs, counted_n: 0 });
    await write(
      own.filter(({ source }) => source === "undecided"),
      { is_wrong: 1, source: "undecided" },
    );
    async function write(rows: readonly LabelRow[], values: Partial<LabelRow>): Promise<void> {
      if (rows.length === 0) return;
      await db
        .updateTable("gate_labels")
        .set(values)
        .where(
          "case_id",
          "in",
          rows.map((label) => label.case_id),
        )
        .where("rung", "=", rung)
        .execute();
    }
  }
  await db
    .updateTable("gate_labels")
    .from("gate_log")
    .set((row) => ({ counted_n: row.ref("gate_log.n") }))
    .whereRef("gate_log.case_id", "=", "gate_labels.case_id")
    .whereRef("gate_log.rung", "=", "gate_labels.rung")
    .whereRef("gate_log.task", "=", "gate_labels.task")
    .where("gate_log.task", "=", labels[0]?.task ?? "")
    .where("gate_log.n", ">", lastN)
    .execute();
}

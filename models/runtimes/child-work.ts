import { type Input } from "../../protocol/index.ts";
import { type BatchAnswer } from "./loaded-model.ts";
import { type Quarantine } from "./quarantine.ts";

/** One input on its way to the child, under the id of its case. */
export interface CaseRow {
  readonly id: string;
  readonly input: Input;
}

/** What became of a row; `answer` is its batch's, `row` its place in it. */
export type RowOutcome =
  | { readonly kind: "answered"; readonly answer: BatchAnswer; readonly row: number }
  | { readonly kind: "quarantined" }
  | { readonly kind: "refused"; readonly message: string };

interface Work {
  readonly model: number;
  readonly rows: readonly CaseRow[];
  readonly settle: (outcomes: readonly RowOutcome[]) => void;
}

/**
 * Which batches the child has, and what becomes of them when it dies. Pure but for the callbacks.
 *
 * The rows that were in flight are run again one by one, so that the one that ends the child is found and the others get
 * their answers. Only a row that was alone in the child is blamed, and a blamed row goes to the end of the line; at the
 * second time it is quarantined.
 */
export class ChildWork {
  readonly #quarantine: Quarantine;
  #next = 1;
  #waiting: Work[] = [];
  #suspects: Work[] = [];
  readonly #inFlight = new Map<number, Work>();

  constructor(quarantine: Quarantine) {
    this.#quarantine = quarantine;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  add(model: number, rows: readonly CaseRow[], nowMs: number): Promise<readonly RowOutcome[]> {
    return new Promise((settle) => {
      const allowed = rows.filter(({ id }) => !this.#quarantine.has(id, nowMs));
      if (allowed.length === rows.length) {
        this.#waiting.push({ model, rows, settle });
        return;
      }
      const merge = (outcomes: readonly RowOutcome[]): void => {
        const rest = [...outcomes];
        settle(rows.map((row) => (allowed.includes(row) ? rest.shift() : undefined) ?? { kind: "quarantined" }));
      };
      if (allowed.length === 0) merge([]);
      else this.#waiting.push({ model, rows: allowed, settle: merge });
    });
  }

  /** Batches to send now, with the numbers that their answers carry. Suspects go alone. */
  take(): readonly { readonly batch: number; readonly model: number; readonly inputs: readonly Input[] }[] {
    const works: Work[] = [];
    if (this.#suspects.length > 0) {
      const suspect = this.#inFlight.size === 0 ? this.#suspects.shift() : undefined;
      if (suspect) works.push(suspect);
    } else {
      works.push(...this.#waiting.splice(0));
    }
    return works.map((work) => {
      const batch = this.#next;
      this.#next += 1;
      this.#inFlight.set(batch, work);
      return { batch, model: work.model, inputs: work.rows.map(({ input }) => input) };
    });
  }

  answered(batch: number, answer: BatchAnswer): void {
    const work = this.#inFlight.get(batch);
    if (!work) return;
    this.#inFlight.delete(batch);
    work.settle(work.rows.map((_, row) => ({ kind: "answered", answer, row })));
  }

  /**
   * The child is gone.
   *
   * @param stuck it was killed because its oldest batch took too long or too much memory: the younger ones are innocent
   */
  lost(stuck: boolean, nowMs: number): readonly string[] {
    const works = [...this.#inFlight.values()];
    this.#inFlight.clear();
    const accused = stuck ? works.slice(0, 1) : works;
    this.#waiting.unshift(...works.slice(accused.length));
    const [only] = accused;
    if (accused.length === 1 && only?.rows.length === 1) return this.#blame(only, nowMs);
    this.#suspects.unshift(...accused.flatMap(singles));
    return [];
  }

  /** Nobody will run what waits. */
  refuse(message: string): void {
    const works = [...this.#suspects.splice(0), ...this.#waiting.splice(0), ...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const work of works) work.settle(work.rows.map(() => ({ kind: "refused", message })));
  }

  #blame(work: Work, nowMs: number): readonly string[] {
    const [row] = work.rows;
    if (!row) return [];
    if (!this.#quarantine.blame(row.id, nowMs)) {
      this.#suspects.push(work);
      return [];
    }
    work.settle([{ kind: "quarantined" }]);
    return [row.id];
  }
}

/** The rows of a batch, each by itself; the batch is settled when the last of them is. */
function singles(work: Work): readonly Work[] {
  const outcomes = new Map<number, RowOutcome>();
  return work.rows.map((row, index) => ({
    model: work.model,
    rows: [row],
    settle: ([outcome]) => {
      outcomes.set(index, outcome ?? { kind: "refused", message: "the row was lost" });
      if (outcomes.size < work.rows.length) return;
      work.settle(work.rows.map((_, i) => outcomes.get(i) ?? { kind: "refused", message: "the row was lost" }));
    },
  }));
}

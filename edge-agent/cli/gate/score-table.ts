import { onePerBasket } from "../../../models/measure/clusters.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";
import { HoldpointError } from "../../../protocol/index.ts";
import { KeyTable } from "./key-table.ts";
import { type Columns, columnsOf, fault, outcomeOf, ownColumns, shareOf } from "./score-fields.ts";
import { byGroup, compareKeys } from "./score-parts.ts";

/** More rows than this are refused: nine bytes each, and 28 more with ids and baskets. */
const rowsMax = 20_000_000;
/** More groups than this are refused: whoever groups by a column of ids has named the wrong one. */
const groupsMax = 10_000;

/** Labelled scores of one group, ready for the statistics of `models/measure`. */
export interface ScoreGroup {
  /** Value of each column that groups; empty for the file as a whole. */
  readonly key: Readonly<Record<string, string>>;
  /** Float64Array, shape [items], in [0, 1]. */
  readonly confidence: Float64Array;
  /** Uint8Array, shape [items], 1 where the prediction was right, else 0. */
  readonly correct: Uint8Array;
}

/** What a file held. */
export interface Scores {
  readonly whole: ScoreGroup;
  /** One for each combination of the columns that group, in the order of their names; none without such columns. */
  readonly groups: readonly ScoreGroup[];
  /** Rows of the file, and rows that are left out because their id had come before. */
  readonly rows: number;
  readonly duplicates: number;
  /** Ids whose rows disagree about `correct`: each counts as one wrong prediction. */
  readonly contradictions: number;
  /** Baskets, where the file has that column: one decision of each, drawn without looking at it, is left; else null. */
  readonly baskets: number | null;
}

/**
 * Takes the records of a file of scores, the header first, and keeps them as typed columns.
 *
 * Throws HP_SCORES with the line for whatever would make a certificate say something that the file does not: nothing is
 * repaired or skipped in silence.
 */
export class ScoreTable {
  readonly #by: readonly string[];
  #columns: Columns | null = null;
  #rows = 0;
  #kept = 0;
  #confidence = new Float64Array(1024);
  #correct = new Uint8Array(1024);
  #group = new Uint16Array(1024);
  #basket = new Uint32Array(1024);
  readonly #ids = new KeyTable();
  readonly #baskets = new KeyTable();
  readonly #groups = new Map<string, { readonly at: number; readonly values: readonly string[] }>();
  #duplicates = 0;
  readonly #contradicted = new Set<number>();

  constructor(by: readonly string[]) {
    const wrong = by.find((name) => (ownColumns as readonly string[]).includes(name));
    if (wrong !== undefined) throw new HoldpointError("HP_USAGE", `--by cannot group by the column ${wrong}`);
    this.#by = by;
  }

  /** Rows that came so far. */
  get rows(): number {
    return this.#rows;
  }

  readonly take = (fields: readonly string[], line: number): void => {
    if (this.#columns === null) this.#columns = columnsOf(fields, this.#by, line);
    else this.#row(fields, line, this.#columns);
  };

  #row(fields: readonly string[], line: number, columns: Columns): void {
    if (fields.length !== columns.count) {
      throw fault(line, `${fields.length} fields, but the header has ${columns.count}`);
    }
    if (this.#rows >= rowsMax)
      throw fault(line, `more than ${rowsMax} rows`, "Certify a sample, or a part of the file.");
    this.#rows += 1;
    const confidence = shareOf(fields[columns.confidence] ?? "", "confidence", line);
    const correct = outcomeOf(fields[columns.correct] ?? "", line);
    const group = this.#groupOf(
      columns.by.map((at) => fields[at] ?? ""),
      line,
    );
    if (columns.id >= 0) {
      const id = fields[columns.id] ?? "";
      if (id === "") throw fault(line, "the id is empty", "Give every decision its id, or leave the column out.");
      const { at, isNew } = this.#ids.take(id);
      if (!isNew) {
        this.#again(at, confidence, correct, group, line);
        return;
      }
    }
    const at = this.#kept;
    if (at === this.#confidence.length) this.#grow();
    this.#confidence[at] = confidence;
    this.#correct[at] = correct;
    this.#group[at] = group;
    if (columns.basket >= 0) {
      const basket = fields[columns.basket] ?? "";
      if (basket === "") throw fault(line, "the basket is empty", "A decision without a basket is one of its own.");
      this.#basket[at] = this.#baskets.take(`${group} ${basket}`).at;
    }
    this.#kept += 1;
  }

  /** The same decision once more: no new evidence, and a label that contradicts the first makes it a wrong one. */
  #again(at: number, confidence: number, correct: number, group: number, line: number): void {
    if (this.#confidence[at] !== confidence || this.#group[at] !== group) {
      throw fault(
        line,
        "the id has come before with another confidence or in another group",
        "One decision has one id and one confidence; find out which row is true.",
      );
    }
    this.#duplicates += 1;
    if (this.#correct[at] === correct) return;
    // It may have been made wrong by an earlier contradiction; then a label "wrong" agrees with it.
    this.#contradicted.add(at);
    this.#correct[at] = 0;
  }

  #groupOf(values: readonly string[], line: number): number {
    if (values.length === 0) return 0;
    const name = values.length === 1 ? (values[0] ?? "") : JSON.stringify(values);
    const known = this.#groups.get(name);
    if (known !== undefined) return known.at;
    const empty = values.indexOf("");
    if (empty >= 0) throw fault(line, `the column ${this.#by[empty] ?? ""} is empty`, "Every row belongs to a group.");
    const at = this.#groups.size;
    if (at >= groupsMax) throw fault(line, `more than ${groupsMax} groups`, "Group by a column with fewer values.");
    // Copies: a piece of the text that was read would keep all of it.
    const [key = "", ...copies] = JSON.parse(JSON.stringify([name, ...values])) as string[];
    this.#groups.set(key, { at, values: copies });
    return at;
  }

  #grow(): void {
    const length = this.#confidence.length * 2;
    const [confidence, correct] = [new Float64Array(length), new Uint8Array(length)];
    const [group, basket] = [new Uint16Array(length), new Uint32Array(length)];
    confidence.set(this.#confidence);
    correct.set(this.#correct);
    group.set(this.#group);
    basket.set(this.#basket);
    [this.#confidence, this.#correct, this.#group, this.#basket] = [confidence, correct, group, basket];
  }

  /** Ends the reading. Throws HP_SCORES where no row came. */
  scores(): Scores {
    if (this.#columns === null) throw new HoldpointError("HP_SCORES", "line 1: the file is empty");
    if (this.#kept === 0) throw new HoldpointError("HP_SCORES", "line 2: there is a header, but no row");
    const hasBaskets = this.#columns.basket >= 0;
    const kept = hasBaskets ? this.#oneOfEachBasket() : Uint32Array.from({ length: this.#kept }, (_, at) => at);
    const names = [...this.#groups.values()].sort((one, other) => compareKeys(one.values, other.values));
    return {
      whole: this.#part({}, kept),
      groups: byGroup(kept, this.#group, names).map(({ values, items: own }) =>
        this.#part(Object.fromEntries(this.#by.map((name, i) => [name, values[i] ?? ""])), own),
      ),
      rows: this.#rows,
      duplicates: this.#duplicates,
      contradictions: this.#contradicted.size,
      baskets: hasBaskets ? this.#baskets.size : null,
    };
  }

  /** The choice is the same every time, so that nobody can draw until it suits. */
  #oneOfEachBasket(): Uint32Array {
    return Uint32Array.from(onePerBasket(this.#basket.subarray(0, this.#kept), seededDraw(1))).sort();
  }

  #part(key: ScoreGroup["key"], items: Uint32Array): ScoreGroup {
    const confidence = new Float64Array(items.length);
    const correct = new Uint8Array(items.length);
    items.forEach((item, at) => {
      confidence[at] = this.#confidence[item] ?? 0;
      correct[at] = this.#correct[item] ?? 0;
    });
    return { key, confidence, correct };
  }
}

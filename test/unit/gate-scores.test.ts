import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CsvReader } from "../../edge-agent/cli/gate/csv-reader.ts";
import { certificateOf, curveOf } from "../../edge-agent/cli/gate/group-report.ts";
import { KeyTable } from "../../edge-agent/cli/gate/key-table.ts";
import { ScoreTable, type Scores } from "../../edge-agent/cli/gate/score-table.ts";
import { type HoldpointError } from "../../protocol/index.ts";
import { seededDraw } from "../../models/measure/seeded-draw.ts";

function scoresOf(text: string, by: readonly string[] = [], piece = text.length + 1): Scores {
  const table = new ScoreTable(by);
  const reader = new CsvReader(table.take);
  for (let at = 0; at < text.length; at += piece) reader.push(text.slice(at, at + piece));
  reader.end();
  return table.scores();
}

/** What a file is refused with. */
function refusal(text: string, by: readonly string[] = []): string {
  try {
    scoresOf(text, by);
  } catch (cause) {
    const { code, message, hint } = cause as HoldpointError;
    expect(hint.length).toBeGreaterThan(10);
    return `${code} ${message}`;
  }
  return "taken";
}

const head = "confidence,correct";

describe("the CSV reader", () => {
  it("reads back whatever is written by the rules of RFC 4180, in pieces of any size", () => {
    const field = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r\n", "ü", " "), maxLength: 6 });
    const record = fc
      .array(field, { minLength: 2, maxLength: 4 })
      // A record of its own kind: an empty line is none.
      .filter((fields) => fields.some((one) => one !== ""));
    fc.assert(
      fc.property(fc.array(record), fc.constantFrom("\n", "\r\n"), fc.nat({ max: 7 }), (records, end, size) => {
        const text = records.map((r) => r.map((f) => `"${f.replaceAll('"', '""')}"`).join(",") + end).join("");
        const read: (readonly string[])[] = [];
        const reader = new CsvReader((fields) => read.push(fields));
        for (let at = 0; at < text.length; at += size + 1) reader.push(text.slice(at, at + size + 1));
        reader.end();
        expect(read).toEqual(records);
      }),
    );
  });

  it("counts the lines of quoted line ends", () => {
    const lines: number[] = [];
    const reader = new CsvReader((_, line) => lines.push(line));
    reader.push('a,b\n"1\n2",3\n\n4,5');
    reader.end();
    expect(lines).toEqual([1, 2, 5]);
  });

  it("refuses quotes that open nowhere or never close, and records without an end", () => {
    expect(refusal(`${head}\n0.5,1"2"\n`)).toMatch(/^HP_SCORES line 2: a quote stands inside/);
    expect(refusal(`${head}\n0.5,"1\n0.5,1\n`)).toMatch(/^HP_SCORES line 2: a quote is never closed/);
    expect(refusal(`${head}\n"${"x".repeat(70_000)}`)).toMatch(/^HP_SCORES line 2: a record is longer/);
  });
});

describe("a file of scores", () => {
  it.each([
    ["", "line 1: the file is empty"],
    ["\n\n", "line 1: the file is empty"],
    [`${head}\n`, "line 2: there is a header, but no row"],
    ["confidence,label\n0.5,1\n", "line 1: no column correct"],
    ["confidence;correct\n0.5;1\n", "line 1: no column confidence, correct"],
    ["confidence,correct,correct\n0.5,1,1\n", "line 1: the column correct comes twice"],
    [`${head}\n0.5,1\n1.2,1\n`, 'line 3: confidence must be a number in [0, 1], got "1.2"'],
    [`${head}\n-0.1,1\n`, "line 2: confidence must be"],
    [`${head}\nNaN,1\n`, 'got "NaN"'],
    [`${head}\ninf,1\n`, 'got "inf"'],
    [`${head}\n0x1,1\n`, 'got "0x1"'],
    [`${head}\n,1\n`, 'got ""'],
    [`${head}\n0.5,2\n`, 'line 2: correct must be 0 or 1, got "2"'],
    [`${head}\n0.5,true\n`, 'got "true"'],
    [`${head}\n0.5,\n`, "line 2: correct must be"],
    [`${head}\n0.5\n`, "line 2: 1 fields, but the header has 2"],
    [`${head}\n0.5,1,3\n`, "line 2: 3 fields, but the header has 2"],
    [`${head},id\n0.5,1,\n`, "line 2: the id is empty"],
    [`${head},basket\n0.5,1,\n`, "line 2: the basket is empty"],
    [`${head},id\n0.5,1,a\n0.6,1,a\n`, "line 3: the id has come before with another confidence"],
  ])("is refused: %j", (text, message) => {
    expect(refusal(text)).toContain(`HP_SCORES`);
    expect(refusal(text)).toContain(message);
  });

  it("is refused where a column that groups is missing or empty", () => {
    expect(refusal(`${head}\n0.5,1\n`, ["store"])).toContain("line 1: no column store");
    expect(refusal(`${head},store\n0.5,1,\n`, ["store"])).toContain("line 2: the column store is empty");
    expect(() => new ScoreTable(["correct"])).toThrow("--by cannot group by the column correct");
  });

  it("is taken with CRLF, blanks round numbers, other columns and 1.0 for 1, in pieces of any size", () => {
    const text = 'note,correct,confidence\r\n"a,b",1.0, 0.5\r\nc,0,1e-1\r\n';
    for (const piece of [1, 2, 5, 1000]) {
      const { whole, rows } = scoresOf(text, [], piece);
      expect([[...whole.confidence], [...whole.correct], rows]).toEqual([[0.5, 0.1], [1, 0], 2]);
    }
  });

  it("keeps groups apart, in the order of their names, and all rows as the whole", () => {
    const text = `store,task,${head}\nb,x,0.9,1\na,y,0.8,0\nb,x,0.7,1\na,x,0.6,1\n`;
    const { whole, groups } = scoresOf(text, ["store", "task"]);
    expect(whole.confidence).toHaveLength(4);
    expect(groups.map(({ key, confidence }) => [key, [...confidence]])).toEqual([
      [{ store: "a", task: "x" }, [0.6]],
      [{ store: "a", task: "y" }, [0.8]],
      [{ store: "b", task: "x" }, [0.9, 0.7]],
    ]);
  });

  it("numbers texts by their first coming, however many there are", () => {
    const table = new KeyTable();
    const numbers = Array.from({ length: 20_000 }, (_, i) => table.take(`id-${i % 10_000}`).at);
    expect(numbers).toEqual(Array.from({ length: 20_000 }, (_, i) => i % 10_000));
    expect(table.size).toBe(10_000);
  });
});

/** Rows with ids; the chance to be right grows with the confidence. */
function rows(count: number, seed: number): { id: string; confidence: number; correct: number }[] {
  const random = seededDraw(seed);
  return Array.from({ length: count }, (_, i) => {
    const confidence = Math.round(random() * 1000) / 1000;
    return { id: `d${i}`, confidence, correct: random() < 0.3 * (1 - confidence) ? 0 : 1 };
  });
}

function written(some: readonly { id: string; confidence: number; correct: number }[]): string {
  return `id,${head}\n${some.map(({ id, confidence, correct }) => `${id},${confidence},${correct}\n`).join("")}`;
}

describe("what is wrong with labels never lowers a gate threshold", () => {
  const contract = { maxError: 0.05, delta: 0.05 };
  const threshold = (text: string): number => certificateOf(scoresOf(text).whole, contract).threshold ?? Infinity;

  it("a repeated row counts once", () => {
    const clean = rows(800, 1);
    const twice = [...clean, ...clean.slice(0, 300)];
    expect(scoresOf(written(twice))).toMatchObject({ rows: 1100, duplicates: 300, contradictions: 0 });
    expect(threshold(written(twice))).toBe(threshold(written(clean)));
  });

  it("labels that contradict each other count as wrong, in either order", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 40 }), (seed, count) => {
        const clean = rows(800, seed);
        const turned = clean.slice(0, count).map((row) => ({ ...row, correct: 1 - row.correct }));
        const after = written([...clean, ...turned]);
        const before = written([...turned, ...clean]);
        expect(threshold(after)).toBeGreaterThanOrEqual(threshold(written(clean)));
        expect(threshold(before)).toBe(threshold(after));
        expect(scoresOf(after).contradictions).toBe(count);
      }),
      { numRuns: 25 },
    );
  });

  it("one class only: all right certifies everything, all wrong nothing", () => {
    const right = rows(400, 2).map((row) => ({ ...row, correct: 1 }));
    expect(certificateOf(scoresOf(written(right)).whole, contract)).toMatchObject({ coverage: 1, errors: 0 });
    const wrong = right.map((row) => ({ ...row, correct: 0 }));
    expect(certificateOf(scoresOf(written(wrong)).whole, contract).threshold).toBeNull();
  });

  it("all ties: the gate threshold is the one confidence, or none", () => {
    const tied = rows(400, 3).map((row) => ({ ...row, confidence: 0.5 }));
    const right = tied.map((row) => ({ ...row, correct: 1 }));
    expect(threshold(written(right))).toBe(0.5);
    expect(threshold(written(tied))).toBe(Infinity);
  });

  it("fewer labels than n_min certify nothing and say how many are missing", () => {
    const few = certificateOf(scoresOf(written(rows(50, 4).map((row) => ({ ...row, correct: 1 })))).whole, contract);
    expect(few).toMatchObject({ threshold: null, accepted: 0, labelsNeeded: 9 });
  });

  it("one decision of a basket counts: twenty copies of a basket's luck are one label", () => {
    const lines = Array.from(
      { length: 2000 },
      (_, i) => `0.9,${Math.floor(i / 20) % 30 === 0 ? 0 : 1},b${Math.floor(i / 20)}`,
    );
    const { whole, baskets } = scoresOf(`${head},basket\n${lines.join("\n")}\n`);
    expect([whole.confidence.length, baskets]).toEqual([100, 100]);
    expect([...whole.correct].filter((one) => one === 0)).toHaveLength(4);
  });

  it("draws a basket's decision without favour", () => {
    const first: number[] = [];
    const lines = Array.from({ length: 40_000 }, (_, i) => `0.${(i % 4) + 1},1,b${Math.floor(i / 4)}`);
    const { whole } = scoresOf(`${head},basket\n${lines.join("\n")}\n`);
    for (let at = 1; at <= 4; at += 1) first.push([...whole.confidence].filter((c) => c === at / 10).length);
    // 10,000 draws of four: a standard deviation is 43.
    for (const count of first) expect(Math.abs(count - 2500)).toBeLessThan(200);
  });
});

describe("the curve that is shown", () => {
  it("ends at all labels, has no more points than asked for, and each is a true point of the curve", () => {
    const { whole } = scoresOf(written(rows(3000, 5)));
    const { points, n, errors } = curveOf(whole, 50);
    expect(points.length).toBeLessThanOrEqual(50);
    expect(points.at(-1)).toMatchObject({ n, errors, coverage: 1 });
    for (const point of points) {
      const accepted = [...whole.confidence].flatMap((c, i) => (c >= point.threshold ? [whole.correct[i]] : []));
      expect([point.n, point.errors]).toEqual([accepted.length, accepted.filter((one) => one === 0).length]);
      expect(point.lower).toBeLessThanOrEqual(point.risk);
      expect(point.upper).toBeGreaterThanOrEqual(point.risk);
    }
  });
});

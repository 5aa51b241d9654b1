import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { calibrationDigest, parseManifest } from "../../models/index.ts";
import { type Certificate, certificateSchema } from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { temporaryFolder } from "../support/models-fixtures.ts";
import { seededDraw } from "../../models/measure/seeded-draw.ts";
import { fallbackByHand } from "../unit/measure/by-hand.ts";

const root = temporaryFolder();
afterAll(() => root.remove());
const entry = fileURLToPath(new URL("../support/gate-command.ts", import.meta.url));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `holdpoint gate …` as a process of its own. */
function gate(args: readonly string[], input?: string | Buffer, node = ""): Ran {
  const env = { ...process.env, NODE_OPTIONS: node };
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry, ...args], { encoding: "utf8", env, input });
  return { code: status, out: stdout, err: stderr };
}

function file(name: string, text: string): string {
  const place = path.join(root.path, name);
  writeFileSync(place, text);
  return place;
}

interface Row {
  readonly store: string;
  readonly confidence: number;
  readonly correct: 0 | 1;
}

function rows(count: number, seed: number): readonly Row[] {
  const random = seededDraw(seed);
  return Array.from({ length: count }, () => {
    const confidence = Math.round(random() * 1e4) / 1e4;
    const correct = random() < 0.4 * (1 - confidence) ** 2 ? 0 : 1;
    return { store: `store_${Math.floor(random() * 3)}`, confidence, correct };
  });
}

function csv(some: readonly Row[]): string {
  return `store,confidence,correct\n${some.map((r) => `${r.store},${r.confidence},${r.correct}\n`).join("")}`;
}

function byHand(some: readonly Row[], maxError: number): number | null {
  return fallbackByHand(
    some.map((r) => r.confidence),
    some.map((r) => r.correct),
    maxError,
    0.05,
  );
}

describe("holdpoint gate certify", () => {
  const some = rows(2400, 1);
  const scores = file("scores.csv", csv(some));
  const asked = ["certify", "--scores", scores, "--max-error", "0.02", "--delta", "0.05"];

  it("certifies the file, and with --by each group at a delta of its own", () => {
    const result = JSON.parse(gate([...asked, "--by", "store", "--json"]).out) as Record<string, unknown>;
    const threshold = byHand(some, 0.02);
    expect(threshold).not.toBeNull();
    const accepted = some.filter(({ confidence }) => confidence >= (threshold ?? 2));
    expect(result).toMatchObject({
      threshold,
      n: 2400,
      accepted: accepted.length,
      errors: accepted.filter(({ correct }) => correct === 0).length,
      coverage: accepted.length / 2400,
      maxError: 0.02,
      delta: 0.05,
      method: "fallback_auto",
      labelsNeeded: 0,
    });
    expect(result["upperBound"]).toBeLessThanOrEqual(0.02);
    const groups = result["groups"] as { group: { store: string }; threshold: number | null; n: number }[];
    expect(groups.map(({ group }) => group.store)).toEqual(["store_0", "store_1", "store_2"]);
    for (const { group, threshold: own, n } of groups) {
      const part = some.filter(({ store }) => store === group.store);
      expect([own, n]).toEqual([byHand(part, 0.02), part.length]);
    }
  });

  it("has a null threshold and exit code 0 where nothing can be certified", () => {
    const few = csv(rows(100, 2).map((row) => ({ ...row, correct: 1 })));
    const { code, out } = gate(["certify", "--scores", "-", "--max-error", "0.01", "--json"], few);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      threshold: null,
      n: 100,
      coverage: 0,
      upperBound: null,
      labelsNeeded: 199,
      tooManyErrors: false,
    });
    const words = gate(["certify", "--scores", "-", "--max-error", "0.01"], few);
    expect(words.out).toContain("nothing can be certified from 100 labels; about 199 more are needed");
  });

  it("says where more labels like these would not help", () => {
    const half = csv(rows(400, 3).map((row, n) => ({ ...row, correct: n % 2 === 0 ? 0 : 1 })));
    const { code, out } = gate(["certify", "--scores", "-", "--max-error", "0.1", "--json"], half);
    expect(code).toBe(0);
    // All of 29 right would do: 0.9^29 is the first power below 0.05.
    expect(JSON.parse(out)).toMatchObject({ threshold: null, labelsNeeded: 29, tooManyErrors: true });
    const words = gate(["certify", "--scores", "-", "--max-error", "0.1"], half);
    expect(words.out).toContain(
      "nothing can be certified from 400 labels; too many are wrong at every gate threshold, and more labels like these would not help",
    );
  });

  it("says what it left out or counted as wrong", () => {
    const text = "id,confidence,correct\na,0.9,1\na,0.9,0\nb,0.8,1\nb,0.8,1\n";
    const { err, out } = gate(["certify", "--scores", "-", "--max-error", "0.5", "--delta", "0.5", "--json"], text);
    expect(err).toContain("2 of 4 rows repeat an id and count once");
    expect(err).toContain("1 ids have labels that contradict each other");
    expect(JSON.parse(out)).toMatchObject({ n: 2, rows: 4, duplicates: 2, contradictions: 1 });
  });

  it("certifies what no config may promise, and says that no agent can be under it", () => {
    const text = "confidence,correct\n0.9,1\n0.8,1\n";
    const loose = gate(["certify", "--scores", "-", "--max-error", "0.8", "--json"], text);
    expect(loose).toMatchObject({ code: 0 });
    expect(JSON.parse(loose.out)).toMatchObject({ threshold: 0.8, maxError: 0.8 });
    expect(loose.err).toContain("--max-error 0.8: a contract in a config is from 0.000001 to 0.5");
    expect(gate(["certify", "--scores", "-", "--max-error", "0.5", "--delta", "0.5"], text).err).toBe("");
  });

  it.each([
    [["--max-error", "0"], "--max-error must be a share inside (0, 1), got 0"],
    [["--max-error", "1"], "--max-error must be a share inside (0, 1), got 1"],
    [["--max-error", "1%"], "--max-error must be a share inside (0, 1), got 1%"],
    [["--max-error", "0.01", "--delta", "0"], "--delta must be a share inside (0, 1), got 0"],
    [["--max-error", "0.01", "--delta", "1"], "--delta must be a share inside (0, 1), got 1"],
    [["--max-error", "0.01", "--by", "store,"], "--by store, names an empty column"],
    [["--max-error", "0.01", "--by", "id"], "--by cannot group by the column id"],
    [[], "--max-error is missing"],
  ])("exits with 2 and HP_USAGE for %j", (more, message) => {
    const { code, err } = gate(["certify", "--scores", scores, ...more]);
    expect(code).toBe(2);
    expect(err).toContain(`HP_USAGE: ${message}`);
    expect(err).toContain("hint: ");
  });

  it("exits with 2 for a file that is not there, and names none that was forgotten", () => {
    expect(gate(["certify", "--max-error", "0.01"])).toMatchObject({ code: 2 });
    const { code, err } = gate(["certify", "--scores", path.join(root.path, "none.csv"), "--max-error", "0.01"]);
    expect(code).toBe(2);
    expect(err).toMatch(/HP_USAGE: .*none\.csv cannot be read/);
  });

  it.each([
    ["confidence outside [0, 1]", "confidence,correct\n0.9,1\n1.01,1\n", "line 3"],
    ["NaN", "confidence,correct\nNaN,1\n", "line 2"],
    ["a missing column", "confidence,label\n0.9,1\n", "line 1"],
    ["correct neither 0 nor 1", "confidence,correct\n0.9,0.5\n", "line 2"],
    ["an empty file", "", "line 1"],
  ])("exits with 2 and HP_SCORES with the line for %s, as text and as JSON", (_, text, line) => {
    const { code, err } = gate(["certify", "--scores", "-", "--max-error", "0.01"], text);
    expect(code).toBe(2);
    expect(err).toContain(`HP_SCORES: ${line}: `);
    const json = gate(["certify", "--scores", "-", "--max-error", "0.01", "--json"], text);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.out)).toMatchObject({ error: { code: "HP_SCORES", retry: "after-change" } });
  });

  it("exits with 2 for bytes that are no text", () => {
    const bytes = Buffer.from([0x63, 0x6f, 0xff, 0xfe]);
    expect(gate(["certify", "--scores", "-", "--max-error", "0.01"], bytes).err).toContain(
      "HP_SCORES: the file is not",
    );
  });

  it("reads a byte order mark and Windows line ends", () => {
    const text = `\uFEFF${csv(some).replaceAll("\n", "\r\n")}`;
    const { out } = gate(["certify", "--scores", "-", "--max-error", "0.02", "--json"], text);
    expect(JSON.parse(out)).toMatchObject({ threshold: byHand(some, 0.02), n: 2400 });
  });

  const digest = `sha256:${"a".repeat(64)}`;
  const named = ["--task", "product_identification", "--model-digest", digest, "--calibration", "none"];

  it("writes certificates that the protocol takes: one for the scope, or one for each store", () => {
    const place = path.join(root.path, "certificates.json");
    const written = (): Certificate[] => {
      const documents = JSON.parse(readFileSync(place, "utf8")) as unknown[];
      return documents.map((one) => certificateSchema.parse(one));
    };
    expect(gate([...asked, "--write", place, ...named, "--scope", "store:store_7"]).code).toBe(0);
    expect(written()).toMatchObject([
      {
        scope: { level: "store", name: "store_7" },
        gateThreshold: byHand(some, 0.02),
        basis: "launch",
        method: "fallback_auto",
        model: digest,
        labels: 2400,
        lapse: { acceptedMax: 50_000, afterMs: 14 * 86_400_000 },
        signature: "",
      },
    ]);
    expect(gate([...asked, "--max-error", "0.001", "--by", "store", "--write", place, ...named]).code).toBe(0);
    expect(written().map((one) => [one.scope.name, one.gateThreshold, one.basis, one.method])).toEqual(
      ["store_0", "store_1", "store_2"].map((store) => [store, null, "collecting", "none"]),
    );
  });

  it.each(["fine", "coarse"] as const)("takes task, model and calibration of the %s answer from the model", (rung) => {
    const place = path.join(root.path, `${rung}.json`);
    const zoo = fileURLToPath(new URL("../../models/zoo/product-id", import.meta.url));
    expect(gate([...asked, "--write", place, "--model", zoo, "--rung", rung]).code).toBe(0);
    const manifest = parseManifest(JSON.parse(readFileSync(path.join(zoo, "manifest.json"), "utf8")));
    if (!manifest.ok) throw manifest.error;
    const { task, digest: model, calibration = null, coarseCalibration = null } = manifest.value;
    const own = calibrationDigest(rung === "fine" ? calibration : coarseCalibration, nodeHasher);
    expect(JSON.parse(readFileSync(place, "utf8"))).toMatchObject([{ task, model, calibration: own, rung }]);
    expect(gate([...asked, "--write", place, "--model", path.join(root.path, "none")]).err).toContain(
      "HP_MODEL_NOT_FOUND",
    );
  });

  it.each([
    [[], "--write takes --task"],
    [named.slice(0, 2), "--write takes --model-digest"],
    [["--task", "x", "--model-digest", "abc", "--calibration", "none"], "model: must be sha256:"],
    [[...named, "--scope", "shop:1"], "--scope shop:1 is none"],
    [[...named, "--lapse-accepts", "0"], "lapse.acceptedMax: "],
    [[...named, "--by", "store,confidence_band"], "no column confidence_band"],
  ])("writes nothing for %j", (more, message) => {
    const place = path.join(root.path, "never.json");
    const { code, err } = gate([...asked, "--write", place, ...more]);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(existsSync(place)).toBe(false);
  });

  it("reads hundreds of thousands of rows with a heap of 40 MB: the text is never held", () => {
    const many = Array.from(
      { length: 400_000 },
      (_, i) => `d-${i},${some[i % 2400]?.confidence ?? 0},1,store_${i % 7}\n`,
    );
    const big = file("big.csv", `id,confidence,correct,store\n${many.join("")}`);
    const more = ["certify", "--scores", big, "--max-error", "0.01", "--by", "store", "--json"];
    const { code, out } = gate(more, undefined, "--max-old-space-size=40");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ n: 400_000, coverage: 1, rows: 400_000 });
  });

  it("writes a report beside the result", () => {
    const report = path.join(root.path, "report.html");
    expect(gate([...asked, "--by", "store", "--html", report]).code).toBe(0);
    expect(readFileSync(report, "utf8")).toContain("Content-Security-Policy");
  });

  it.each([["--html"], ["--write"]])("exits with 2 where the file of %s cannot be written", (option) => {
    const { code, err } = gate([...asked, ...named, option, path.join(root.path, "no-folder", "x")]);
    expect(code).toBe(2);
    expect(err).toMatch(new RegExp(`^HP_USAGE: ${option} .* cannot be written \\(ENOENT\\)\nhint: .*\n$`));
  });

  it("says a contract that is smaller than what two decimals show", () => {
    expect(gate(["certify", "--scores", scores, "--max-error", "0.00001"]).out).toContain("at most 0.001 % wrong");
  });

  it("says what other contracts cost, in money where prices are given", () => {
    const report = path.join(root.path, "money.html");
    const money = ["--review-cost", "0.40", "--wrong-accept-cost", "5", "--currency", "EUR"];
    expect(gate([...asked, "--html", report]).code).toBe(0);
    expect(readFileSync(report, "utf8")).toContain("Wrong accepts, of 1,000");
    expect(readFileSync(report, "utf8")).not.toContain("EUR");
    expect(gate([...asked, "--html", report, ...money]).code).toBe(0);
    expect(readFileSync(report, "utf8")).toContain("EUR per 1,000");
    expect(readFileSync(report, "utf8")).toContain("One review costs 0.4 EUR, one wrong accept 5 EUR.");
  });

  it.each([
    [["--review-cost", "1"]],
    [["--review-cost", "-1", "--wrong-accept-cost", "5", "--currency", "EUR"]],
    [["--review-cost", "1", "--wrong-accept-cost", "x", "--currency", "EUR"]],
    [["--review-cost", "1", "--wrong-accept-cost", "5", "--currency", "euro"]],
  ])("exits with 2 for prices that are none: %j", (money) => {
    expect(gate([...asked, ...money]).code).toBe(2);
  });
});

describe("holdpoint gate curve", () => {
  const some = rows(600, 3);
  const scores = file("curve.csv", csv(some));

  it("gives each point with its counts and interval", () => {
    const { out, code } = gate(["curve", "--scores", scores, "--by", "store", "--points", "5", "--json"]);
    expect(code).toBe(0);
    const { points, groups, n } = JSON.parse(out) as { points: object[]; groups: object[]; n: number };
    expect([points.length, groups.length, n]).toEqual([5, 3, 600]);
    expect(points.at(-1)).toMatchObject({ coverage: 1, n: 600, errors: some.filter((r) => r.correct === 0).length });
    expect(gate(["curve", "--scores", scores]).out).toContain("AURC");
  });

  it("exits with 2 for points that are none, and for a report without a contract", () => {
    expect(gate(["curve", "--scores", scores, "--points", "0"]).code).toBe(2);
    expect(gate(["curve", "--scores", scores, "--html", path.join(root.path, "x.html")]).code).toBe(2);
  });
});

describe("holdpoint gate study", () => {
  it("prints a part's tables as Markdown, or its rows as JSON, the same for the same seed", () => {
    const asked = ["study", "--part", "drift", "--draws", "3", "--seed", "7"];
    const { code, out } = gate(asked);
    expect(code).toBe(0);
    expect(out).toMatch(/^\| error before \|/);
    const json = JSON.parse(gate([...asked, "--json"]).out) as { drift: object[] };
    expect(json).toMatchObject({ draws: 3, seed: 7 });
    expect(json.drift).toHaveLength(5);
    expect(gate(asked).out).toBe(out);
  });

  it("takes a file of scores for the population, with a contract and a number of labels of its own", () => {
    const rows = Array.from(
      { length: 400 },
      (_, i) => `${1 - Math.floor(i / 2) / 400},${i > 350 || i === 7 ? 0 : 1}\n`,
    );
    const own = file("own.csv", `confidence,correct\n${rows.join("")}`);
    const asked = ["study", "--scores", own, "--draws", "5", "--max-error", "0.1", "--delta", "0.1"];
    const { validity } = JSON.parse(gate([...asked, "--labels", "300", "--json"]).out) as { validity: object[] };
    expect(validity).toHaveLength(5);
    for (const row of validity) expect(row).toMatchObject({ shape: "own.csv", labels: 300, maxError: 0.1, delta: 0.1 });
    expect(gate(asked).out).toMatch(/\| own\.csv \| 400 /);
  });

  it.each(["--scores", "--labels", "--max-error", "--delta"])("exits with 2 for %s with another part", (option) => {
    const { code, err } = gate(["study", "--part", "drift", option, "1"]);
    expect(code).toBe(2);
    expect(err).toContain(`HP_USAGE: ${option} is for the part validity, not for drift`);
  });

  it.each([
    ["--labels", "0"],
    ["--draws", "0"],
    ["--draws", "1.5"],
    ["--seed", "-1"],
  ])("exits with 2 for %s %s", (option, value) => {
    const { code, err } = gate(["study", "--part", option === "--labels" ? "validity" : "drift", option, value]);
    expect(code).toBe(2);
    expect(err).toContain(`HP_USAGE: ${option} must be a whole number`);
  });
});

describe("holdpoint gate simulate", () => {
  const small = ["simulate", "--stores", "2", "--days", "16", "--decisions", "30"];
  const judgements = (labels: readonly string[]): string =>
    `worker,task,label,gold\n${labels.flatMap((own, w) => Array.from(own, (label, i) => `w${w},${i},${label},1\n`)).join("")}`;

  it("compares four ways to keep gates, and takes how people differ from a file, packed or not", () => {
    const text = judgements(["1".repeat(29) + "0", "1".repeat(24) + "0".repeat(6), "0".repeat(5)]);
    const packed = path.join(root.path, "people.csv.gz");
    writeFileSync(packed, gzipSync(text));
    const json = JSON.parse(gate([...small, "--reviewers", packed, "--json"]).out) as { policies: object[] };
    // The third judged too few cases.
    expect(json).toMatchObject({ stores: 2, reviewers: 2, maxError: 0.02 });
    expect(json.policies).toHaveLength(4);
    expect(gate([...small, "--reviewers", file("people.csv", text), "--json"]).out).toBe(`${JSON.stringify(json)}\n`);
    expect(gate(small).out).toContain("| certified per store");
  });

  it("exits with 2 for what is no fleet, and for people that nothing is known of", () => {
    expect(gate([...small, "--stores", "0"]).code).toBe(2);
    expect(gate([...small, "--reviewer-error", "1"]).code).toBe(2);
    expect(gate([...small, "--reviewers", path.join(root.path, "nobody.csv")]).code).toBe(2);
    const { code, err } = gate([...small, "--reviewers", file("few.csv", judgements(["101"]))]);
    expect(code).toBe(2);
    expect(err).toContain("shows no errors of people with 20 judgements");
    expect(gate([...small, "--reviewers", file("odd.csv", "worker,label\nw,1\n")]).err).toContain(
      "line 1: no column gold",
    );
  });
});

import { certify } from "../../models/measure/certify.ts";
import { startCertificate, transition } from "../../models/measure/certificate-machine.ts";
import { defaultGateThresholds, observed, startGrid } from "../../models/measure/evidence-grid.ts";
import { lnErrorEvidence } from "../../models/measure/e-process.ts";
import { riskAreas, riskCoverageCurve } from "../../models/measure/risk-coverage.ts";
import { median, row, type BenchRow } from "./bench-row.ts";

const contract = { maxError: 0.01, delta: 0.05 };
const sizes = [10_000, 100_000, 1_000_000] as const;
const turns = 5;

/** What proving a gate costs: once over many labels, and again with every label that comes. */
export function certifyRows(): Promise<readonly BenchRow[]> {
  return Promise.resolve([
    ...manyScores("certification", (scores) => certify(scores.confidence, scores.correct, contract).labels),
    ...manyScores("risk–coverage curve and areas", (scores) => {
      const curve = riskCoverageCurve(scores.confidence, scores.correct);
      return curve.length + riskAreas(curve).aurc;
    }),
    ...perLabel(),
  ]);
}

interface Scores {
  readonly confidence: Float64Array;
  readonly correct: Uint8Array;
}

function manyScores(name: string, work: (scores: Scores) => number): BenchRow[] {
  const times = sizes.map((size) => {
    const scores = drawn(size);
    const took: number[] = [];
    let sink = 0;
    // Small inputs are done several times a turn: a clock ticks no finer than a few microseconds.
    const repeats = Math.min(10, 1_000_000 / size);
    for (let turn = 0; turn <= turns; turn += 1) {
      const startMs = performance.now();
      for (let i = 0; i < repeats; i += 1) sink += work(scores);
      took.push((performance.now() - startMs) / repeats);
    }
    if (!(sink > 0)) throw new Error("nothing was computed");
    return median(took.slice(1));
  });
  const [small = 0, middle = 0, large = 0] = times;
  const detail = `${small.toFixed(1)}, ${middle.toFixed(1)} and ${large.toFixed(0)} ms for 10⁴, 10⁵ and 10⁶ rows`;
  return [
    row(`${name} of 10⁶ rows, against 2 s`, large / 2000, "≤ 1", detail),
    row(`${name}, time a row at 10⁶ against 10⁴`, large / small / 100, "≤ 3", "n·log n alone gives 1.5"),
  ];
}

function perLabel(): BenchRow[] {
  const label = { confidence: 0.97, isWrong: false, propensity: 1, propensityMin: 1 };
  const one = (labels: number): number =>
    microseconds(20_000, (i) => lnErrorEvidence(Math.floor(labels / 200), labels + i, contract.maxError));
  const [few, many] = [one(1000), one(1_000_000)];
  let grid = startGrid(defaultGateThresholds, contract);
  const onGrid = microseconds(5000, (i) => {
    grid = observed(grid, { ...label, isWrong: i % 300 === 299 });
    return grid.labels;
  });
  const identity = { model: "sha256:m", calibration: "none" };
  const lapse = { lapseAfterMs: 1e9, lapseAccepts: 1e9 };
  let state = startCertificate(
    { ...contract, ...lapse, launchLabels: 1104, gateThresholds: defaultGateThresholds },
    identity,
    0,
  );
  const inMachine = microseconds(5000, (i) => {
    const wrong = { ...label, ...identity, isWrong: i % 300 === 299, decidedAtMs: i, previous: null };
    state = transition(state, { type: "label", atMs: i, label: wrong }).state;
    return state.grid.labels;
  });
  const points = `${defaultGateThresholds.length} gate thresholds`;
  return [
    row("e-process of one label, against 5 µs", few / 5, "≤ 1", `${few.toFixed(2)} µs after 1,000 labels`),
    row("e-process, after 10⁶ labels against 10³", many / few, "≤ 5", `${many.toFixed(2)} µs after a million labels`),
    row("a label as evidence, against 100 µs", onGrid / 100, "≤ 1", `${onGrid.toFixed(1)} µs, ${points}`),
    row("a label in the certificate's machine, against 100 µs", inMachine / 100, "≤ 1", `${inMachine.toFixed(1)} µs`),
  ];
}

/** The median over turns of the time that one call takes. */
function microseconds(calls: number, work: (i: number) => number): number {
  const took: number[] = [];
  let sink = 0;
  for (let turn = 0; turn <= turns; turn += 1) {
    const startMs = performance.now();
    for (let i = 0; i < calls; i += 1) sink += work(turn * calls + i);
    took.push(((performance.now() - startMs) * 1000) / calls);
  }
  if (Number.isNaN(sink)) throw new Error("nothing was computed");
  return median(took.slice(1));
}

/** Distinct confidences, crowded near 1, with an error that falls with them. */
function drawn(size: number): Scores {
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const confidence = Float64Array.from({ length: size }, () => random() ** 0.2);
  return { confidence, correct: Uint8Array.from(confidence, (c) => (random() < 0.3 * (1 - c) ? 0 : 1)) };
}

import { certify, type ErrorContract } from "../certify.ts";
import { type CertificateEvent, startCertificate, transition } from "../certificate-machine.ts";
import { defaultGateThresholds } from "../evidence-grid.ts";
import { auditPropensity, auditPropensityMin, errorSpread } from "../inverse-propensity.ts";
import { type Draw, seededDraw } from "../seeded-draw.ts";

/** A store's half year: what its decisions are like, as far as the gate is concerned. */
interface World {
  readonly name: string;
  /** Probability that a decision is wrong, by its expected error 1 − confidence. */
  readonly risk: (expectedError: number) => number;
}

/** Which rule keeps the gate threshold over the weeks. */
type Keeper = "launch and evidence" | "certificate anew each week";

/** What half a year did under one keeper. */
export interface OverTimeRow extends ErrorContract {
  readonly world: string;
  readonly keeper: Keeper;
  readonly draws: number;
  /** Half years in which a gate threshold was ever in force whose true selective risk is above maxError. */
  readonly violations: number;
  /** Mean true coverage in the last week. */
  readonly coverage: number;
  /** Mean number of labels that people and audits gave. */
  readonly labels: number;
  /** Mean number of drift alarms, each of which sends everything to people and begins anew. */
  readonly alarms: number;
}

export interface OverTimeOptions {
  readonly seed: number;
  readonly draws: number;
  readonly onProgress?: (share: number) => void;
}

const weeks = 26;
const decisionsPerWeek = 120;
const weekMs = 7 * 24 * 3_600_000;
const auditShare = 0.1;
const contract: ErrorContract = { maxError: 0.02, delta: 0.05 };
/** The rules of the product's own certificate; the one-shot certificate is tried at a count that is fixed beforehand. */
const rules = {
  ...contract,
  launchLabels: 600,
  gateThresholds: defaultGateThresholds,
  lapseAfterMs: 2 * weekMs,
  lapseAccepts: 50_000,
};
const identity = { model: "sha256:study", calibration: "none" };

const worlds: readonly World[] = [
  { name: "calibrated", risk: (expectedError) => expectedError },
  // Every gate threshold is wrong by a hair: whoever certifies anything breaks the promise.
  { name: "at the edge everywhere", risk: () => 0.0201 },
  { name: "twice as wrong as it thinks", risk: (expectedError) => Math.min(1, 2 * expectedError) },
];

/** Half a year with weekly looks: δ/2 on the launch and δ/2 on the evidence over time, against a certificate each week. */
export function overTimeStudy({ seed, draws, onProgress }: OverTimeOptions): readonly OverTimeRow[] {
  const draw = seededDraw(seed);
  const cases = worlds.flatMap((world) =>
    (["launch and evidence", "certificate anew each week"] as const).map((keeper) => ({ world, keeper })),
  );
  return cases.map(({ world, keeper }, at) => {
    const sum = { violations: 0, coverage: 0, labels: 0, alarms: 0 };
    for (let round = 0; round < draws; round += 1) {
      const year = keeper === "launch and evidence" ? launchAndEvidence(world, draw) : weeklyCertificates(world, draw);
      sum.violations += year.isViolated ? 1 : 0;
      sum.coverage += year.coverage / draws;
      sum.labels += year.labels / draws;
      sum.alarms += year.alarms / draws;
      onProgress?.((at + (round + 1) / draws) / cases.length);
    }
    return { world: world.name, keeper, ...contract, draws, ...sum };
  });
}

interface HalfYear {
  readonly isViolated: boolean;
  readonly coverage: number;
  readonly labels: number;
  readonly alarms: number;
}

interface Decided {
  readonly confidence: number;
  readonly isWrong: boolean;
}

/** Expected errors spread evenly over powers of ten from 1e-5 to 0.5: half of the decisions are below 0.2 %. */
const decades = Math.log10(0.5 / 1e-5);

function decide({ risk }: World, draw: Draw): Decided {
  const expectedError = 1e-5 * 10 ** (decades * draw());
  return { confidence: 1 - expectedError, isWrong: draw() < risk(expectedError) };
}

/** True coverage and selective risk at a gate threshold, by the midpoints of 2,000 slices. */
function truthAt({ risk }: World, gateThreshold: number | null): { readonly coverage: number; readonly risk: number } {
  if (gateThreshold === null) return { coverage: 0, risk: 0 };
  const coverage = Math.min(1, Math.max(0, Math.log10((1 - gateThreshold) / 1e-5) / decades));
  let wrong = 0;
  for (let slice = 0; slice < 2000; slice += 1)
    wrong += risk(1e-5 * 10 ** (decades * coverage * ((slice + 0.5) / 2000)));
  return { coverage, risk: coverage === 0 ? 0 : wrong / 2000 };
}

/**
 * The product's own certificate machine: everything goes to people until something is proved; afterwards they see what is
 * below the gate, and audits a share above. Labels are handed in once a week.
 */
function launchAndEvidence(world: World, draw: Draw): HalfYear {
  let state = startCertificate(rules, identity, 0);
  let [isViolated, labels, alarms] = [false, 0, 0];
  let spread = { sum: 0, count: 0 };
  for (let week = 1; week <= weeks; week += 1) {
    const { gateThreshold } = state.published;
    const [events, atMs] = [[] as CertificateEvent[], week * weekMs];
    let accepted = 0;
    for (let one = 0; one < decisionsPerWeek; one += 1) {
      const decided = decide(world, draw);
      const isAccepted = gateThreshold !== null && decided.confidence >= gateThreshold;
      const propensity = isAccepted ? auditPropensity(decided.confidence, spread.sum / spread.count, auditShare) : 1;
      if (isAccepted) {
        accepted += 1;
        spread = { sum: spread.sum + errorSpread(decided.confidence), count: spread.count + 1 };
      }
      if (propensity < 1 && draw() >= propensity) continue;
      const propensityMin = gateThreshold === null ? 1 : auditPropensityMin(auditShare);
      const label = { ...identity, ...decided, propensity, propensityMin, decidedAtMs: atMs - weekMs + one };
      events.push({ type: "label", atMs, label: { ...label, previous: null } });
    }
    labels += events.length;
    for (const event of [...events, { type: "tick", atMs, accepted } as const]) {
      const step = transition(state, event);
      alarms += step.effects.filter(({ type }) => type === "alarm").length;
      ({ state } = step);
    }
    if (truthAt(world, state.published.gateThreshold).risk > contract.maxError) isViolated = true;
  }
  return { isViolated, coverage: truthAt(world, state.published.gateThreshold).coverage, labels, alarms };
}

/** What must not be done: the whole δ again each week on all labels so far. Everything is labelled, in its favour. */
function weeklyCertificates(world: World, draw: Draw): HalfYear {
  const all: Decided[] = [];
  let [gateThreshold, isViolated] = [null as number | null, false];
  for (let week = 1; week <= weeks; week += 1) {
    for (let one = 0; one < decisionsPerWeek; one += 1) all.push(decide(world, draw));
    gateThreshold = certifiedOf(all, contract);
    if (truthAt(world, gateThreshold).risk > contract.maxError) isViolated = true;
  }
  return { isViolated, coverage: truthAt(world, gateThreshold).coverage, labels: all.length, alarms: 0 };
}

function certifiedOf(labels: readonly Decided[], asked: ErrorContract): number | null {
  const confidence = Float64Array.from(labels, (one) => one.confidence);
  const correct = Uint8Array.from(labels, ({ isWrong }) => (isWrong ? 0 : 1));
  return certify(confidence, correct, asked).gateThreshold;
}

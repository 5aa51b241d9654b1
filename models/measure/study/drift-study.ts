import { driftAlarm, drifted, driftLevel, type DriftState, noDrift } from "../drift-detector.ts";
import { type Draw, seededDraw } from "../seeded-draw.ts";

/** How long a change stays unseen, or how long it takes until one is seen that is none. */
export interface DriftRow {
  readonly maxError: number;
  /** Error of the accepted decisions before and after; equal ones ask for false alarms. */
  readonly before: number;
  readonly after: number;
  readonly draws: number;
  /** Draws that alarmed within `auditsMax` audits after the change. */
  readonly alarms: number;
  readonly auditsMax: number;
  /** Audits from the change to the alarm, over the draws that alarmed after it; null without one. */
  readonly mean: number | null;
  readonly median: number | null;
  readonly ninetieth: number | null;
}

export interface DriftOptions {
  readonly seed: number;
  readonly draws: number;
  readonly onProgress?: (share: number) => void;
}

const maxError = 0.01;
/** Audits before the change: the detector has seen some weeks of good days. */
const auditsBefore = 300;
const changes = [
  { before: 0.004, after: 0.05, auditsMax: 1000 },
  { before: 0.004, after: 0.03, auditsMax: 1000 },
  { before: 0.004, after: 0.02, auditsMax: 1000 },
  { before: 0.004, after: 0.004, auditsMax: 1000 },
  // At the contract itself a false alarm comes in the end; the promise is that it takes 1,000 audits on average.
  { before: 0.01, after: 0.01, auditsMax: 20_000 },
] as const;

/** Audits drawn uniformly from accepted decisions whose error changes at once. */
export function driftStudy({ seed, draws, onProgress }: DriftOptions): readonly DriftRow[] {
  const draw = seededDraw(seed + 3);
  return changes.map(({ before, after, auditsMax }, at) => {
    const waits: number[] = [];
    for (let round = 0; round < draws; round += 1) {
      const wait = auditsToAlarm(before, after, auditsMax, draw);
      if (wait !== null) waits.push(wait);
      onProgress?.((at + (round + 1) / draws) / changes.length);
    }
    waits.sort((one, other) => one - other);
    const quantile = (share: number): number | null => waits[Math.floor(share * waits.length)] ?? null;
    const mean = waits.length === 0 ? null : waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
    return {
      ...{ maxError, before, after, draws, alarms: waits.length, auditsMax },
      ...{ mean, median: quantile(0.5), ninetieth: quantile(0.9) },
    };
  });
}

/** Alarms before the change start the detector anew, as a new epoch would; they are not what is waited for. */
function auditsToAlarm(before: number, after: number, auditsMax: number, draw: Draw): number | null {
  let state = noDrift;
  for (let audit = 0; audit < auditsBefore; audit += 1) {
    state = next(state, draw() < before);
    if (driftLevel(state) >= driftAlarm) state = noDrift;
  }
  for (let audit = 1; audit <= auditsMax; audit += 1) {
    state = next(state, draw() < after);
    if (driftLevel(state) >= driftAlarm) return audit;
  }
  return null;
}

function next(state: DriftState, isWrong: boolean): DriftState {
  return drifted(state, { isWrong, propensity: 1, propensityMin: 1 }, maxError);
}

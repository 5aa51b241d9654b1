/** A label of a decision, as it reaches whoever keeps the gate. */
export interface FleetLabel {
  readonly store: string;
  readonly confidence: number;
  readonly isWrong: boolean;
  readonly propensity: number;
  readonly propensityMin: number;
  readonly decidedDay: number;
}

/** A way to keep the gates of a fleet. */
export interface FleetPolicy {
  readonly name: string;
  /** Share of the accepted decisions that is audited; 0 for those who never look. */
  readonly auditShare: number;
  /** The gate threshold that a store's confidence is held against today; null sends everything to people. */
  readonly gateThreshold: (store: string) => number | null;
  /** The confidence as the gate sees it: a store's own calibration may lie between. */
  readonly seen: (store: string, confidence: number) => number;
  readonly onLabel: (label: FleetLabel, day: number) => void;
  /** `accepted`: decisions that the gate accepted today, by store. */
  readonly onDayEnd: (day: number, accepted: ReadonlyMap<string, number>) => void;
}

export const dayMs = 86_400_000;

const untouched = (_: string, confidence: number): number => confidence;

/** One number for all stores, chosen once and never looked at again. */
export function globalPolicy(gateThreshold: number): FleetPolicy {
  return {
    name: `global ${gateThreshold}`,
    auditShare: 0,
    gateThreshold: () => gateThreshold,
    seen: untouched,
    onLabel: () => undefined,
    onDayEnd: () => undefined,
  };
}

const tuneAfterDays = 14;
const tuneEveryDays = 28;

/** A number for each store, set by hand to what looks right on the labels so far, and again every four weeks. */
export function handTunedPolicy(maxError: number): FleetPolicy {
  const labels = new Map<string, FleetLabel[]>();
  const tuned = new Map<string, number>();
  return {
    name: "hand-tuned per store",
    auditShare: 0.02,
    gateThreshold: (store) => tuned.get(store) ?? null,
    seen: untouched,
    onLabel: (label) => {
      const own = labels.get(label.store);
      if (own === undefined) labels.set(label.store, [label]);
      else own.push(label);
    },
    onDayEnd: (day) => {
      if (day < tuneAfterDays || (day - tuneAfterDays) % tuneEveryDays !== 0) return;
      for (const [store, own] of labels) {
        const gateThreshold = lowestThatLooksRight(own, maxError);
        if (gateThreshold === null) tuned.delete(store);
        else tuned.set(store, gateThreshold);
      }
    },
  };
}

/** The lowest gate threshold whose observed risk is within the contract; as if audits weighed what escalations do. */
function lowestThatLooksRight(labels: readonly FleetLabel[], maxError: number): number | null {
  const falling = [...labels].sort((one, other) => other.confidence - one.confidence);
  let [errors, best] = [0, null as number | null];
  falling.forEach(({ confidence, isWrong }, at) => {
    errors += isWrong ? 1 : 0;
    if (errors <= maxError * (at + 1)) best = confidence;
  });
  return best;
}

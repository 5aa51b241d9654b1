import { startCertificate, transition } from "../certificate-machine.ts";
import {
  type CertificateRules,
  type CertificateState,
  defaultLapseAccepts,
  defaultLapseAfterMs,
  defaultLaunchLabels,
} from "../certificate-state.ts";
import { type ErrorContract } from "../certify.ts";
import { defaultGateThresholds } from "../evidence-grid.ts";
import { deflatedError } from "../label-quality.ts";
import { adjusted, fitStoreAdjustments, type StoreAdjustment } from "../store-adjustment.ts";
import { dayMs, type FleetLabel, type FleetPolicy } from "./fleet-policy.ts";

const auditShare = 0.05;
const model = "simulated";
/** Without gold cases the share of errors that nobody sees is taken from published studies. */
const noGold = { wrong: 0, missed: 0 };

/** The contract as the certificate machine gets it: α lowered by what reviewers overlook. */
function rulesOf({ maxError, delta }: ErrorContract): CertificateRules {
  const contract = { maxError: deflatedError(maxError, noGold, delta).maxError, delta };
  return {
    ...contract,
    launchLabels: defaultLaunchLabels(contract),
    gateThresholds: defaultGateThresholds,
    lapseAfterMs: defaultLapseAfterMs,
    lapseAccepts: defaultLapseAccepts,
  };
}

/** The life of one certificate, on the days of the simulation. */
class Certified {
  #state: CertificateState;
  readonly #calibration: string;

  constructor(contract: ErrorContract, calibration: string, day: number) {
    this.#calibration = calibration;
    this.#state = startCertificate(rulesOf(contract), { model, calibration }, day * dayMs);
  }

  get gateThreshold(): number | null {
    return this.#state.published.gateThreshold;
  }

  /** Whether it once proved something and stands for nothing now: drift was seen, or nobody has looked for too long. */
  get isWithdrawn(): boolean {
    return this.#state.kind === "alarmed" || this.#state.kind === "lapsed";
  }

  label({ isWrong, propensity, propensityMin, decidedDay }: FleetLabel, confidence: number, day: number): void {
    const evidence = { confidence, isWrong, propensity, propensityMin };
    const about = { model, calibration: this.#calibration, decidedAtMs: decidedDay * dayMs, previous: null };
    this.#state = transition(this.#state, { type: "label", atMs: day * dayMs, label: { ...evidence, ...about } }).state;
  }

  tick(day: number, accepted: number): void {
    this.#state = transition(this.#state, { type: "tick", atMs: day * dayMs, accepted }).state;
  }
}

/** A certificate for each store: each has to bring all the labels itself. */
export function perStorePolicy(contract: ErrorContract, stores: readonly string[]): FleetPolicy {
  const certificates = new Map(stores.map((store) => [store, new Certified(contract, "none", 0)]));
  return {
    name: "certified per store",
    auditShare,
    gateThreshold: (store) => certificates.get(store)?.gateThreshold ?? null,
    seen: (_, confidence) => confidence,
    onLabel: (label, day) => certificates.get(label.store)?.label(label, label.confidence, day),
    onDayEnd: (day, accepted) => {
      for (const [store, certificate] of certificates) certificate.tick(day, accepted.get(store) ?? 0);
    },
  };
}

/** Labels of the first days calibrate; a certificate takes none of them. */
const calibrationDays = 7;
/** A store's own certificate is looser by this factor: it stops what the mean of the fleet would hide. */
const capFactor = 3;

/**
 * Confidences calibrated per store, one certificate for the fleet, and a looser one for each store as its cap. A store
 * whose cap was withdrawn goes to people until it is proved again.
 */
export function fleetPolicy(contract: ErrorContract, stores: readonly string[]): FleetPolicy {
  const first: FleetLabel[] = [];
  let adjustments: ReadonlyMap<string, StoreAdjustment> | null = null;
  let fleet: Certified | null = null;
  const caps = new Map<string, Certified>();
  const loose = { ...contract, maxError: Math.min(0.5, capFactor * contract.maxError) };
  const seen = (store: string, confidence: number): number => adjusted(confidence, adjustments?.get(store) ?? null);
  const calibrate = (day: number): void => {
    adjustments = fitStoreAdjustments(
      first.map(({ confidence }) => confidence),
      first.map(({ isWrong }) => (isWrong ? 0 : 1)),
      first.map(({ store }) => store),
    ).adjustments;
    fleet = new Certified(contract, "fitted", day);
    for (const store of stores) caps.set(store, new Certified(loose, "fitted", day));
  };
  return {
    name: "calibrated per store, certified fleet",
    auditShare,
    gateThreshold: (store) => {
      const cap = caps.get(store);
      const gate = fleet?.gateThreshold ?? null;
      if (gate === null || cap?.isWithdrawn === true) return null;
      return Math.max(gate, cap?.gateThreshold ?? 0);
    },
    seen,
    onLabel: (label, day) => {
      if (label.decidedDay < calibrationDays) first.push(label);
      if (fleet === null || label.decidedDay < calibrationDays) return;
      const confidence = seen(label.store, label.confidence);
      fleet.label(label, confidence, day);
      caps.get(label.store)?.label(label, confidence, day);
    },
    onDayEnd: (day, accepted) => {
      if (fleet === null && day >= calibrationDays && first.length > 0) calibrate(day);
      fleet?.tick(
        day,
        [...accepted.values()].reduce((sum, count) => sum + count, 0),
      );
      for (const [store, cap] of caps) cap.tick(day, accepted.get(store) ?? 0);
    },
  };
}

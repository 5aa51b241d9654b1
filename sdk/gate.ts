import { contractFor, type Contract, type GatePolicy } from "../config/index.ts";
import { applyCalibration, type Calibration } from "../models/index.ts";
import { type Certificate } from "../protocol/index.ts";

/** Which model asks, and which certificates count no more. */
export interface GateBy {
  /** Digest of the model that predicted; null: none did. */
  readonly model: string | null;
  /** Digests of its calibrations, `calibrationDigest`; null as above. */
  readonly calibration: string | null;
  readonly coarseCalibration: string | null;
  /** `labelsDigest` of the labels that people choose among, where the model groups them. No gate threshold depends on it. */
  readonly groups?: string | null;
  /** `certificateKey` of those that have lapsed. */
  readonly lapsed: readonly string[];
}

/** Why a contract holds no certificate that counts. */
export type Uncertified =
  "none" | "other_model" | "other_calibration" | "looser" | "lapsed" | "collecting" | "alarm" | "cap" | "other_rest";

/** The gate threshold that holds for one label, and whether anything may be accepted at all. */
export interface GateThreshold {
  readonly gateThreshold: number;
  /** False while a contract has no certificate: then nothing is accepted, whatever the confidence. */
  readonly certified: boolean;
  /** The certificate that it rests on; null where a number decides, or nothing is certified. */
  readonly certificate: Certificate | null;
  /** The store's own calibration over the model's, which the certificate brings. */
  readonly adjust: Calibration | null;
  /** Null where it is certified. */
  readonly why: Uncertified | null;
}

/** Names one document: a renewal is another, with a count and an age of its own. */
export function certificateKey({ id, renewal }: Pick<Certificate, "id" | "renewal">): string {
  return `${id}/${renewal}`;
}

/**
 * The gate threshold of a label: the label's own if the config names one, else the task's. Under a contract ("at most
 * 0.5 % wrong") it is a certificate's: the store's, else its region's, else the fleet's, each only for this model and
 * calibration and for no looser contract. Without one nothing is accepted; that is the safe side. Floors of the config
 * and the store's cap only raise it.
 */
export function gateThresholdOf(gate: GatePolicy, label: string, by: GateBy): GateThreshold {
  return viewOf(gate, by).fine(label);
}

/**
 * The gate threshold of the `coarse_answer` rung. A certificate that speaks of what another fine gate left counts no more:
 * once the fine gate accepts more, what it leaves is harder.
 */
export function coarseGateThreshold(gate: GatePolicy, by: GateBy): GateThreshold {
  return viewOf(gate, by).coarse();
}

/**
 * Whether the coarse gate's certificate speaks of a case that the fine gate has not accepted.
 *
 * @param confidence the model's own in its fine answer
 * @param fine the gate threshold that this answer was held against
 */
export function isRest({ certificate }: GateThreshold, confidence: number, fine: GateThreshold): boolean {
  const residual = certificate?.residual;
  if (!residual) return true;
  if (!isOfRest(residual, fine)) return false;
  return (
    residual.below === null || adjustedConfidence(confidence, { adjust: plattOf(residual.adjust) }) < residual.below
  );
}

/** A fine gate that asks for as much as then, or more, leaves everything that the certificate speaks of. */
function isOfRest({ below, adjust }: NonNullable<Certificate["residual"]>, fine: GateThreshold): boolean {
  if (!fine.certified) return true;
  if (below === null) return false;
  const own = fine.adjust?.method === "platt" ? { slope: fine.adjust.a, offset: fine.adjust.b } : null;
  return below <= rescaled(fine.gateThreshold, own, adjust);
}

function plattOf(adjust: Certificate["adjust"]): Calibration | null {
  return adjust && { method: "platt", a: adjust.slope, b: adjust.offset };
}

/** Whether anything of this gate rests on a certificate. */
export function isUnderContract({ target, coarseContract, classContracts }: GatePolicy): boolean {
  if (target.kind === "contract" || coarseContract !== null) return true;
  return Object.keys(classContracts).length > 0;
}

/** Inclusive (design 4.1): a confidence equal to the gate threshold is accepted. */
export function passes(confidence: number, gate: GateThreshold): boolean {
  return gate.certified && confidence >= gate.gateThreshold;
}

/** The confidence that the gate sees: the store's own calibration over the model's. */
export function adjustedConfidence(confidence: number, { adjust }: Pick<GateThreshold, "adjust">): number {
  return adjust === null ? confidence : applyCalibration(adjust, confidence);
}

/** The last view of each gate: one model serves a task for days, and one decision a few microseconds. */
const views = new WeakMap<GatePolicy, GateView>();

function viewOf(gate: GatePolicy, by: GateBy): GateView {
  const known = views.get(gate);
  if (known?.isOf(by) === true) return known;
  const view = new GateView(gate, by);
  views.set(gate, view);
  return view;
}

/** What a gate asks of one model: chosen once for each label, then looked up. */
class GateView {
  readonly #gate: GatePolicy;
  readonly #by: GateBy;
  readonly #fine = new Map<string, GateThreshold>();
  #task: GateThreshold | null = null;
  #coarse: GateThreshold | null = null;

  constructor(gate: GatePolicy, by: GateBy) {
    this.#gate = gate;
    this.#by = by;
  }

  isOf({ model, calibration, coarseCalibration, lapsed }: GateBy): boolean {
    const by = this.#by;
    return (
      by.model === model &&
      by.calibration === calibration &&
      by.coarseCalibration === coarseCalibration &&
      (by.lapsed === lapsed || (by.lapsed.length === lapsed.length && by.lapsed.every((key) => lapsed.includes(key))))
    );
  }

  fine(label: string): GateThreshold {
    const { classes, classContracts } = this.#gate;
    // Only labels that the config names are kept apart: a model has thousands, and one look at a map is the same for all.
    if (!Object.hasOwn(classes, label) && !Object.hasOwn(classContracts, label)) {
      return (this.#task ??= this.#choose("fine", null, null));
    }
    const known = this.#fine.get(label);
    if (known) return known;
    const chosen = this.#choose("fine", label, classes[label] ?? null);
    this.#fine.set(label, chosen);
    return chosen;
  }

  coarse(): GateThreshold {
    if (this.#coarse) return this.#coarse;
    const chosen = this.#choose("coarse", null, this.#gate.coarse);
    const residual = chosen.certificate?.residual;
    return (this.#coarse = residual && !isOfRest(residual, this.fine("")) ? uncertified("other_rest") : chosen);
  }

  #choose(rung: Certificate["rung"], label: string | null, number: number | null): GateThreshold {
    const gate = this.#gate;
    const ofClass = contractFor(gate, rung, label);
    const contract = ofClass ?? (rung === "fine" ? contractFor(gate, "fine", null) : null);
    if (contract === null) return byNumber(number ?? (gate.target.kind === "number" ? gate.target.gateThreshold : 1));
    // The task's floor is about its own contract; the label's or the rung's number comes on top.
    const floor = Math.max(contract === gate.target ? (gate.floor ?? 0) : 0, number ?? 0);
    const of = ofClass === null ? null : label;
    const certificates = gate.certificates.filter((one) => one.rung === rung && one.label === of);
    const calibration = rung === "fine" ? this.#by.calibration : this.#by.coarseCalibration;
    return certified(certificates, { contract, calibration, model: this.#by.model, lapsed: this.#by.lapsed, floor });
  }
}

function byNumber(gateThreshold: number): GateThreshold {
  return { gateThreshold, certified: true, certificate: null, adjust: null, why: null };
}

function uncertified(why: Uncertified): GateThreshold {
  return { gateThreshold: 1, certified: false, certificate: null, adjust: null, why };
}

interface Asked {
  readonly contract: Contract;
  readonly model: string | null;
  readonly calibration: string | null;
  readonly lapsed: readonly string[];
  readonly floor: number;
}

/**
 * The first certificate that counts, narrowest scope first. One that does not is passed over, but never to a lower gate
 * threshold: what a narrower one asked for still holds when it has lapsed or was for a looser contract, and one that was
 * withdrawn by an alarm or by hand ends the search.
 */
function certified(certificates: readonly Certificate[], asked: Asked): GateThreshold {
  const barriers: Certificate[] = [];
  let why: Uncertified = "none";
  let isMatched = false;
  let level: Certificate["scope"]["level"] | null = null;
  for (const certificate of certificates) {
    const obstacle = otherModel(certificate, asked);
    if (obstacle !== null) {
      if (why === "none") why = obstacle;
      continue;
    }
    // Of one scope the newest counts; the config has them newest first.
    if (certificate.scope.level === level) continue;
    ({ level } = certificate.scope);
    const { gateThreshold, basis, cap } = certificate;
    if (gateThreshold === null && (basis === "alarm" || basis === "raised")) return uncertified("alarm");
    if (cap?.gateThreshold === null) return uncertified("cap");
    const reason = unusable(certificate, asked);
    if (reason === null && gateThreshold !== null) return accepting(certificate, gateThreshold, barriers, asked.floor);
    if (reason !== null && gateThreshold !== null) barriers.push(certificate);
    // What keeps the narrowest one from counting is what people are told.
    if (!isMatched) why = reason ?? "collecting";
    isMatched = true;
  }
  return uncertified(why);
}

function otherModel(certificate: Certificate, { model, calibration }: Asked): Uncertified | null {
  if (certificate.model !== model) return "other_model";
  return certificate.calibration === calibration ? null : "other_calibration";
}

function unusable(certificate: Certificate, { contract, lapsed }: Asked): Uncertified | null {
  if (certificate.basis === "lapsed" || lapsed.includes(certificateKey(certificate))) return "lapsed";
  const isLooser = certificate.maxError > contract.maxError || certificate.delta > contract.delta;
  return isLooser ? "looser" : null;
}

function accepting(
  certificate: Certificate,
  own: number,
  barriers: readonly Certificate[],
  floor: number,
): GateThreshold {
  const gateThreshold = Math.max(
    own,
    certificate.cap?.gateThreshold ?? 0,
    floor,
    ...barriers.map((barrier) => onScaleOf(certificate, barrier)),
  );
  return { gateThreshold, certified: true, certificate, adjust: plattOf(certificate.adjust), why: null };
}

/** The gate threshold of `other` as a confidence that `certificate` would show for the same score of the model. */
function onScaleOf({ adjust }: Certificate, other: Certificate): number {
  const gateThreshold = Math.max(other.gateThreshold ?? 1, other.cap?.gateThreshold ?? 0);
  return rescaled(gateThreshold, other.adjust, adjust);
}

/** A gate threshold over confidences of one calibration of a store, as the same score of the model shows under another. */
function rescaled(gateThreshold: number, before: Certificate["adjust"], after: Certificate["adjust"]): number {
  const from = before ?? { slope: 1, offset: 0 };
  const to = after ?? { slope: 1, offset: 0 };
  if (gateThreshold >= 1 || (from.slope === to.slope && from.offset === to.offset)) return gateThreshold;
  const model = applyCalibration({ method: "platt", a: 1 / from.slope, b: -from.offset / from.slope }, gateThreshold);
  return applyCalibration({ method: "platt", a: to.slope, b: to.offset }, model);
}

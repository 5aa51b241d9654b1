import {
  type CertificateKind,
  type CertificateRules,
  type CertificateState,
  type ModelIdentity,
  type ProvedGate,
  type PublishedGate,
  requireRules,
} from "./certificate-state.ts";
import { certify } from "./certify.ts";
import { driftAlarm, drifted, driftLevel, noDrift } from "./drift-detector.ts";
import { errorBound } from "./e-process.ts";
import {
  certifiedByEvidence,
  corrected,
  type EvidenceLabel,
  type EvidencePoint,
  observed,
  startGrid,
} from "./evidence-grid.ts";

/** A label of one decision, adjudicated, or its outcome. */
export interface CertificateLabel extends EvidenceLabel, ModelIdentity {
  readonly decidedAtMs: number;
  /** What this certificate has already counted for the same decision in this epoch; null if nothing. */
  readonly previous: "right" | "wrong" | null;
}

export type CertificateEvent =
  /** `isHeld`: it is evidence like any other, and nothing is proved before one comes that is not held. */
  | { readonly type: "label"; readonly atMs: number; readonly label: CertificateLabel; readonly isHeld?: boolean }
  | { readonly type: "model"; readonly atMs: number; readonly identity: ModelIdentity }
  | { readonly type: "contract"; readonly atMs: number; readonly rules: CertificateRules }
  /** The decisions that it speaks of are others now: what was counted says nothing of them. */
  | { readonly type: "population"; readonly atMs: number }
  /** To a gate threshold at least this high, or everything to people; `null` takes the raise back. */
  | { readonly type: "raise"; readonly atMs: number; readonly gateThreshold: number | "people" | null }
  /** Time has passed, and the gate has accepted that many decisions since the last tick. */
  | { readonly type: "tick"; readonly atMs: number; readonly accepted: number };

export type LabelRefusal = "other_model" | "before_epoch" | "duplicate" | "invalid";

export type CertificateEffect =
  /** Tell the gate. `isRenewal`: nothing but its age has changed. */
  | {
      readonly type: "publish";
      readonly gate: PublishedGate;
      readonly epoch: number;
      readonly renewal: number;
      readonly isRenewal: boolean;
    }
  | { readonly type: "epoch"; readonly epoch: number; readonly reason: EpochReason }
  | { readonly type: "alarm"; readonly epoch: number; readonly level: number }
  | { readonly type: "lapse"; readonly reason: "age" | "accepted" }
  | { readonly type: "refused"; readonly reason: LabelRefusal };

type EpochReason = "model" | "contract" | "population" | "alarm";

export interface CertificateStep {
  readonly state: CertificateState;
  readonly effects: readonly CertificateEffect[];
}

/** Fresh labels that bring a lapsed certificate back: one keeps it alive, but to trust it again takes more. */
const revivalLabels = 30;
/** A certificate is renewed when this share of its life is over, so that an agent has time to hear of it. */
const renewalShare = 0.25;

const noLaunch = Object.freeze({ isDone: false, confidence: Object.freeze([]), correct: Object.freeze([]) });
const toPeople = (basis: "alarm" | "collecting"): PublishedGate =>
  Object.freeze({ gateThreshold: null, basis, proved: null });

/** The first epoch: nothing is proved, people decide. */
export function startCertificate(rules: CertificateRules, identity: ModelIdentity, atMs: number): CertificateState {
  requireRules(rules);
  return Object.freeze({
    ...epochOf(rules, identity, 1),
    kind: "collecting",
    countedFromMs: 0,
    raised: null,
    published: toPeople("collecting"),
    ...{ renewal: 1, publishedAtMs: atMs, freshAtMs: atMs },
  });
}

/**
 * The life of a certificate. A gate threshold is lowered by evidence alone and raised by anything at once; what would
 * be counted twice, was decided by another model or before the epoch, or is no label at all, changes nothing. The
 * same events give the same state.
 */
export function transition(state: CertificateState, event: CertificateEvent): CertificateStep {
  // A certificate that cannot tell its age would never lapse.
  if (!Number.isFinite(event.atMs)) throw new RangeError(`atMs must be a time, got ${event.atMs}`);
  switch (event.type) {
    case "label":
      return labelled(state, event.label, event.atMs, event.isHeld ?? false);
    case "model":
      return isSame(state, event.identity)
        ? unchanged(state)
        : nextEpoch(state, "collecting", event.atMs, "model", { identity: event.identity });
    case "contract":
      return contracted(state, event.rules, event.atMs);
    case "population":
      // What an alarm has withdrawn stays withdrawn until something is proved anew.
      return nextEpoch(state, state.kind === "alarmed" ? "alarmed" : "collecting", event.atMs, "population", {});
    case "raise":
      return published({ ...state, raised: raiseOf(event.gateThreshold) }, event.atMs);
    case "tick":
      return ticked(state, event.accepted, event.atMs);
  }
}

/** What is no share sends everything to people: a raise must never end in a lower gate threshold. */
function raiseOf(gateThreshold: number | "people" | null): number | "people" | null {
  if (gateThreshold === null || gateThreshold === "people") return gateThreshold;
  return gateThreshold >= 0 && gateThreshold <= 1 ? gateThreshold : "people";
}

function labelled(state: CertificateState, label: CertificateLabel, atMs: number, isHeld: boolean): CertificateStep {
  const refusal = refusalOf(state, label);
  if (refusal !== null) return { state, effects: [{ type: "refused", reason: refusal }] };
  const isCorrection = label.previous === "right";
  const counted: CertificateState = {
    ...state,
    grid: isCorrection ? corrected(state.grid, label) : observed(state.grid, label),
    launch: launchAfter(state, label),
  };
  const fresh = freshened(counted, label, atMs);
  if (driftLevel(fresh.drift) >= driftAlarm) {
    const alarm = { type: "alarm", epoch: state.epoch, level: driftLevel(fresh.drift) } as const;
    const next = nextEpoch({ ...fresh, countedFromMs: atMs }, "alarmed", atMs, "alarm", {});
    return { state: next.state, effects: [alarm, ...next.effects] };
  }
  return published(isHeld ? fresh : proved(fresh, atMs), atMs);
}

function refusalOf(state: CertificateState, label: CertificateLabel): LabelRefusal | null {
  const { confidence, propensity, propensityMin } = label;
  if (!isSame(state, label)) return "other_model";
  if (label.decidedAtMs < state.countedFromMs) return "before_epoch";
  // What was called wrong once stays wrong, whatever is said later.
  if (label.previous === "wrong" || (label.previous === "right" && !label.isWrong)) return "duplicate";
  const fits = confidence >= 0 && confidence <= 1 && propensityMin > 0 && propensity >= propensityMin;
  return fits && propensity <= 1 && Number.isFinite(label.decidedAtMs) ? null : "invalid";
}

/** Launch labels are certain ones: every decision of their time got one. */
function launchAfter(state: CertificateState, label: CertificateLabel): CertificateState["launch"] {
  const { launch } = state;
  if (launch.isDone || label.propensityMin < 1) return launch;
  if (label.previous === null) {
    return {
      isDone: false,
      confidence: [...launch.confidence, label.confidence],
      correct: [...launch.correct, label.isWrong ? 0 : 1],
    };
  }
  // Which of several equal ones is corrected makes no difference: only confidence and outcome are kept.
  const at = launch.confidence.findIndex((value, i) => value === label.confidence && launch.correct[i] === 1);
  return { ...launch, correct: launch.correct.map((value, i) => (i === at ? 0 : value)) };
}

/** What a label of an accepted decision says about today: it keeps the certificate alive, and feeds the detector. */
function freshened(state: CertificateState, label: CertificateLabel, atMs: number): CertificateState {
  if (state.proved === null || label.confidence < state.proved.gateThreshold) return state;
  const drift = drifted(state.drift, label, state.rules.maxError);
  // A decision from before the publication says nothing about now, but drift it may show.
  if (label.decidedAtMs < state.publishedAtMs) return { ...state, drift };
  const freshLabels = state.freshLabels + 1;
  const isRevived = state.kind === "lapsed" && freshLabels >= revivalLabels;
  return {
    ...{ ...state, drift, freshLabels },
    kind: isRevived ? "certified" : state.kind,
    // A clock that runs ahead must not keep a certificate alive longer.
    freshAtMs: Math.max(state.freshAtMs, Math.min(atMs, label.decidedAtMs)),
    acceptedSinceFresh: 0,
  };
}

/** The lower of what the launch and what the evidence over time prove. */
function proved(state: CertificateState, atMs: number): CertificateState {
  const { launch, rules } = state;
  const isLaunch = !launch.isDone && launch.confidence.length >= rules.launchLabels;
  const launched = isLaunch ? launchedGate(state) : null;
  const next: CertificateState = isLaunch ? { ...state, launch: { ...noLaunch, isDone: true } } : state;
  // Not before the launch could be: an early opening would end the certain labels that the launch waits for.
  const mayLower = next.launch.isDone || next.grid.labels >= rules.launchLabels;
  const found = [next.proved, launched, mayLower ? evidenceGate(next) : null].filter((gate) => gate !== null);
  const lowest = found.reduce<ProvedGate | null>(
    (best, gate) => (best === null || gate.gateThreshold < best.gateThreshold ? gate : best),
    null,
  );
  if (lowest === next.proved) return next;
  if (next.proved !== null) return { ...next, proved: lowest };
  // Its life begins now: while labels were collected, every one of them was fresh.
  return { ...next, proved: lowest, kind: "certified", freshAtMs: atMs, acceptedSinceFresh: 0 };
}

function launchedGate({ launch, rules }: CertificateState): ProvedGate | null {
  const found = certify(launch.confidence, launch.correct, { maxError: rules.maxError, delta: rules.delta / 2 });
  const { gateThreshold, labels, accepted, errors, coverage, level, upperBound, method } = found;
  if (gateThreshold === null || level === null || upperBound === null) return null;
  return Object.freeze({ gateThreshold, method, labels, accepted, errors, coverage, level, upperBound });
}

function evidenceGate({ grid, rules }: CertificateState): ProvedGate | null {
  const found = certifiedByEvidence(grid);
  if (found === null) return null;
  const { point, level } = found;
  return Object.freeze({
    gateThreshold: point.gateThreshold,
    method: "e_process",
    labels: grid.labels,
    accepted: point.labels + point.sampled,
    errors: point.errors + point.sampledErrors,
    coverage: Math.min(1, point.decisions / grid.decisions),
    level,
    upperBound: upperBoundOf(point, level, rules.maxError),
  });
}

/**
 * At the level that this gate threshold was proved at, as the launch's is. The bets on labels drawn by propensity are against
 * the tolerated error alone, so with some of them it is that error which is proved to be too much, and no less.
 */
function upperBoundOf({ errors, labels, sampled }: EvidencePoint, level: number, maxError: number): number {
  return sampled > 0 ? maxError : errorBound(errors, labels, level, maxError);
}

function contracted(state: CertificateState, rules: CertificateRules, atMs: number): CertificateStep {
  requireRules(rules);
  const before = state.rules;
  const isSameProof =
    rules.maxError === before.maxError &&
    rules.delta === before.delta &&
    rules.launchLabels === before.launchLabels &&
    rules.gateThresholds.join() === before.gateThresholds.join();
  // The evidence is against one error and for one delta: another contract has to prove itself anew.
  if (!isSameProof) return nextEpoch(state, "collecting", atMs, "contract", { rules });
  const isSameLapse = rules.lapseAfterMs === before.lapseAfterMs && rules.lapseAccepts === before.lapseAccepts;
  return isSameLapse ? unchanged(state) : renewed(ticked({ ...state, rules }, 0, atMs), atMs);
}

function ticked(state: CertificateState, accepted: number, atMs: number): CertificateStep {
  const more = accepted > 0 ? accepted : 0;
  const acceptedSinceFresh = state.acceptedSinceFresh + more;
  const aged = { ...state, acceptedSinceFresh, acceptedSincePublished: state.acceptedSincePublished + more };
  if (aged.kind !== "certified") return { state: aged, effects: [] };
  const age = Math.max(0, atMs - aged.freshAtMs);
  const { lapseAfterMs, lapseAccepts } = aged.rules;
  if (age > lapseAfterMs || aged.acceptedSinceFresh > lapseAccepts) {
    const reason = age > lapseAfterMs ? "age" : "accepted";
    const step = published({ ...aged, kind: "lapsed", freshLabels: 0 }, atMs);
    return { state: step.state, effects: [{ type: "lapse", reason }, ...step.effects] };
  }
  const isOld = atMs - aged.publishedAtMs >= renewalShare * lapseAfterMs;
  const isUsed = aged.acceptedSincePublished >= renewalShare * lapseAccepts;
  return (isOld || isUsed) && aged.freshLabels > 0
    ? renewed({ state: aged, effects: [] }, atMs)
    : { state: aged, effects: [] };
}

/** Published again as it is, unless the step has published something already. */
function renewed({ state, effects }: CertificateStep, atMs: number): CertificateStep {
  if (state.kind !== "certified" || effects.length > 0) return { state, effects };
  const renewal = state.renewal + 1;
  const next = { ...state, renewal, ...justPublished(atMs) };
  return { state: next, effects: [publication(next, true)] };
}

function nextEpoch(
  state: CertificateState,
  kind: CertificateKind,
  atMs: number,
  reason: EpochReason,
  change: { readonly rules?: CertificateRules; readonly identity?: ModelIdentity },
): CertificateStep {
  const { rules = state.rules, identity = state.identity } = change;
  const epoch = state.epoch + 1;
  const fresh = { ...state, ...epochOf(rules, identity, epoch), kind, freshAtMs: atMs };
  const gate = toPeople(kind === "alarmed" ? "alarm" : "collecting");
  const next = { ...fresh, published: gate, renewal: 1, ...justPublished(atMs) };
  return { state: next, effects: [{ type: "epoch", epoch, reason }, publication(next, false)] };
}

function epochOf(rules: CertificateRules, identity: ModelIdentity, epoch: number) {
  const contract = { maxError: rules.maxError, delta: rules.delta / 2 };
  return {
    ...{ rules, identity, epoch },
    launch: noLaunch,
    grid: startGrid(rules.gateThresholds, contract),
    drift: noDrift,
    proved: null,
    ...{ acceptedSinceFresh: 0, acceptedSincePublished: 0, freshLabels: 0 },
  };
}

/** What the state means for the gate, told if it differs from what was told before. */
function published(state: CertificateState, atMs: number): CertificateStep {
  const gate = gateOf(state);
  const before = state.published;
  if (gate.gateThreshold === before.gateThreshold && gate.basis === before.basis) return { state, effects: [] };
  const next = { ...state, published: gate, renewal: 1, ...justPublished(atMs) };
  return { state: next, effects: [publication(next, false)] };
}

function justPublished(publishedAtMs: number) {
  return { publishedAtMs, acceptedSincePublished: 0, freshLabels: 0 };
}

function gateOf({ kind, proved: gate, raised }: CertificateState): PublishedGate {
  if (kind === "alarmed") return toPeople("alarm");
  if (gate === null) return toPeople("collecting");
  if (kind === "lapsed") return Object.freeze({ gateThreshold: null, basis: "lapsed", proved: gate });
  if (raised === "people") return Object.freeze({ gateThreshold: null, basis: "raised", proved: gate });
  if (raised !== null && raised > gate.gateThreshold) {
    return Object.freeze({ gateThreshold: raised, basis: "raised", proved: gate });
  }
  const basis = gate.method === "fallback_auto" ? "launch" : "evidence";
  return Object.freeze({ gateThreshold: gate.gateThreshold, basis, proved: gate });
}

function publication(state: CertificateState, isRenewal: boolean): CertificateEffect {
  const { published: gate, epoch, renewal } = state;
  return { type: "publish", gate, epoch, renewal, isRenewal };
}

function isSame(state: CertificateState, { model, calibration }: ModelIdentity): boolean {
  return model === state.identity.model && calibration === state.identity.calibration;
}

function unchanged(state: CertificateState): CertificateStep {
  return { state, effects: [] };
}

import { type Rule, type TaskPolicy } from "../config/index.ts";
import {
  type Answer,
  type Certificate,
  type ConfigReference,
  type Context,
  type Decision,
  type ModelReference,
  type Reason,
  type Sample,
} from "../protocol/index.ts";
import { auditSampling, type Coin, type Sampling } from "./audit.ts";
import { expectedLoss } from "./capacity.ts";
import { explain } from "./explain.ts";
import {
  adjustedConfidence,
  coarseGateThreshold,
  gateThresholdOf,
  isUnderContract,
  passes,
  type GateBy,
  type GateThreshold,
} from "./gate.ts";
import { walkLadder, type LadderEnd } from "./ladder.ts";
import { matchingRule } from "./rules.ts";
import { type DecisionTrace, type Finding, type GateTrace, type Scored } from "./trace.ts";

/** Everything that a decision depends on. Recorded, so that replay repeats it. */
export interface DecideInputs {
  readonly id: string;
  readonly context: Context;
  readonly policy: TaskPolicy;
  readonly config: ConfigReference;
  readonly finding: Finding;
  readonly model: ModelReference | null;
  /** Execution provider that really ran; "none" where no model ran. */
  readonly provider: string;
  readonly runtime: string | null;
  readonly batch: number | null;
  readonly modelMs: number | null;
  readonly coin: Coin;
  /** Which model asks the gate, and which certificates count no more. */
  readonly by: GateBy;
  /** Running mean that audit propensities are scaled by; 0 until there is one. */
  readonly auditScale: number;
  /** Expected losses at and above it may go to people; null: the task has no stated capacity. */
  readonly reviewPrice: number | null;
  /** Escalations left before this one; null: no limit. */
  readonly budget: number | null;
  readonly reviewer: boolean;
  readonly storage: boolean;
  /** Wall clock of the decision. */
  readonly atMs: number;
  readonly latencyMs: number;
}

export interface Decided {
  readonly decision: Decision;
  readonly trace: DecisionTrace;
  /** Accepted, and a person looks all the same. */
  readonly audit: boolean;
  /** How it came to be looked at by people; null where they do not look. */
  readonly sample: Sample | null;
  /** The certificate that it was accepted under by the gate. */
  readonly under: Certificate | null;
  /** True when the escalation budget was used. */
  readonly spent: boolean;
  /** The gate held it. */
  readonly held: boolean;
}

/** What gate, rules or ladder came to, before it is written down as a decision. */
interface Ruling {
  readonly verdict: Decision["verdict"];
  readonly decidedBy: Decision["decidedBy"];
  readonly answer: Answer | null;
  readonly scored: Scored | null;
  readonly gate: GateThreshold;
  readonly reasons: readonly Reason[];
  readonly rule: Rule | null;
  /** The coarse answer was taken: `scored` and `gate` are its. */
  readonly coarse?: true;
}

/**
 * One decision: rules first, then the gate, then the fallback ladder. Pure and total: it never throws, every failure of
 * the model comes in as a finding and goes out as a verdict with a reason.
 *
 * @example
 * const { decision, audit } = decide({ ...inputs, finding: evidenceOf(prediction, model) });
 * if (decision.status === "pending") askAPerson(decision);
 */
export function decide(inputs: DecideInputs): Decided {
  const top = inputs.finding.kind === "evidence" ? (inputs.finding.top[0] ?? null) : null;
  const gate = gateThresholdOf(inputs.policy.gate, top?.label ?? "", inputs.by);
  const seen = top && gate.adjust ? { ...top, confidence: adjustedConfidence(top.confidence, gate) } : top;
  const ruling = byRule(inputs, seen, gate) ?? byGate(inputs, seen, gate);
  const sampling = samplingOf(inputs, ruling);
  const audit = ruling.verdict === "accept" && sampling !== null && inputs.coin.audit < sampling.propensity;
  const isEscalated = ruling.verdict === "escalate";
  return {
    decision: written(inputs, ruling, audit),
    trace: traceOf(inputs, ruling),
    audit,
    sample: sampling && (audit || isEscalated) ? sampleOf(inputs, ruling, sampling, gate) : null,
    under: ruling.verdict === "accept" && ruling.rule === null ? ruling.gate.certificate : null,
    spent: isEscalated,
    held: isEscalated || ruling.reasons.includes("capacity_exhausted"),
  };
}

/** Null for what is not sampled at all: safe actions, and what a rule accepted. */
function samplingOf({ coin, policy, auditScale }: DecideInputs, { verdict, rule, scored }: Ruling): Sampling | null {
  if (verdict === "escalate") return { propensity: 1, uniform: coin.audit < policy.auditShare / 2 };
  if (verdict !== "accept" || rule !== null || policy.auditShare === 0) return null;
  return auditSampling(coin.audit, scored?.confidence ?? 0, auditScale, policy.auditShare);
}

function sampleOf(inputs: DecideInputs, ruling: Ruling, sampling: Sampling, fine: GateThreshold): Sample {
  const { finding, by } = inputs;
  const { rule, coarse } = ruling;
  const predicted = finding.kind === "evidence" ? (coarse ? finding.coarse : (finding.top[0] ?? null)) : null;
  const second = secondOf(inputs, ruling, fine);
  return {
    ...sampling,
    rule: rule !== null,
    rung: coarse ? "coarse" : "fine",
    confidence: predicted?.confidence ?? null,
    calibration: coarse ? by.coarseCalibration : by.calibration,
    ...(second ? { second } : {}),
    ...(second && by.groups ? { groups: by.groups } : {}),
  };
}

/**
 * What the model said at the other rung. People who answer a case say of both answers whether they were right, and a rung
 * that accepts nothing yet has no other labels. The coarse answer of what the fine gate accepted was asked of nobody.
 */
function secondOf(
  { finding, policy, by }: DecideInputs,
  { verdict, coarse }: Ruling,
  fine: GateThreshold,
): Sample["second"] {
  if (finding.kind !== "evidence") return undefined;
  const rung = coarse ? "fine" : "coarse";
  const said = coarse ? finding.top[0] : verdict === "escalate" ? finding.coarse : null;
  const calibration = coarse ? by.calibration : by.coarseCalibration;
  if (!said || calibration === null) return undefined;
  const gate = coarse ? fine : coarseGateThreshold(policy.gate, by);
  const isAsked = coarse === true || policy.fallback.includes("coarse_answer");
  const { label, confidence } = said;
  const { gateThreshold, certificate, certified } = gate;
  const asked = { gateThreshold, certificate: certificate?.id ?? null, accepts: isAsked && certified };
  return { rung, label, confidence, calibration, ...asked };
}

function byRule(inputs: DecideInputs, top: Scored | null, gate: GateThreshold): Ruling | null {
  const { policy, finding, context, coin } = inputs;
  if (policy.rules.length === 0) return null;
  const rule = matchingRule(policy.rules, { finding, context, coin: coin.rules });
  if (!rule) return null;
  const base = { scored: top, gate, rule };
  switch (rule.then.verdict) {
    case "accept": {
      const label = rule.then.label;
      const answer = label === null ? answerOf(top, finding) : { label };
      // "Accept what the model says" without a model's word is nothing to accept.
      if (answer === null) return null;
      return { ...base, verdict: "accept", decidedBy: "rule", answer, reasons: ["rule"] };
    }
    case "abstain":
      return {
        ...base,
        verdict: "abstain",
        decidedBy: "fallback",
        answer: policy.safeAction,
        reasons: ["rule", "safe_action"],
      };
    case "escalate":
      // The rule asks for a person, so a coarse answer of the model is not what it wants.
      return fromLadder(
        walkLadder(
          policy.fallback.filter((rung) => rung !== "coarse_answer"),
          // Whoever wrote the rule wants a person before anybody else gets one.
          { ...inputs, worthReview: isWorth(inputs, 0) },
        ),
        base,
        "rule",
        finding,
      );
  }
}

function byGate(inputs: DecideInputs, top: Scored | null, gate: GateThreshold): Ruling {
  const { finding, policy } = inputs;
  const base = { scored: top, gate, rule: null };
  if (top && passes(top.confidence, gate)) {
    return { ...base, verdict: "accept", decidedBy: "model", answer: answerOf(top, finding), reasons: ["confident"] };
  }
  const facts = { ...inputs, worthReview: isWorth(inputs, top?.confidence ?? 0) };
  return fromLadder(walkLadder(policy.fallback, facts), base, primaryReason(finding, top, gate), finding);
}

function isWorth({ reviewPrice, policy }: DecideInputs, confidence: number): boolean {
  return reviewPrice === null || expectedLoss(policy, confidence) >= reviewPrice;
}

function primaryReason(finding: Finding, top: Scored | null, gate: GateThreshold): Reason {
  if (finding.kind === "failure") return finding.reason;
  if (!top) return "no_prediction";
  return gate.certified ? "below_gate" : "uncertified";
}

function fromLadder(
  end: LadderEnd,
  base: Pick<Ruling, "scored" | "gate" | "rule">,
  primary: Reason,
  finding: Finding,
): Ruling {
  switch (end.kind) {
    case "coarse":
      return {
        ...base,
        scored: end.scored,
        gate: end.gate,
        coarse: true,
        verdict: "accept",
        decidedBy: "model",
        answer: { label: end.scored.label, value: end.scored.index },
        reasons: ["coarse_answer", primary, ...end.reasons],
      };
    case "person":
      return {
        ...base,
        verdict: "escalate",
        decidedBy: "model",
        answer: answerOf(base.scored, finding),
        reasons: [primary, ...end.reasons],
      };
    case "safe":
      return {
        ...base,
        verdict: "abstain",
        decidedBy: "fallback",
        answer: end.answer,
        reasons: [primary, ...end.reasons],
      };
  }
}

/** The model's answer with its alternatives; null where there is no prediction. */
function answerOf(top: Scored | null, finding: Finding): Answer | null {
  if (!top || finding.kind === "failure") return null;
  const given = finding.top[0]?.confidence ?? 0;
  // The others share what the store's calibration leaves, as they shared what the model's left.
  const rest = given === top.confidence || given >= 1 ? 1 : (1 - top.confidence) / (1 - given);
  const alternatives = finding.top.slice(1).map(({ label, confidence }) => {
    return { label, confidence: rest === 1 ? confidence : Math.min(1, confidence * rest) };
  });
  return { label: top.label, value: top.index, alternatives };
}

function written(inputs: DecideInputs, ruling: Ruling, audit: boolean): Decision {
  const { scored, gate } = ruling;
  const [reason = "no_prediction"] = ruling.reasons;
  const confidence = scored?.confidence ?? 0;
  const detail = ruling.rule?.name ?? (inputs.finding.kind === "failure" ? inputs.finding.message.slice(0, 200) : null);
  return {
    v: 1,
    id: inputs.id,
    revision: 1,
    task: inputs.policy.task,
    status: ruling.verdict === "escalate" ? "pending" : "final",
    verdict: ruling.verdict,
    decidedBy: ruling.decidedBy,
    answer: ruling.answer,
    confidence,
    score: scored?.score ?? 0,
    gateThreshold: gate.gateThreshold,
    certificate: gate.certificate?.id ?? null,
    reasons: audit ? [...ruling.reasons, "audit"] : [...ruling.reasons],
    model: inputs.model,
    config: inputs.config,
    provider: inputs.provider,
    at: inputs.atMs,
    latencyMs: inputs.latencyMs,
    explanation: explain({
      reason,
      label: scored?.label ?? null,
      confidence,
      gateThreshold: gate.gateThreshold,
      detail,
      why: gate.why,
    }),
  };
}

function traceOf(inputs: DecideInputs, ruling: Ruling): DecisionTrace {
  return {
    v: 1,
    finding: inputs.finding,
    coin: inputs.coin,
    ...(isUnderContract(inputs.policy.gate) ? { gate: gateTrace(inputs.by) } : {}),
    ...(inputs.policy.auditShare > 0 ? { auditScale: inputs.auditScale } : {}),
    ...(inputs.reviewPrice === null ? {} : { reviewPrice: inputs.reviewPrice }),
    budget: inputs.budget,
    reviewer: inputs.reviewer,
    storage: inputs.storage,
    rule: ruling.rule?.name ?? null,
    runtime: inputs.runtime,
    batch: inputs.batch,
    timings: { modelMs: inputs.modelMs },
  };
}

function gateTrace({ calibration, coarseCalibration, lapsed }: GateBy): GateTrace {
  return { calibration, coarseCalibration, lapsed };
}

import { type Rule, type TaskPolicy } from "../config/index.ts";
import {
  type Answer,
  type ConfigReference,
  type Context,
  type Decision,
  type ModelReference,
  type Reason,
} from "../protocol/index.ts";
import { type Coin } from "./audit.ts";
import { explain } from "./explain.ts";
import { gateThresholdOf, passes, type GateThreshold } from "./gate.ts";
import { walkLadder, type LadderEnd } from "./ladder.ts";
import { matchingRule } from "./rules.ts";
import { type DecisionTrace, type Finding, type Scored } from "./trace.ts";

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
  /** True when the escalation budget was used. */
  readonly spent: boolean;
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
  const gate = gateThresholdOf(inputs.policy.gate, top?.label ?? "");
  const ruling = byRule(inputs, top, gate) ?? byGate(inputs, top, gate);
  const audit = ruling.verdict === "accept" && ruling.rule === null && inputs.coin.audit < inputs.policy.auditShare;
  return {
    decision: written(inputs, ruling, audit),
    trace: traceOf(inputs, ruling),
    audit,
    spent: ruling.verdict === "escalate",
  };
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
          inputs,
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
  return fromLadder(walkLadder(policy.fallback, inputs), base, primaryReason(finding, top, gate), finding);
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
  const alternatives = finding.top.slice(1).map(({ label, confidence }) => ({ label, confidence }));
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
    certificate: null,
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
    }),
  };
}

function traceOf(inputs: DecideInputs, ruling: Ruling): DecisionTrace {
  return {
    v: 1,
    finding: inputs.finding,
    coin: inputs.coin,
    budget: inputs.budget,
    reviewer: inputs.reviewer,
    storage: inputs.storage,
    rule: ruling.rule?.name ?? null,
    runtime: inputs.runtime,
    batch: inputs.batch,
    timings: { modelMs: inputs.modelMs },
  };
}

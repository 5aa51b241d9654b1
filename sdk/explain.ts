import { type Reason } from "../protocol/index.ts";
import { type Uncertified } from "./gate.ts";

/** One sentence for people about why a case was not simply accepted. */
export interface ExplanationFacts {
  readonly reason: Reason;
  readonly label: string | null;
  readonly confidence: number;
  readonly gateThreshold: number;
  readonly detail: string | null;
  /** Why nothing is certified, where that is the reason. */
  readonly why?: Uncertified | null;
}

export function explain(facts: ExplanationFacts): string | null {
  const { label, detail } = facts;
  const what = label === null ? "the answer" : `“${label}”`;
  switch (facts.reason) {
    case "confident":
      return null;
    case "below_gate":
      return `The model is ${percent(facts.confidence)} sure of ${what}; the gate asks for ${percent(facts.gateThreshold)}.`;
    case "coarse_answer":
      return `Only the group is sure: ${what} with ${percent(facts.confidence)}.`;
    case "rule":
      return detail === null ? "A rule decided." : `The rule “${detail}” decided.`;
    case "uncertified":
      return `${uncertifiedSentences[facts.why ?? "none"]}, so nothing is accepted.`;
    case "audit":
      return "Accepted, and chosen for a second look.";
    case "reviewed":
      return detail === null ? "A person decided." : `${detail} decided.`;
    default:
      return detail === null ? sentences[facts.reason] : `${sentences[facts.reason].slice(0, -1)} (${detail}).`;
  }
}

/** Shown to reviewers and operators alike; each ends where the consequence begins. */
export const uncertifiedSentences: Readonly<Record<Uncertified, string>> = {
  none: "The error contract of this task has no certificate yet",
  other_model: "The certificate of this task is for another model",
  other_calibration: "The certificate of this task is for another calibration of the model",
  looser: "The certificate of this task is for a looser contract than the one in force",
  lapsed: "The certificate of this task has lapsed without fresh evidence",
  collecting: "The labels are not enough yet to certify the error contract of this task",
  alarm: "The certificate of this task was withdrawn",
  cap: "This store's own labels do not allow what the fleet's certificate does",
  other_rest: "The certificate of this task's coarse answers is for what a stricter gate left to them",
};

const sentences: Readonly<
  Record<
    Exclude<Reason, "confident" | "below_gate" | "coarse_answer" | "rule" | "uncertified" | "audit" | "reviewed">,
    string
  >
> = {
  no_model: "No model runs for this task.",
  no_prediction: "The model gave no prediction.",
  model_error: "The model failed.",
  model_output: "The model's output does not fit its manifest.",
  not_finite: "The model's output has a value that is not a number.",
  bad_picture: "The picture cannot be read.",
  bad_input: "The input does not fit the model.",
  quarantined: "This input ended the model's process twice; it is not tried again.",
  timeout: "The model did not answer within the device's patience.",
  overload: "The agent has more work than it can do in time.",
  no_reviewer: "No person can be asked.",
  budget_exhausted: "The hour's escalations are used up.",
  capacity_exhausted: "People have as much as they can take, and other cases are worth more.",
  storage_full: "The journal is full of unanswered cases.",
  safe_action: "The declared safe action was taken.",
  cannot_tell: "The reviewer could not tell.",
  review_expired: "Nobody answered in time.",
};

function percent(share: number): string {
  // 99.96 % must not read as 100 %: the difference is what the gate is about.
  const rounded = (share * 100).toFixed(1);
  return `${rounded === "100.0" && share < 1 ? "99.9" : rounded} %`;
}

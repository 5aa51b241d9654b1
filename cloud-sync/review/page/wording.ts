import type { Reason, ReviewAnswer, ReviewCase } from "../../../protocol/index.ts";

/** The page's sentences, in one place. */

/** `Oatly-Oat-Milk` and `product_identification` as people write them. */
export function labelText(label: string): string {
  const text = label.replaceAll(/[-_]+/g, " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function answerText(answer: ReviewAnswer, held: Pick<ReviewCase, "inputKind">): string {
  switch (answer.kind) {
    case "label":
      return labelText(answer.label);
    case "cannot_tell":
      return "Cannot tell";
    case "bad_picture":
      return badInputText(held);
  }
}

export function badInputText({ inputKind }: Pick<ReviewCase, "inputKind">): string {
  return inputKind === "image" || inputKind === "pixels" ? "Bad picture" : "Bad data";
}

/** Why nothing can be asked now. */
export function lostText(isFault: boolean): string {
  return isFault ? "The server failed with a request." : "Connection lost.";
}

/** Shares as whole percent; never 100% or 0% for something that is not quite that. */
export function percentText(share: number): string {
  if (share > 0.99 && share < 1) return `${(Math.floor(share * 1000) / 10).toFixed(1)}%`;
  if (share > 0 && share < 0.005) return "<1%";
  return `${Math.round(share * 100)}%`;
}

/** Why the case is here: one sentence for people. The first reason is the one that decided. */
export function whyText(held: Pick<ReviewCase, "reasons" | "confidence" | "gateThreshold" | "audit">): string {
  if (held.audit) return "The model was sure of this one. It is a spot check, and nobody is waiting for it.";
  const [confidence, gate] = distinctPercents(held.confidence, held.gateThreshold);
  const reason = held.reasons[0];
  const known = reason === undefined ? undefined : reasonTexts[reason as Reason];
  return (known ?? "The model left this one to a person.").replace("{confidence}", confidence).replace("{gate}", gate);
}

const reasonTexts: Readonly<Record<Reason, string>> = {
  confident: "The model was sure, but this store wants a person to look.",
  below_gate: "The model is {confidence} sure. This store asks for at least {gate}.",
  coarse_answer: "The model is sure of the kind of product, but not of the product.",
  rule: "A rule of this store sends cases like this one to a person.",
  uncertified: "Nothing has yet proved how sure the model must be here, so a person decides.",
  no_model: "There is no model for this task, so a person decides.",
  no_prediction: "The model gave no answer.",
  model_error: "The model failed on this one.",
  model_output: "The model's answer made no sense.",
  not_finite: "The model's answer made no sense.",
  bad_picture: "The model could not read the picture.",
  bad_input: "The model could not read what the device sent.",
  quarantined: "The model was kept away from this one, because it failed on it twice.",
  timeout: "The model did not answer in time.",
  overload: "There was too much to do at once, so this one came to a person.",
  no_reviewer: "The model left this one to a person.",
  budget_exhausted: "The model left this one to a person.",
  capacity_exhausted: "The model left this one to a person.",
  storage_full: "The box was short of space when this one came.",
  safe_action: "The model left this one to a person.",
  reviewed: "Somebody has looked at this one before.",
  cannot_tell: "Somebody looked before and could not tell.",
  review_expired: "Nobody looked at this one in time.",
  audit: "The model was sure of this one. It is a spot check, and nobody is waiting for it.",
};

/** Two shares that differ must not read the same. */
function distinctPercents(confidence: number, gate: number): readonly [string, string] {
  const [a, b] = [percentText(confidence), percentText(gate)];
  if (a !== b || confidence === gate) return [a, b];
  const exact = (share: number): string => `${(Math.floor(share * 1000) / 10).toFixed(1)}%`;
  return [exact(confidence), exact(gate)];
}

/** Time left: whole minutes until two minutes before the end, then seconds. */
export function leftText(leftMs: number): string {
  if (leftMs <= 0) return "due";
  const seconds = Math.ceil(leftMs / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

export function agoText(agoMs: number): string {
  const seconds = Math.floor(Math.max(0, agoMs) / 1000);
  if (seconds < 10) return "just now";
  if (seconds < 90) return `${seconds} s ago`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`;
}

export function waitingText(waiting: number, more: boolean): string {
  return more ? `${waiting}+ waiting` : `${waiting} waiting`;
}

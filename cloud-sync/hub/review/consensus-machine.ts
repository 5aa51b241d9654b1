import { type ReviewAnswer } from "../../../protocol/index.ts";
import { type LabelSource } from "./review-tables.ts";

/**
 * What several people say of one case, on its way to one answer. Pure; its shell is case-votes.ts.
 *
 * ```
 *             answered, more needed             agreed
 *  gathering ───────────────────────▶ gathering ──────▶ decided
 *      │ disagreement, escalated                          ▲
 *      └──────────────────────────────▶ adjudicating ─────┘ adjudicated
 *  settled, expired: closed
 * ```
 *
 * Rules: an answer leaves when `reviewersNeeded` labels agree. "Cannot tell" and "bad picture" are no votes: one more
 * person is asked in their place, once. Labels that differ go to a lead at once; without adjudication a strict majority
 * of the needed number decides, and a tie is "cannot tell". Where everybody who was asked could not tell, that is the
 * answer ("bad picture" if all said so). A model's answer to an audit sample counts like one more vote: who contradicts
 * it contradicts a decision that has taken effect, so a lead looks. `isSent` says that an answer has left already and
 * that the further ones are labels.
 *
 * Under a contract the model's answer is what certificates are made of, and one person against it is not enough to call
 * it wrong: reviewers err as often as a good model does. The answer leaves as ever, and a lead then says who was right.
 */
export type ConsensusState =
  | { readonly kind: "gathering"; readonly votes: readonly Vote[]; readonly asked: number; readonly isSent: boolean }
  | {
      readonly kind: "adjudicating";
      readonly votes: readonly Vote[];
      readonly isSent: boolean;
      readonly why: "disagreement" | "escalated" | "model" | "undecided";
    }
  | { readonly kind: "decided"; readonly votes: readonly Vote[]; readonly answer: ReviewAnswer }
  | { readonly kind: "closed"; readonly votes: readonly Vote[]; readonly why: "settled" | "expired" };

export interface Vote {
  /** Row of the review. */
  readonly review: string;
  readonly person: string;
  readonly reviewer: string;
  readonly answer: ReviewAnswer;
}

export type ConsensusEvent =
  | { readonly kind: "answered"; readonly vote: Vote }
  /** A lead's word. */
  | { readonly kind: "adjudicated"; readonly vote: Vote }
  /** A reviewer hands the case to a lead. */
  | { readonly kind: "escalated" }
  /** The store's journal has made the decision final; `label` is what a person in the store said, else null. */
  | { readonly kind: "settled"; readonly label: string | null }
  /** Nobody is asked any more, and time is up. */
  | { readonly kind: "expired" };

export interface ConsensusInputs {
  readonly reviewersNeeded: number;
  readonly adjudication: boolean;
  /** The coin of a blind second opinion, thrown when the case was opened. */
  readonly secondOpinion: boolean;
  readonly kind: "escalation" | "audit" | "import";
  readonly modelLabel: string | null;
  /** The task's gate threshold is certified: whoever contradicts the model alone is heard by a lead. */
  readonly isUnderContract: boolean;
}

export type ConsensusEffect =
  /** The answer leaves; `reviewers` gave it. */
  | { readonly kind: "decide"; readonly answer: ReviewAnswer; readonly votes: readonly Vote[] }
  /** The best that is known of the truth. */
  | { readonly kind: "confirm"; readonly label: string; readonly source: LabelSource }
  | { readonly kind: "ask"; readonly role: "second" | "adjudication"; readonly isBlind: boolean }
  /** Nobody else needs to answer. */
  | { readonly kind: "withdraw" };

export interface ConsensusStep {
  readonly state: ConsensusState;
  readonly effects: readonly ConsensusEffect[];
}

export function firstConsensus({ reviewersNeeded }: Pick<ConsensusInputs, "reviewersNeeded">): ConsensusState {
  return { kind: "gathering", votes: [], asked: reviewersNeeded, isSent: false };
}

/** Whether an answer, a deadline or the store can still change something. */
export function isOpen(state: ConsensusState): boolean {
  return state.kind === "gathering" || state.kind === "adjudicating";
}

/** Total: every event in every state has an answer, if only "nothing". */
export function consensus(state: ConsensusState, event: ConsensusEvent, inputs: ConsensusInputs): ConsensusStep {
  switch (event.kind) {
    case "answered":
      return state.kind === "gathering" ? answered(state, event.vote, inputs) : same(state);
    case "adjudicated":
      return state.kind === "adjudicating" ? adjudicated(state, event.vote) : same(state);
    case "escalated":
      return state.kind === "gathering" ? adjudicate(state, state.votes, "escalated") : same(state);
    case "settled":
      return end(state, event.kind, event.label, inputs);
    case "expired":
      return end(state, event.kind, null, inputs);
  }
}

type Gathering = Extract<ConsensusState, { kind: "gathering" }>;

function answered(before: Gathering, vote: Vote, inputs: ConsensusInputs): ConsensusStep {
  const votes = [...before.votes, vote];
  const state = { ...before, votes };
  const labels = labelsOf(votes);
  const needed = before.isSent ? 2 : inputs.reviewersNeeded;
  const [label] = labels;
  const hasLead = inputs.adjudication || inputs.isUnderContract;
  if (new Set(labels).size > 1 && hasLead) return adjudicate(state, votes, "disagreement");
  if (labels.length >= needed) {
    return new Set(labels).size === 1 && label !== undefined
      ? agreed(state, label, inputs)
      : decided(state, byMajority(labels, labels.length), "consensus");
  }
  if (votes.length < before.asked) return step(state);
  if (before.asked < askedMax(needed, before.isSent)) {
    return step({ ...state, asked: before.asked + 1 }, { kind: "ask", role: "second", isBlind: before.isSent });
  }
  // A second opinion that could not tell leaves the first one standing.
  if (before.isSent) return step({ kind: "decided", votes, answer: votes[0]?.answer ?? vote.answer });
  if (labels.length === 0) return decided(state, withoutLabel(votes), "review");
  if (hasLead) return adjudicate(state, votes, "undecided");
  return decided(state, byMajority(labels, needed), "review");
}

/** One more than needed, where several are: a single "cannot tell" of a task with one reviewer is its answer. */
function askedMax(needed: number, isSent: boolean): number {
  return needed === 1 || isSent ? needed : needed + 1;
}

function agreed(state: Gathering, label: string, inputs: ConsensusInputs): ConsensusStep {
  const contradicts = contradictsModel(label, inputs);
  const hasLead = inputs.adjudication || inputs.isUnderContract;
  if (contradicts && inputs.kind === "audit" && hasLead && !state.isSent) {
    return adjudicate(state, state.votes, "model");
  }
  const isConfirmed = state.votes.length > 1 || (inputs.kind === "audit" && inputs.modelLabel === label);
  const answer: ReviewAnswer = { kind: "label", label };
  const step = decided(state, answer, isConfirmed ? "consensus" : "review");
  if (state.isSent || inputs.kind === "audit" || inputs.reviewersNeeded > 1) return step;
  // One word against the model's stays open until it is confirmed: its label is not told yet.
  const isDoubted = contradicts && inputs.isUnderContract;
  const told = step.effects.filter(({ kind }) => kind === "decide" || (kind === "confirm" && !isDoubted));
  if (inputs.secondOpinion) {
    return {
      state: { kind: "gathering", votes: state.votes, asked: 2, isSent: true },
      effects: [...told, { kind: "ask", role: "second", isBlind: true }],
    };
  }
  if (!isDoubted) return step;
  const { state: next, effects } = adjudicate({ isSent: true }, state.votes, "model");
  return { state: next, effects: [...told, ...effects] };
}

function contradictsModel(label: string, { kind, modelLabel }: ConsensusInputs): boolean {
  return kind !== "import" && modelLabel !== null && modelLabel !== label;
}

function decided(
  { votes, isSent }: { readonly votes: readonly Vote[]; readonly isSent: boolean },
  answer: ReviewAnswer,
  source: LabelSource,
): ConsensusStep {
  const effects: ConsensusEffect[] = [];
  if (!isSent) effects.push({ kind: "decide", answer, votes: votes.filter((vote) => isSame(vote.answer, answer)) });
  if (answer.kind === "label") effects.push({ kind: "confirm", label: answer.label, source });
  return step({ kind: "decided", votes, answer }, ...effects, { kind: "withdraw" });
}

function adjudicate(
  { isSent }: { readonly isSent: boolean },
  votes: readonly Vote[],
  why: Extract<ConsensusState, { kind: "adjudicating" }>["why"],
): ConsensusStep {
  return step(
    { kind: "adjudicating", votes, isSent, why },
    { kind: "withdraw" },
    { kind: "ask", role: "adjudication", isBlind: false },
  );
}

function adjudicated(state: Extract<ConsensusState, { kind: "adjudicating" }>, vote: Vote): ConsensusStep {
  return decided({ votes: [...state.votes, vote], isSent: state.isSent }, vote.answer, "adjudication");
}

/** What was sent, and audit samples, are settled already: people go on labelling them. */
function end(
  state: ConsensusState,
  why: "settled" | "expired",
  label: string | null,
  inputs: ConsensusInputs,
): ConsensusStep {
  if (state.kind !== "gathering" && state.kind !== "adjudicating") return same(state);
  if (state.isSent || (why === "settled" && inputs.kind === "audit")) return same(state);
  // A person in the store alone against the model is heard like one at the hub.
  if (label !== null && inputs.isUnderContract && contradictsModel(label, inputs)) {
    return adjudicate({ isSent: true }, state.votes, "model");
  }
  return step({ kind: "closed", votes: state.votes, why }, { kind: "withdraw" });
}

/** A label that more than half of `of` votes have; else nobody can tell. */
function byMajority(labels: readonly string[], of: number): ReviewAnswer {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  for (const [label, count] of counts) if (count * 2 > of) return { kind: "label", label };
  return { kind: "cannot_tell" };
}

function withoutLabel(votes: readonly Vote[]): ReviewAnswer {
  return { kind: votes.every(({ answer }) => answer.kind === "bad_picture") ? "bad_picture" : "cannot_tell" };
}

function labelsOf(votes: readonly Vote[]): readonly string[] {
  return votes.flatMap(({ answer }) => (answer.kind === "label" ? [answer.label] : []));
}

function isSame(a: ReviewAnswer, b: ReviewAnswer): boolean {
  return a.kind === "label" ? b.kind === "label" && a.label === b.label : a.kind === b.kind;
}

function same(state: ConsensusState): ConsensusStep {
  return { state, effects: [] };
}

function step(state: ConsensusState, ...effects: readonly ConsensusEffect[]): ConsensusStep {
  return { state, effects };
}

import { type ErrorCode, type ReviewAnswer } from "../../protocol/index.ts";

/**
 * A review task: one held case on its way through people. Pure; its shell is a ReviewStore.
 *
 * ```
 *            claim              submit                undoWindowEnded            committed
 *  waiting ────────▶ leased ─────────────▶ answered ─────────────────▶ committing ─────────▶ closed(settled)
 *     ▲                │ leaseExpired, release │ undo (back to leased,       │ commitFailed: tries again
 *     └────────────────┘                       ▼  with a new generation)
 *  settledElsewhere: closed(withdrawn)   deadline: closed(expired), but an answer that was given in time is committed
 * ```
 *
 * A lease is an owner, an expiry and a generation. Every claim and every undo starts a new generation, so an answer
 * that was written under an older one can be told and refused. All times are milliseconds of one
 * clock: the agent's store takes the monotonic one, the hub's, whose rows outlive its processes, the wall's.
 */
export type ReviewTaskState =
  | { readonly kind: "waiting"; readonly generation: number }
  | Leased
  | {
      readonly kind: "answered";
      readonly generation: number;
      readonly review: TakenReview;
      readonly undoUntilMs: number;
    }
  | {
      readonly kind: "committing";
      readonly generation: number;
      readonly review: TakenReview;
      readonly attempts: number;
    }
  | Closed;

interface Leased {
  readonly kind: "leased";
  readonly generation: number;
  readonly reviewer: string;
  readonly expiresAtMs: number;
  /** The review that an undo took back last, so that a repeated undo is harmless. */
  readonly undone: string | null;
}

interface Closed {
  readonly kind: "closed";
  readonly generation: number;
  readonly why: "settled" | "withdrawn" | "expired";
  /** Whoever held the lease when the case was closed under them: their answer is still worth a label. */
  readonly holder: string | null;
  /** The review that closed the case, or that came late and became a label. */
  readonly reviewId: string | null;
}

/** `reviewer` is the key of a session, not a name: two people may share a name. */
export interface TakenReview {
  readonly reviewId: string;
  readonly reviewer: string;
  readonly answer: ReviewAnswer;
  readonly tookMs: number | null;
}

export type ReviewTaskEvent =
  /** Known again, for instance after the journal was read anew. */
  | { readonly kind: "offer" }
  | { readonly kind: "claim"; readonly reviewer: string }
  | { readonly kind: "heartbeat"; readonly reviewer: string; readonly generation: number }
  | { readonly kind: "release"; readonly reviewer: string; readonly generation: number }
  | { readonly kind: "submit"; readonly generation: number; readonly review: TakenReview }
  | { readonly kind: "undo"; readonly reviewer: string; readonly reviewId: string }
  | { readonly kind: "undoWindowEnded" }
  | { readonly kind: "leaseExpired" }
  | { readonly kind: "committed" }
  | { readonly kind: "commitFailed" }
  | { readonly kind: "deadline" }
  | { readonly kind: "settledElsewhere" };

export interface ReviewTaskInputs {
  readonly nowMs: number;
  /** When `review_within` ends; Infinity for audit samples. */
  readonly dueAtMs: number;
  readonly policy: ReviewPolicy;
}

export interface ReviewPolicy {
  readonly leaseMs: number;
  readonly undoWindowMs: number;
  /** The undo window ends this long before the case is due, so that an answer given in time is committed in time. */
  readonly deadlineMarginMs: number;
  /** Wait before a refused commit is tried again; doubles up to `commitRetryMsMax`. */
  readonly commitRetryMs: number;
  readonly commitRetryMsMax: number;
}

export const defaultReviewPolicy: ReviewPolicy = Object.freeze({
  leaseMs: 60_000,
  undoWindowMs: 5_000,
  deadlineMarginMs: 1_000,
  commitRetryMs: 500,
  commitRetryMsMax: 30_000,
});

export type ReviewTaskEffect =
  /** One timer per case beside its deadline: it replaces the one before. */
  | { readonly kind: "wake"; readonly event: "leaseExpired" | "undoWindowEnded"; readonly atMs: number }
  | { readonly kind: "sleep" }
  /** Hand the review to whoever makes it final; answer with `committed` or `commitFailed`. */
  | { readonly kind: "commit"; readonly review: TakenReview; readonly atMs: number }
  /** Hand a late review over as a label; nothing waits for it. */
  | { readonly kind: "label"; readonly review: TakenReview }
  /** Tell the reviewer who held the case that it is no longer theirs. */
  | { readonly kind: "withdraw"; readonly reviewer: string; readonly why: "settled" | "expired" | "lease_lost" };

export interface ReviewTransition {
  readonly state: ReviewTaskState;
  readonly effects: readonly ReviewTaskEffect[];
  /** Why the caller's wish was not met, or null. */
  readonly refusal: Extract<ErrorCode, "HP_LEASE_LOST" | "HP_SETTLED"> | null;
}

export function firstReviewState(): ReviewTaskState {
  return { kind: "waiting", generation: 0 };
}

/** Total: every event in every state has an answer, if only "nothing". */
export function transition(state: ReviewTaskState, event: ReviewTaskEvent, inputs: ReviewTaskInputs): ReviewTransition {
  switch (event.kind) {
    case "offer":
      return same(state);
    case "claim":
      return claim(state, event.reviewer, inputs);
    case "heartbeat":
      return heartbeat(state, event, inputs);
    case "release":
      return release(state, event);
    case "submit":
      return submit(state, event, inputs);
    case "undo":
      return undo(state, event, inputs);
    case "leaseExpired":
      return leaseExpired(state, inputs);
    case "undoWindowEnded":
      return undoWindowEnded(state, inputs);
    case "committed":
      return state.kind === "committing" ? settled(state) : same(state);
    case "commitFailed":
      return state.kind === "committing" ? commitAgain(state, inputs) : same(state);
    case "deadline":
      return deadline(state, inputs);
    case "settledElsewhere":
      return settledElsewhere(state);
  }
}

function claim(state: ReviewTaskState, reviewer: string, inputs: ReviewTaskInputs): ReviewTransition {
  if (state.kind === "waiting") return lease(reviewer, state.generation + 1, null, inputs);
  if (state.kind === "leased" && holds(state, reviewer, inputs)) return same(state);
  return refuse(state, state.kind === "closed" ? "HP_SETTLED" : "HP_LEASE_LOST");
}

function heartbeat(
  state: ReviewTaskState,
  event: { readonly reviewer: string; readonly generation: number },
  inputs: ReviewTaskInputs,
): ReviewTransition {
  if (state.kind === "closed") return refuse(state, "HP_SETTLED");
  if (state.kind !== "leased" || !holds(state, event.reviewer, inputs) || event.generation !== state.generation) {
    return refuse(state, "HP_LEASE_LOST");
  }
  return lease(state.reviewer, state.generation, state.undone, inputs);
}

function release(
  state: ReviewTaskState,
  event: { readonly reviewer: string; readonly generation: number },
): ReviewTransition {
  const owns = state.kind === "leased" && state.reviewer === event.reviewer && state.generation === event.generation;
  // Whoever gives back what they do not hold has what they wanted.
  return owns ? move({ kind: "waiting", generation: state.generation }, { kind: "sleep" }) : same(state);
}

function submit(
  state: ReviewTaskState,
  event: { readonly generation: number; readonly review: TakenReview },
  inputs: ReviewTaskInputs,
): ReviewTransition {
  const { review } = event;
  if (state.kind === "answered" || state.kind === "committing") {
    return isRepeat(state.review, review) ? same(state) : refuse(state, "HP_LEASE_LOST");
  }
  if (state.kind === "closed") return submitLate(state, event);
  if (state.kind === "waiting" || !holds(state, review.reviewer, inputs) || event.generation !== state.generation) {
    return refuse(state, "HP_LEASE_LOST");
  }
  const { undoWindowMs, deadlineMarginMs } = inputs.policy;
  const undoUntilMs = Math.max(inputs.nowMs, Math.min(inputs.nowMs + undoWindowMs, inputs.dueAtMs - deadlineMarginMs));
  return move(
    { kind: "answered", generation: state.generation, review, undoUntilMs },
    { kind: "wake", event: "undoWindowEnded", atMs: undoUntilMs },
  );
}

/** The case was closed under its holder: the answer cannot decide any more, but it is a label. */
function submitLate(
  state: Closed,
  event: { readonly generation: number; readonly review: TakenReview },
): ReviewTransition {
  const { review } = event;
  if (state.reviewId === review.reviewId) return state.why === "settled" ? same(state) : refuse(state, "HP_SETTLED");
  const isHolder = state.holder === review.reviewer && state.generation === event.generation;
  if (!isHolder || state.reviewId !== null) return refuse(state, "HP_SETTLED");
  return {
    state: { ...state, reviewId: review.reviewId },
    effects: [{ kind: "label", review }],
    refusal: "HP_SETTLED",
  };
}

function undo(
  state: ReviewTaskState,
  event: { readonly reviewer: string; readonly reviewId: string },
  inputs: ReviewTaskInputs,
): ReviewTransition {
  if (state.kind === "leased" && state.undone === event.reviewId && holds(state, event.reviewer, inputs)) {
    return same(state);
  }
  const isTheirs =
    state.kind === "answered" && state.review.reviewId === event.reviewId && state.review.reviewer === event.reviewer;
  if (!isTheirs)
    return refuse(state, state.kind === "waiting" || state.kind === "leased" ? "HP_LEASE_LOST" : "HP_SETTLED");
  if (inputs.nowMs >= state.undoUntilMs) return refuse(state, "HP_SETTLED");
  // A new generation: a copy of the undone submit that the network still carries is refused.
  return lease(event.reviewer, state.generation + 1, event.reviewId, inputs);
}

function undoWindowEnded(state: ReviewTaskState, inputs: ReviewTaskInputs): ReviewTransition {
  if (state.kind !== "answered") return same(state);
  // Timers round down: one that rings a fraction early is set again, or the answer would never leave.
  if (inputs.nowMs < state.undoUntilMs) {
    return move(state, { kind: "wake", event: "undoWindowEnded", atMs: state.undoUntilMs });
  }
  return commitNow(state, inputs);
}

function leaseExpired(state: ReviewTaskState, inputs: ReviewTaskInputs): ReviewTransition {
  if (state.kind !== "leased") return same(state);
  if (inputs.nowMs < state.expiresAtMs) {
    return move(state, { kind: "wake", event: "leaseExpired", atMs: state.expiresAtMs });
  }
  return move(
    { kind: "waiting", generation: state.generation },
    { kind: "sleep" },
    { kind: "withdraw", reviewer: state.reviewer, why: "lease_lost" },
  );
}

function deadline(state: ReviewTaskState, inputs: ReviewTaskInputs): ReviewTransition {
  switch (state.kind) {
    case "waiting":
      return move(close(state, "expired", null), { kind: "sleep" });
    case "leased":
      return move(
        close(state, "expired", state.reviewer),
        { kind: "sleep" },
        { kind: "withdraw", reviewer: state.reviewer, why: "expired" },
      );
    case "answered":
      return commitNow(state, inputs);
    case "committing":
    case "closed":
      return same(state);
  }
}

function settledElsewhere(state: ReviewTaskState): ReviewTransition {
  switch (state.kind) {
    case "waiting":
      return move(close(state, "withdrawn", null), { kind: "sleep" });
    case "leased":
      return move(
        close(state, "withdrawn", state.reviewer),
        { kind: "sleep" },
        { kind: "withdraw", reviewer: state.reviewer, why: "settled" },
      );
    case "answered":
      // The answer lost the race: it is a label now.
      return move(
        { ...close(state, "withdrawn", null), reviewId: state.review.reviewId },
        { kind: "sleep" },
        { kind: "label", review: state.review },
      );
    case "committing":
    case "closed":
      // While committing, this is our own commit's echo: `committed` follows.
      return same(state);
  }
}

function commitNow(
  state: { readonly generation: number; readonly review: TakenReview },
  inputs: ReviewTaskInputs,
): ReviewTransition {
  const { generation, review } = state;
  return move(
    { kind: "committing", generation, review, attempts: 1 },
    { kind: "sleep" },
    { kind: "commit", review, atMs: inputs.nowMs },
  );
}

function commitAgain(
  state: Extract<ReviewTaskState, { readonly kind: "committing" }>,
  inputs: ReviewTaskInputs,
): ReviewTransition {
  const { commitRetryMs, commitRetryMsMax } = inputs.policy;
  const waitMs = Math.min(commitRetryMs * 2 ** (state.attempts - 1), commitRetryMsMax);
  return move(
    { ...state, attempts: state.attempts + 1 },
    { kind: "commit", review: state.review, atMs: inputs.nowMs + waitMs },
  );
}

function settled(state: Extract<ReviewTaskState, { readonly kind: "committing" }>): ReviewTransition {
  const { generation, review } = state;
  return move({ kind: "closed", generation, why: "settled", holder: null, reviewId: review.reviewId });
}

function lease(
  reviewer: string,
  generation: number,
  undone: string | null,
  inputs: ReviewTaskInputs,
): ReviewTransition {
  const expiresAtMs = inputs.nowMs + inputs.policy.leaseMs;
  return move(
    { kind: "leased", generation, reviewer, expiresAtMs, undone },
    { kind: "wake", event: "leaseExpired", atMs: expiresAtMs },
  );
}

function close(state: ReviewTaskState, why: Closed["why"], holder: string | null): Closed {
  return { kind: "closed", generation: state.generation, why, holder, reviewId: null };
}

function holds(state: Leased, reviewer: string, inputs: ReviewTaskInputs): boolean {
  return state.reviewer === reviewer && inputs.nowMs < state.expiresAtMs;
}

function isRepeat(taken: TakenReview, again: TakenReview): boolean {
  return taken.reviewId === again.reviewId && taken.reviewer === again.reviewer;
}

function same(state: ReviewTaskState): ReviewTransition {
  return { state, effects: [], refusal: null };
}

function refuse(state: ReviewTaskState, refusal: "HP_LEASE_LOST" | "HP_SETTLED"): ReviewTransition {
  return { state, effects: [], refusal };
}

function move(state: ReviewTaskState, ...effects: readonly ReviewTaskEffect[]): ReviewTransition {
  return { state, effects, refusal: null };
}

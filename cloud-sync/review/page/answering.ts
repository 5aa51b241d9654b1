import type { ReviewAnswer, ReviewCase } from "../../../protocol/index.ts";
import {
  casesAhead,
  closedSearch,
  exposureMsMin,
  recentMax,
  step,
  withRecent,
  type Outgoing,
  type PageEvent,
  type PageInputs,
  type PageState,
  type PageStep,
} from "./state.ts";
import { answerText, labelText } from "./wording.ts";

/** Answers on their way: given, sent, taken back, refused. */

export function answer(state: PageState, given: ReviewAnswer, inputs: PageInputs): PageStep {
  const [held, ...rest] = state.cases;
  const { shownAtMs, session } = state;
  if (!held?.lease || !session || shownAtMs === null || inputs.nowMs - shownAtMs < exposureMsMin) return step(state);
  const tookMs = Math.min(86_400_000, Math.round(inputs.nowMs - shownAtMs));
  const submit = { answer: given, generation: held.lease.generation, reviewId: inputs.reviewId, tookMs };
  const { isUp } = state.connection;
  const outgoing: Outgoing = { held, submit, isSending: isUp };
  const text = answerText(given, held);
  const answered: PageState = {
    ...state,
    cases: rest,
    search: closedSearch,
    notice: null,
    outbox: [...state.outbox, outgoing],
    recent: [{ id: held.id, reviewId: inputs.reviewId, text, phase: "unsent" as const }, ...state.recent].slice(
      0,
      recentMax,
    ),
    answered: state.answered + 1,
    toast: {
      answered: outgoing,
      phase: isUp ? "sending" : "waiting",
      undoUntilMs: inputs.nowMs + session.undoWindowMs,
      undoWanted: false,
    },
    announcement: `${text}. ${isUp ? "" : "It is sent when the connection is back. "}${nextText(rest[0])}`,
  };
  const shown = show(answered, inputs.nowMs);
  return isUp ? step(shown, { kind: "submit", id: held.id, submit }) : step(shown);
}

/** The case at the front is visible from now on, unless its picture is still on its way. */
export function show(state: PageState, nowMs: number): PageState {
  const [held] = state.cases;
  const isVisible = held !== undefined && (held.pictureUrl === null || state.pictures[held.id] !== undefined);
  const ids = new Set([...state.cases.map(({ id }) => id), state.toast?.answered.held.id]);
  const pictures = Object.fromEntries(Object.entries(state.pictures).filter(([id]) => ids.has(id)));
  const lookAlikes = Object.fromEntries(Object.entries(state.lookAlikes).filter(([id]) => ids.has(id)));
  return { ...state, pictures, lookAlikes, shownAtMs: isVisible ? nowMs : null };
}

function nextText(held: ReviewCase | undefined): string {
  if (!held) return "No further case.";
  const best = held.suggestions[0];
  return `Next: ${held.question}${best ? ` The model's first answer is ${labelText(best.label)}.` : ""}`;
}

export function submitTaken(state: PageState, event: Extract<PageEvent, { kind: "submitTaken" }>): PageStep {
  const { reviewId, undoUntilMs, id } = event.taken;
  const { toast } = state;
  const taken: PageState = {
    ...withRecent(state, reviewId, "taken"),
    outbox: state.outbox.filter(({ submit }) => submit.reviewId !== reviewId),
    skewMs: event.taken.nowMs - state.nowMs,
  };
  const claim = needsMore(taken) ? [{ kind: "claim" as const }] : [];
  if (toast?.answered.submit.reviewId !== reviewId) return step(taken, ...claim);
  if (toast.undoWanted) {
    return step({ ...taken, toast: { ...toast, phase: "undoing" } }, { kind: "undo", id, reviewId });
  }
  // The server's window counts; its end is told in its own clock.
  const untilMs = undoUntilMs - taken.skewMs;
  return step({ ...taken, toast: { ...toast, phase: "undoable", undoUntilMs: untilMs } }, ...claim);
}

export function needsMore(state: PageState): boolean {
  return state.cases.length < casesAhead && state.outbox.length === 0;
}

/** Said clearly, because the reviewer believes that the case is done. */
export function submitRefused(state: PageState, event: Extract<PageEvent, { kind: "submitRefused" }>): PageStep {
  const refusedOne = state.outbox.find(({ submit }) => submit.reviewId === event.reviewId);
  if (!refusedOne) return step(state);
  const text = answerText(refusedOne.submit.answer, refusedOne.held);
  const why =
    event.code === "HP_SETTLED"
      ? "the case was closed before. Your answer is kept as a label"
      : event.code === "HP_LEASE_LOST" || event.code === "HP_NOT_FOUND"
        ? "it came too late, and the case went back to the queue"
        : event.message;
  const isLabel = event.code === "HP_SETTLED";
  const cleaned: PageState = {
    ...(isLabel ? withRecent(state, event.reviewId, "final") : withRecent(state, event.reviewId, null)),
    answered: isLabel ? state.answered : state.answered - 1,
    outbox: state.outbox.filter(({ submit }) => submit.reviewId !== event.reviewId),
    toast: state.toast?.answered.submit.reviewId === event.reviewId ? null : state.toast,
    notice: { tone: "warn", text: `“${text}” did not count: ${why}.` },
    announcement: `${text} did not count: ${why}.`,
  };
  return step(cleaned, ...(needsMore(cleaned) ? [{ kind: "claim" as const }] : []));
}

/** Hands the case before the reviewer to a lead: it leaves the page, and somebody else answers it. */
export function escalatePressed(state: PageState, inputs: PageInputs): PageStep {
  const [held, ...rest] = state.cases;
  if (!state.features.escalate || !held?.lease) return step(state);
  if (!state.connection.isUp) return step({ ...state, notice: { tone: "warn", text: "A lead needs the connection." } });
  if (state.shownAtMs === null || inputs.nowMs - state.shownAtMs < exposureMsMin) return step(state);
  const { id, lease } = held;
  const { reviewId } = inputs;
  const handed: PageState = {
    ...state,
    cases: rest,
    search: closedSearch,
    notice: null,
    recent: [{ id, reviewId, text: held.question, phase: "handed" as const }, ...state.recent].slice(0, recentMax),
    announcement: `A lead has that case now. ${nextText(rest[0])}`,
  };
  return step(show(handed, inputs.nowMs), { kind: "escalate", id, generation: lease.generation, reviewId });
}

export function undoPressed(state: PageState, inputs: PageInputs): PageStep {
  const { toast } = state;
  if (!toast) return step({ ...state, notice: { tone: "info", text: "There is nothing left to undo." } });
  const { held, submit } = toast.answered;
  switch (toast.phase) {
    case "waiting":
      // It never left this device: nobody else needs to know.
      return step(broughtBack({ ...state, outbox: withoutReview(state, submit.reviewId) }, held, inputs.nowMs));
    case "sending":
      return step({ ...state, toast: { ...toast, undoWanted: true } });
    case "undoable":
      if (!state.connection.isUp)
        return step({ ...state, notice: { tone: "warn", text: "Undo needs the connection." } });
      return step(
        { ...state, toast: { ...toast, phase: "undoing" } },
        { kind: "undo", id: held.id, reviewId: submit.reviewId },
      );
    case "undoing":
      return step(state);
  }
}

function withoutReview(state: PageState, reviewId: string): readonly Outgoing[] {
  return state.outbox.filter(({ submit }) => submit.reviewId !== reviewId);
}

/** The undone case is shown again, with what was shown meanwhile behind it. */
export function broughtBack(state: PageState, held: ReviewCase, nowMs: number): PageState {
  const back: PageState = {
    ...state,
    cases: [held, ...state.cases.filter(({ id }) => id !== held.id)],
    recent: state.recent.filter(({ id }) => id !== held.id),
    answered: Math.max(0, state.answered - 1),
    toast: null,
    search: closedSearch,
    announcement: `Undone. ${held.question}`,
  };
  return show(back, nowMs);
}

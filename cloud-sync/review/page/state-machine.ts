import type { HeldCases, ReviewNews } from "../../../protocol/index.ts";
import {
  answer,
  broughtBack,
  escalatePressed,
  needsMore,
  show,
  submitRefused,
  submitTaken,
  undoPressed,
} from "./answering.ts";
import { matchingLabels } from "./searching.ts";
import { labelText, lostText } from "./wording.ts";
import {
  closedSearch,
  connected,
  letterMs,
  step,
  withRecent,
  type PageEffect,
  type PageEvent,
  type PageInputs,
  type PageState,
  type PageStep,
  type QueueFilter,
} from "./state.ts";

/** The review page as a pure machine: the components draw its state, `shell.web.ts` performs its effects. */
export function reduce(before: PageState, event: PageEvent, inputs: PageInputs): PageStep {
  const state = before.nowMs === inputs.nowMs ? before : { ...before, nowMs: inputs.nowMs };
  switch (event.kind) {
    case "started":
      return step({ ...state, pairing: { ...state.pairing, code: event.code } }, { kind: "loadSession" });
    case "sessionFound":
      return sessionFound(state, event, inputs);
    case "sessionMissing":
      return step(unpaired(state), { kind: "closeStream" });
    case "pairPressed":
      return pairPressed(state, event);
    case "pairRefused":
      return step({ ...state, pairing: { ...state.pairing, isBusy: false, problem: event.problem } });
    case "leavePressed":
      return step({ ...unpaired(state), recent: [], answered: 0 }, { kind: "leave" }, { kind: "closeStream" });
    case "ticked":
      return ticked(state);
    case "connectionLost":
      return step(connectionLost(state, event.isFault), { kind: "closeStream" });
    case "retryPressed":
      return step(state, { kind: "loadSession" });
    case "claimed":
      return claimed(state, event.held, inputs);
    case "news":
      return news(state, event.news, inputs);
    case "leaseRefused":
      return withdrawn(state, event.id, "lease_lost", inputs);
    case "lookAlikesLoaded":
      return step({ ...state, lookAlikes: { ...state.lookAlikes, [event.id]: event.lookAlikes } });
    case "escalateRefused":
      return step(escalateRefused(state, event), { kind: "claim" });
    case "escalated":
      return step(state, ...(needsMore(state) ? [{ kind: "claim" as const }] : []));
    case "filterChosen":
      return filterChosen(state, event.filter);
    case "labelsLoaded":
      return step({ ...state, labels: { ...state.labels, [event.task]: event.labels } });
    case "submitTaken":
      return submitTaken(state, event);
    case "submitRefused":
      return submitRefused(state, event);
    case "undone":
      return undone(state, event, inputs);
    case "undoRefused":
      return step({ ...state, toast: null, notice: { tone: "warn", text: `Too late to undo: ${event.message}.` } });
    default:
      return reduceHands(state, event, inputs);
  }
}

/** What the reviewer's hands do. */
type HandEvent = Extract<
  PageEvent,
  {
    kind:
      | `picture${string}`
      | `search${string}`
      | `letter${string}`
      | "answerPressed"
      | "digitPressed"
      | "undoPressed"
      | "escalatePressed"
      | "helpToggled"
      | "noticeClosed";
  }
>;

function reduceHands(state: PageState, event: HandEvent, inputs: PageInputs): PageStep {
  switch (event.kind) {
    case "pictureShown":
    case "pictureMissing":
      return step(pictureCame(state, event.id, event.kind === "pictureShown" ? "shown" : "missing", inputs.nowMs));
    case "answerPressed":
      return answer(state, event.answer, inputs);
    case "digitPressed": {
      const chosen = state.cases[0]?.suggestions[event.digit - 1];
      return chosen ? answer(state, { kind: "label", label: chosen.label }, inputs) : step(state);
    }
    case "letterPressed":
      return letterPressed(state, event.letter);
    case "letterSettled":
      return letterSettled(state, inputs);
    case "undoPressed":
      return undoPressed(state, inputs);
    case "escalatePressed":
      return escalatePressed(state, inputs);
    case "searchOpened":
      return openSearch(state, event.query);
    case "searchTyped":
      return openSearch(state, event.query);
    case "searchMoved":
      return step({ ...state, search: { ...state.search, selected: moved(state, event.by) } });
    case "searchPicked":
      return searchPicked(state, inputs);
    case "searchClosed":
      return step({ ...state, search: closedSearch });
    case "helpToggled":
      return step({ ...state, isHelpOpen: !state.isHelpOpen, heldLetter: null });
    case "noticeClosed":
      return step({ ...state, notice: null });
  }
}

function sessionFound(
  state: PageState,
  event: Extract<PageEvent, { kind: "sessionFound" }>,
  inputs: PageInputs,
): PageStep {
  const wasDown = !state.connection.isUp;
  const up: PageState = {
    ...state,
    screen: "reviewing",
    session: event.session,
    skewMs: event.session.nowMs - inputs.nowMs,
    pairing: { code: null, isBusy: false, problem: null },
    connection: connected,
    outbox: state.outbox.map((outgoing) => ({ ...outgoing, isSending: true })),
    toast: state.toast?.phase === "waiting" ? { ...state.toast, phase: "sending" } : state.toast,
    announcement: wasDown ? "The connection is back." : state.announcement,
  };
  const sends: PageEffect[] = state.outbox.map(({ held, submit }) => ({ kind: "submit", id: held.id, submit }));
  // Answers first: what is claimed after them no longer counts the cases that they close.
  const claim: PageEffect[] = sends.length === 0 ? [{ kind: "claim" }] : [];
  return step(up, { kind: "openStream" }, ...sends, ...claim);
}

function unpaired(state: PageState): PageState {
  return {
    ...state,
    screen: "pairing",
    session: null,
    cases: [],
    isFirstClaim: true,
    toast: null,
    outbox: [],
    shownAtMs: null,
    search: closedSearch,
    pairing: { ...state.pairing, isBusy: false },
    connection: connected,
  };
}

function pairPressed(state: PageState, event: Extract<PageEvent, { kind: "pairPressed" }>): PageStep {
  const pin = event.pin.replaceAll(/\s/g, "");
  const name = event.name.trim();
  const problem = !/^\d{6}$/.test(pin) ? "The PIN has six digits." : name === "" ? "Please type your name." : null;
  if (problem !== null) return step({ ...state, pairing: { ...state.pairing, problem } });
  const { code } = state.pairing;
  // A code holds once: if the PIN is wrong and renewed, the PIN alone must do.
  return step({ ...state, pairing: { code: null, isBusy: true, problem: null } }, { kind: "pair", pin, name, code });
}

/** Waits 1, 2, 4, 8, then 15 s between tries; the button and the browser's own "online" try at once. */
function connectionLost(state: PageState, isFault: boolean): PageState {
  // Several calls fail together when a connection breaks; they are one loss.
  if (!state.connection.isUp && state.connection.retryAtMs !== Infinity) return state;
  const attempts = state.connection.attempts + 1;
  const waitMs = Math.min(15_000, 1000 * 2 ** Math.min(attempts - 1, 4));
  return {
    ...state,
    connection: { isUp: false, isFault, attempts, retryAtMs: state.nowMs + waitMs },
    pairing: { ...state.pairing, isBusy: false },
    outbox: state.outbox.map((outgoing) => ({ ...outgoing, isSending: false })),
    toast: state.toast === null ? null : offlineToast(state.toast),
    announcement: state.connection.isUp ? `${lostText(isFault)} Trying again.` : state.announcement,
  };
}

function offlineToast(toast: NonNullable<PageState["toast"]>): PageState["toast"] {
  if (toast.phase === "sending") return { ...toast, phase: "waiting" };
  return toast.phase === "undoing" ? { ...toast, phase: "undoable" } : toast;
}

function ticked(state: PageState): PageStep {
  const { connection, session, nowMs, toast } = state;
  const isOver = toast?.phase === "undoable" && nowMs >= toast.undoUntilMs;
  const now = isOver ? { ...state, toast: null } : state;
  if (!connection.isUp) {
    if (nowMs < connection.retryAtMs) return step(now);
    return step({ ...now, connection: { ...connection, retryAtMs: Infinity } }, { kind: "loadSession" });
  }
  if (session === null || nowMs < state.heartbeatAtMs) return step(now);
  const beats = state.cases.flatMap<PageEffect>(({ id, lease }) =>
    lease === null ? [] : [{ kind: "heartbeat", id, generation: lease.generation }],
  );
  // With nothing to do, asking again now and then also finds what the stream may have missed.
  const asks: PageEffect[] = needsMore(now) ? [{ kind: "claim" }] : [];
  return step({ ...now, heartbeatAtMs: nowMs + session.leaseMs / 3 }, ...beats, ...asks);
}

/** The server's list is the truth; but the case before the reviewer's eyes stays where it is as long as it is in it. */
function claimed(state: PageState, held: HeldCases, inputs: PageInputs): PageStep {
  const answered = new Set(state.recent.map(({ id }) => id));
  const given = held.cases.filter(({ id }) => !answered.has(id));
  const byId = new Map(given.map((entry) => [entry.id, entry]));
  const kept = state.cases.flatMap(({ id }) => byId.get(id) ?? []);
  const added = given.filter(({ id }) => !state.cases.some((known) => known.id === id));
  const cases = [...kept, ...added];
  const isSame = cases[0] !== undefined && cases[0].id === state.cases[0]?.id;
  const next: PageState = {
    ...state,
    cases,
    queue: held.queue,
    skewMs: held.nowMs - inputs.nowMs,
    isFirstClaim: false,
    search: isSame ? state.search : closedSearch,
  };
  const tasks = new Set(cases.map(({ task }) => task).filter((task) => state.labels[task] === undefined));
  const loads = [...tasks].map((task): PageEffect => ({ kind: "loadLabels", task }));
  const alike = state.features.lookAlikes ? cases.filter(({ id }) => state.lookAlikes[id] === undefined) : [];
  const asks = alike.map(({ id }): PageEffect => ({ kind: "loadLookAlikes", id }));
  return step(isSame ? next : show(next, inputs.nowMs), ...loads, ...asks);
}

function escalateRefused(state: PageState, event: Extract<PageEvent, { kind: "escalateRefused" }>): PageState {
  const notice = { tone: "warn" as const, text: `No lead could be asked: ${event.message}.` };
  return { ...withRecent(state, event.reviewId, null), notice };
}

/** What is held goes back to the queue: it may be outside what the reviewer wants now. */
function filterChosen(state: PageState, filter: QueueFilter): PageStep {
  const held = state.cases.flatMap(({ id, lease }) => (lease === null ? [] : [{ id, generation: lease.generation }]));
  const emptied = { ...state, filter, cases: [], shownAtMs: null, search: closedSearch, isFirstClaim: true };
  return step(emptied, { kind: "reclaim", held });
}

function news(state: PageState, told: ReviewNews, inputs: PageInputs): PageStep {
  switch (told.kind) {
    case "queue": {
      const next = { ...state, queue: told.queue };
      return step(next, ...(needsMore(next) && told.queue.waiting > 0 ? [{ kind: "claim" as const }] : []));
    }
    case "withdrawn":
      return withdrawn(state, told.id, told.why, inputs);
    case "final":
    case "delivered": {
      const entry = state.recent.find(({ id }) => id === told.id);
      if (!entry) return step(state);
      const known = withRecent(state, entry.reviewId, told.kind);
      if (told.kind !== "final" || told.isConflict !== true) return step(known);
      const stands = told.label === null ? "another answer" : `“${labelText(told.label)}”`;
      const text = `The store decided otherwise: ${stands} stands. Your answer “${entry.text}” is kept as a label.`;
      return step({ ...known, notice: { tone: "warn", text }, announcement: text });
    }
  }
}

const withdrawnTexts = {
  settled: "That case was settled elsewhere.",
  expired: "That case ran out of time and took its fallback.",
  lease_lost: "That case went back to the queue, because nothing was heard from this page for a while.",
} as const;

function withdrawn(state: PageState, id: string, why: keyof typeof withdrawnTexts, inputs: PageInputs): PageStep {
  const isShown = state.cases[0]?.id === id;
  if (!state.cases.some((held) => held.id === id)) return step(state);
  const rest = { ...state, cases: state.cases.filter((held) => held.id !== id) };
  if (!isShown) return step(rest, ...(needsMore(rest) ? [{ kind: "claim" as const }] : []));
  const text = withdrawnTexts[why];
  const next = show(
    { ...rest, search: closedSearch, notice: { tone: "info", text }, announcement: text },
    inputs.nowMs,
  );
  return step(next, ...(needsMore(next) ? [{ kind: "claim" as const }] : []));
}

function undone(state: PageState, event: Extract<PageEvent, { kind: "undone" }>, inputs: PageInputs): PageStep {
  const back = event.held.cases.find(({ id }) => id === event.id);
  if (!back) return step({ ...state, toast: null });
  return step({ ...broughtBack(state, back, inputs.nowMs), queue: event.held.queue });
}

function pictureCame(state: PageState, id: string, how: "shown" | "missing", nowMs: number): PageState {
  const next = { ...state, pictures: { ...state.pictures, [id]: how } };
  return state.cases[0]?.id === id && state.shownAtMs === null ? { ...next, shownAtMs: nowMs } : next;
}

/** The letters that are commands where no word begins with them. */
function isCommandLetter(state: PageState, letter: string): boolean {
  return ["c", "b", "u"].includes(letter) || (letter === "l" && state.features.escalate);
}

/** A letter opens the search with it; a command letter first waits whether it begins a word. */
function letterPressed(state: PageState, letter: string): PageStep {
  if (state.heldLetter !== null) return openSearch({ ...state, heldLetter: null }, state.heldLetter + letter);
  if (!isCommandLetter(state, letter.toLowerCase())) return openSearch(state, letter);
  return step({ ...state, heldLetter: letter }, { kind: "settleLetter", afterMs: letterMs });
}

function letterSettled(state: PageState, inputs: PageInputs): PageStep {
  const next = { ...state, heldLetter: null };
  switch (state.heldLetter?.toLowerCase()) {
    case "c":
      return answer(next, { kind: "cannot_tell" }, inputs);
    case "b":
      return answer(next, { kind: "bad_picture" }, inputs);
    case "u":
      return undoPressed(next, inputs);
    case "l":
      return escalatePressed(next, inputs);
    default:
      return step(next);
  }
}

function openSearch(state: PageState, query: string): PageStep {
  return state.cases.length === 0 ? step(state) : step({ ...state, search: { isOpen: true, query, selected: 0 } });
}

/** The labels that the search box shows now. */
export function foundLabels(state: PageState): readonly string[] {
  const task = state.cases[0]?.task ?? "";
  return matchingLabels(state.labels[task] ?? [], state.search.query);
}

function moved(state: PageState, by: 1 | -1): number {
  const count = foundLabels(state).length;
  return count === 0 ? 0 : (state.search.selected + by + count) % count;
}

function searchPicked(state: PageState, inputs: PageInputs): PageStep {
  const task = state.cases[0]?.task ?? "";
  const typed = state.search.query.trim();
  // A task without a list takes what was typed.
  const isFree = state.labels[task]?.length === 0 && typed !== "";
  const label = isFree ? typed : foundLabels(state)[state.search.selected];
  return label === undefined ? step(state) : answer(state, { kind: "label", label }, inputs);
}

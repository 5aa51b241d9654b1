import type { ErrorCode, HeldCases, QueueState, ReviewAnswer, ReviewCase } from "../../../protocol/index.ts";
import type { AnswerTaken, ReviewNews, ReviewSession, Submit } from "../../../protocol/index.ts";

/** What a server can do beside the queue itself. The box in the store has none of it. */
export interface Features {
  /** Confirmed pictures of the answers that look alike stand beside the case. */
  readonly lookAlikes: boolean;
  /** A case can be handed to a lead. */
  readonly escalate: boolean;
}

const inStoreFeatures: Features = Object.freeze({ lookAlikes: false, escalate: false });

/** Which part of the queue this reviewer works on; null is all of it. */
export interface QueueFilter {
  readonly store: string | null;
  readonly task: string | null;
}

const noFilter: QueueFilter = Object.freeze({ store: null, task: null });

/** One of the answers that a case may have, and pictures that people have confirmed as it, newest first. */
export interface LookAlike {
  readonly label: string;
  readonly pictures: readonly { readonly caseId: string; readonly url: string }[];
}

/** What the review page knows. Plain data: the components draw it, the shell feeds it. */
export interface PageState {
  readonly screen: "starting" | "pairing" | "reviewing";
  readonly pairing: { readonly code: string | null; readonly isBusy: boolean; readonly problem: string | null };
  readonly features: Features;
  readonly filter: QueueFilter;
  readonly session: ReviewSession | null;
  /** Wall clock of the server minus that of this device. */
  readonly skewMs: number;
  /** Wall clock of this device at the last event. */
  readonly nowMs: number;
  readonly connection: Connection;
  /** Cases that this reviewer holds; the first is shown, the second is loaded behind it. */
  readonly cases: readonly ReviewCase[];
  /** True until the first answer to "what is next?" has come. */
  readonly isFirstClaim: boolean;
  readonly queue: QueueState | null;
  /** Since when the reviewer can see the case; null while its picture loads. */
  readonly shownAtMs: number | null;
  readonly pictures: Readonly<Record<string, "shown" | "missing">>;
  /** By case; a case without an entry has not been asked for. */
  readonly lookAlikes: Readonly<Record<string, readonly LookAlike[]>>;
  readonly search: Search;
  readonly labels: Readonly<Record<string, readonly string[]>>;
  /** The last answer, while it can be taken back. */
  readonly toast: Toast | null;
  /** Answers that the server has not taken yet, oldest first. */
  readonly outbox: readonly Outgoing[];
  /** Answers of this sitting, newest first, at most `recentMax`. */
  readonly recent: readonly Recent[];
  readonly answered: number;
  readonly notice: Notice | null;
  readonly isHelpOpen: boolean;
  /** A command letter that may turn out to be the first of a word. */
  readonly heldLetter: string | null;
  /** Read aloud by screen readers. */
  readonly announcement: string;
  readonly heartbeatAtMs: number;
}

interface Connection {
  readonly isUp: boolean;
  /** It is down because the server fails, and not because it is out of reach. */
  readonly isFault: boolean;
  readonly attempts: number;
  readonly retryAtMs: number;
}

export interface Search {
  readonly isOpen: boolean;
  readonly query: string;
  readonly selected: number;
}

interface Toast {
  readonly answered: Outgoing;
  readonly phase: "sending" | "undoable" | "undoing" | "waiting";
  readonly undoUntilMs: number;
  /** Undo was pressed before the server had the answer. */
  readonly undoWanted: boolean;
}

export interface Outgoing {
  readonly held: ReviewCase;
  readonly submit: Submit;
  readonly isSending: boolean;
}

export interface Recent {
  readonly id: string;
  readonly reviewId: string;
  readonly text: string;
  /** taken: the undo window is open; final: in the journal; delivered: the device has it; handed: a lead has it. */
  readonly phase: "unsent" | "taken" | "final" | "delivered" | "handed";
}

interface Notice {
  readonly tone: "info" | "warn";
  readonly text: string;
}

export type PageEvent =
  | { readonly kind: "started"; readonly code: string | null }
  | { readonly kind: "sessionFound"; readonly session: ReviewSession }
  | { readonly kind: "sessionMissing" }
  | { readonly kind: "pairPressed"; readonly pin: string; readonly name: string }
  | { readonly kind: "pairRefused"; readonly problem: string }
  | { readonly kind: "leavePressed" }
  | { readonly kind: "claimed"; readonly held: HeldCases }
  | { readonly kind: "news"; readonly news: ReviewNews }
  | { readonly kind: "pictureShown"; readonly id: string }
  | { readonly kind: "pictureMissing"; readonly id: string }
  | { readonly kind: "answerPressed"; readonly answer: ReviewAnswer }
  | { readonly kind: "digitPressed"; readonly digit: number }
  | { readonly kind: "letterPressed"; readonly letter: string }
  | { readonly kind: "letterSettled" }
  | { readonly kind: "filterChosen"; readonly filter: QueueFilter }
  | { readonly kind: "lookAlikesLoaded"; readonly id: string; readonly lookAlikes: readonly LookAlike[] }
  | { readonly kind: "escalatePressed" }
  | { readonly kind: "escalated" }
  | { readonly kind: "escalateRefused"; readonly reviewId: string; readonly message: string }
  | { readonly kind: "undoPressed" }
  | { readonly kind: "searchOpened"; readonly query: string }
  | { readonly kind: "searchTyped"; readonly query: string }
  | { readonly kind: "searchMoved"; readonly by: 1 | -1 }
  | { readonly kind: "searchPicked" }
  | { readonly kind: "searchClosed" }
  | { readonly kind: "labelsLoaded"; readonly task: string; readonly labels: readonly string[] }
  | { readonly kind: "submitTaken"; readonly taken: AnswerTaken }
  | { readonly kind: "submitRefused"; readonly reviewId: string; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: "undone"; readonly id: string; readonly held: HeldCases }
  | { readonly kind: "undoRefused"; readonly message: string }
  | { readonly kind: "leaseRefused"; readonly id: string }
  /** The server was not reached or, with `isFault`, answered that it failed. */
  | { readonly kind: "connectionLost"; readonly isFault: boolean }
  | { readonly kind: "retryPressed" }
  | { readonly kind: "helpToggled" }
  | { readonly kind: "noticeClosed" }
  | { readonly kind: "ticked" };

/** What the world adds to each event. */
export interface PageInputs {
  readonly nowMs: number;
  /** A fresh id, used if the event makes a review. */
  readonly reviewId: string;
}

export type PageEffect =
  | { readonly kind: "loadSession" }
  | { readonly kind: "pair"; readonly pin: string; readonly name: string; readonly code: string | null }
  | { readonly kind: "leave" }
  | { readonly kind: "claim" }
  | { readonly kind: "openStream" }
  | { readonly kind: "closeStream" }
  | { readonly kind: "loadLabels"; readonly task: string }
  | { readonly kind: "submit"; readonly id: string; readonly submit: Submit }
  | { readonly kind: "undo"; readonly id: string; readonly reviewId: string }
  | { readonly kind: "heartbeat"; readonly id: string; readonly generation: number }
  /** Gives back what is held, then asks again. */
  | { readonly kind: "reclaim"; readonly held: readonly { readonly id: string; readonly generation: number }[] }
  | { readonly kind: "loadLookAlikes"; readonly id: string }
  | { readonly kind: "escalate"; readonly id: string; readonly generation: number; readonly reviewId: string }
  | { readonly kind: "settleLetter"; readonly afterMs: number };

export interface PageStep {
  readonly state: PageState;
  readonly effects: readonly PageEffect[];
}

export const recentMax = 20;
/** Nobody can judge a picture sooner than this: a key pressed earlier was meant for the case before. */
export const exposureMsMin = 150;
/** How long a command letter waits for a second one that makes it a word. */
export const letterMs = 250;
/** Cases held: the one shown and the one after it. */
export const casesAhead = 2;

export function firstPageState(
  nowMs: number,
  features: Features = inStoreFeatures,
  filter: QueueFilter = noFilter,
): PageState {
  return {
    screen: "starting",
    pairing: { code: null, isBusy: false, problem: null },
    features,
    filter,
    session: null,
    skewMs: 0,
    nowMs,
    connection: connected,
    cases: [],
    isFirstClaim: true,
    queue: null,
    shownAtMs: null,
    pictures: {},
    lookAlikes: {},
    search: closedSearch,
    labels: {},
    toast: null,
    outbox: [],
    recent: [],
    answered: 0,
    notice: null,
    isHelpOpen: false,
    heldLetter: null,
    announcement: "",
    heartbeatAtMs: nowMs,
  };
}

export const connected: Connection = { isUp: true, isFault: false, attempts: 0, retryAtMs: 0 };
export const closedSearch: Search = { isOpen: false, query: "", selected: 0 };

export function step(state: PageState, ...effects: readonly PageEffect[]): PageStep {
  return { state, effects };
}

export function withRecent(state: PageState, reviewId: string, phase: Recent["phase"] | null): PageState {
  const recent = state.recent.flatMap((entry) => {
    if (entry.reviewId !== reviewId) return [entry];
    return phase === null ? [] : [{ ...entry, phase }];
  });
  return { ...state, recent };
}

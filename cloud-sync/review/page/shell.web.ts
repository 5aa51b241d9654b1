import { api, openStream, releaseOnLeave, type Answered } from "./api.web.ts";
import { keyEvent } from "./keyboard.ts";
import { reduce } from "./state-machine.ts";
import {
  firstPageState,
  type Features,
  type PageEffect,
  type PageEvent,
  type PageState,
  type QueueFilter,
} from "./state.ts";

/** Between the pure page and the world: the clock, the keyboard, the network. */
export interface PageShell {
  /** Ends it: what is held goes back to the queue, and nothing listens any more. */
  stop(): void;
}

const tickMs = 250;

export function startShell(
  draw: (state: PageState, dispatch: (event: PageEvent) => void) => void,
  at: { readonly features?: Features; readonly filter?: QueueFilter } = {},
): PageShell {
  let state = firstPageState(Date.now(), at.features, at.filter);
  let closeStream = (): void => undefined;
  const stopped = new AbortController();
  const { signal } = stopped;

  function dispatch(event: PageEvent): void {
    if (signal.aborted) return;
    const step = reduce(state, event, { nowMs: Date.now(), reviewId: randomId() });
    const isChanged = step.state !== state;
    state = step.state;
    for (const effect of step.effects) perform(effect);
    if (isChanged) draw(state, dispatch);
  }

  function perform(effect: PageEffect): void {
    switch (effect.kind) {
      case "openStream":
        closeStream();
        closeStream = openStream(
          (news) => dispatch({ kind: "news", news }),
          () => dispatch({ kind: "connectionLost", isFault: false }),
        );
        break;
      case "closeStream":
        closeStream();
        break;
      case "settleLetter":
        setTimeout(() => dispatch({ kind: "letterSettled" }), effect.afterMs);
        break;
      default:
        void ask(effect, state.filter).then((event) => event && dispatch(event));
    }
  }

  const giveBack = (): void => {
    for (const { id, lease } of state.cases) if (lease) releaseOnLeave(id, lease.generation);
  };
  addEventListener("keydown", (pressed) => onKey(pressed, state, dispatch), { signal });
  addEventListener("offline", () => dispatch({ kind: "connectionLost", isFault: false }), { signal });
  addEventListener("online", () => dispatch({ kind: "retryPressed" }), { signal });
  addEventListener("pagehide", giveBack, { signal });
  // A page from the back-forward cache has given its cases back.
  addEventListener("pageshow", (shown) => shown.persisted && location.reload(), { signal });
  const ticking = setInterval(() => dispatch({ kind: "ticked" }), tickMs);
  draw(state, dispatch);
  dispatch({ kind: "started", code: takeCode() });
  return {
    stop: () => {
      giveBack();
      stopped.abort();
      clearInterval(ticking);
      closeStream();
    },
  };
}

type NetworkEffect = Exclude<PageEffect, { kind: "openStream" | "closeStream" | "settleLetter" }>;

async function ask(effect: NetworkEffect, filter: QueueFilter): Promise<PageEvent | null> {
  switch (effect.kind) {
    case "loadSession":
      return told(await api.session(), (session) => ({ kind: "sessionFound", session }));
    case "pair":
      rememberName(effect.name);
      return told(
        await api.pair(effect.pin, effect.name, effect.code),
        (session) => ({ kind: "sessionFound", session }),
        pairProblem,
        { kind: "pairRefused", problem: "The box cannot be reached. Is this device on the store’s network?" },
      );
    case "leave":
      await api.leave();
      return null;
    case "claim":
      return told(await api.next(filter), (held) => ({ kind: "claimed", held }));
    case "reclaim":
      await Promise.all(effect.held.map(({ id, generation }) => api.release(id, generation)));
      return told(await api.next(filter), (held) => ({ kind: "claimed", held }));
    case "loadLookAlikes":
      return told(
        await api.lookAlikes(effect.id),
        ({ lookAlikes }) => ({ kind: "lookAlikesLoaded", id: effect.id, lookAlikes }),
        () => ({ kind: "lookAlikesLoaded", id: effect.id, lookAlikes: [] }),
      );
    case "escalate":
      return told(
        await api.escalate(effect.id, effect.generation),
        () => ({ kind: "escalated" }),
        ({ message }) => ({ kind: "escalateRefused", reviewId: effect.reviewId, message }),
      );
    case "loadLabels":
      return told(
        await api.labels(effect.task),
        ({ labels }) => ({ kind: "labelsLoaded", task: effect.task, labels }),
        () => ({ kind: "labelsLoaded", task: effect.task, labels: [] }),
      );
    case "submit":
      return told(
        await api.submit(effect.id, effect.submit),
        (taken) => ({ kind: "submitTaken", taken }),
        ({ code, message }) => ({ kind: "submitRefused", reviewId: effect.submit.reviewId, code, message }),
      );
    case "undo":
      return told(
        await api.undo(effect.id, effect.reviewId),
        (held) => ({ kind: "undone", id: effect.id, held }),
        ({ message }) => ({ kind: "undoRefused", message }),
      );
    case "heartbeat":
      return told(
        await api.heartbeat(effect.id, effect.generation),
        () => null,
        () => ({ kind: "leaseRefused", id: effect.id }),
      );
  }
}

type Refused = Extract<NonNullable<Answered<unknown>>, { ok: false }>;

function told<T>(
  answered: Answered<T>,
  onValue: (value: T) => PageEvent | null,
  onRefused: (refused: Refused) => PageEvent | null = () => null,
  onLost: PageEvent = { kind: "connectionLost", isFault: false },
): PageEvent | null {
  if (answered === null) return onLost;
  if (answered.ok) return onValue(answered.value);
  // The call is as good as before: what waits is sent again, as after a lost connection.
  if (answered.code === "HP_INTERNAL") return onLost.kind === "connectionLost" ? failed : onRefused(answered);
  return refusedEvent(answered, onRefused);
}

const failed: PageEvent = { kind: "connectionLost", isFault: true };

function refusedEvent(refused: Refused, onRefused: (refused: Refused) => PageEvent | null): PageEvent | null {
  return refused.code === "HP_UNAUTHORIZED" ? { kind: "sessionMissing" } : onRefused(refused);
}

function pairProblem({ code, message, retryAfterMs }: Refused): PageEvent {
  const minutes = Math.max(1, Math.ceil((retryAfterMs ?? 0) / 60_000));
  const problem =
    code === "HP_PIN"
      ? "That is not the PIN on the screen now. After five wrong tries there is a new one."
      : code === "HP_RATE"
        ? `Too many wrong tries. Wait ${minutes} min and use the PIN that is shown then.`
        : code === "HP_INTERNAL"
          ? "The box failed with this request. Try again in a moment."
          : message;
  return { kind: "pairRefused", problem };
}

function onKey(pressed: KeyboardEvent, state: PageState, dispatch: (event: PageEvent) => void): void {
  const { key, ctrlKey, metaKey, altKey, repeat, target } = pressed;
  // Enter and space on a focused button are the button's.
  if (altKey || (isTyping(target) && !state.search.isOpen)) return;
  // Another dialog than the page's own help has the keyboard.
  if (!state.isHelpOpen && document.querySelector("dialog[open]")) return;
  const event = keyEvent(state, { key, isCommand: ctrlKey || metaKey, isRepeat: repeat });
  if (!event) return;
  pressed.preventDefault();
  dispatch(event);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLInputElement || target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement
  );
}

/** The one-time code behind `#`, taken off the address so that it stays in no history. */
function takeCode(): string | null {
  const code = location.hash.slice(1);
  if (code === "") return null;
  history.replaceState(null, "", location.pathname);
  return code;
}

const nameKey = "holdpoint-reviewer-name";

export function rememberedName(): string {
  try {
    return localStorage.getItem(nameKey) ?? "";
  } catch {
    return ""; // Storage is switched off.
  }
}

function rememberName(name: string): void {
  try {
    localStorage.setItem(nameKey, name.trim());
  } catch {
    // Typed again next time.
  }
}

/** 128 bits. `crypto.randomUUID` is missing on plain HTTP, which is what a local network has. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

import { type HoldpointError } from "../../protocol/index.ts";
import { equalJitterMs, fullJitterMs, type Backoff } from "./backoff.ts";

/**
 * The life of one thing that the client must deliver: stored, sent, acknowledged, answered. Pure.
 *
 * Theorem: what was stored is sent until the agent has answered it finally, and is then removed. An acknowledgement
 * (PUBACK, 202, `received`) only makes the asking slower, because behind an external broker, or after an agent lost its
 * disk, it proves nothing. Asking twice is harmless: the same id with the same body gets the same answer.
 */
export type Phase =
  /** The outbox is writing it. */
  | "storing"
  /** Durable as far as the outbox goes; waits for the link and for room in the window. */
  | "queued"
  /** On the wire, no answer yet. */
  | "sent"
  /** The agent was busy; waits for its timer. */
  | "held"
  /** The agent has it. Rests until the (final) decision comes, and asks again now and then. */
  | "acknowledged"
  | "final"
  | "refused";

export interface RequestState {
  readonly phase: Phase;
  /** Whether the agent may know it: sent in this life, or found in the outbox. Before that no answer can be its own. */
  readonly asked: boolean;
  /** Sends since the last acknowledgement. */
  readonly attempts: number;
  /** How often it rested and asked again since the link last broke. */
  readonly asks: number;
  /** Highest revision seen; 0 before the first. */
  readonly revision: number;
}

export type RequestEvent =
  | { readonly kind: "stored" }
  /** Whoever put it hears why from the outbox. */
  | { readonly kind: "store_failed" }
  /** The link is up and the window has room for it. */
  | { readonly kind: "room" }
  /** Its timer fired. */
  | { readonly kind: "due" }
  | { readonly kind: "acknowledged" }
  /** The link, or this one exchange, ended without an answer. */
  | { readonly kind: "lost"; readonly link: "down" | "up" }
  | { readonly kind: "busy"; readonly retryAfterMs: number }
  /** The agent was asked about it and does not know it. */
  | { readonly kind: "gone" }
  | { readonly kind: "refused"; readonly error: HoldpointError }
  | { readonly kind: "decided"; readonly revision: number; readonly final: boolean };

export interface RequestInputs {
  /** Uniform in [0, 1). */
  readonly random: number;
  /** False for outcomes and observed events: their acknowledgement is their end. */
  readonly expectsDecision: boolean;
  readonly policy: RequestPolicy;
}

export interface RequestPolicy {
  /** Waits after a failed exchange, and on top of an agent's `retryAfterMs`. */
  readonly retry: Backoff;
  /** Patience for an acknowledgement on a link that seems to be up. */
  readonly acknowledge: Backoff;
  /** Waits before asking again for the first decision, and for the final one. */
  readonly askFirst: Backoff;
  readonly askFinal: Backoff;
}

export type RequestEffect =
  | { readonly kind: "send" }
  /** Deliver `due` after this time; replaces the timer that runs. A new phase without it stops the timer. */
  | { readonly kind: "wake"; readonly afterMs: number }
  /** Give the decision to whoever waits for it. */
  | { readonly kind: "hand_over" }
  | { readonly kind: "reject"; readonly error: HoldpointError }
  | { readonly kind: "remove" };

export interface RequestStep {
  readonly state: RequestState;
  readonly effects: readonly RequestEffect[];
}

export const newRequest: RequestState = Object.freeze({
  phase: "storing",
  asked: false,
  attempts: 0,
  asks: 0,
  revision: 0,
});

/** What the outbox still had when the client started: it may have been sent in an earlier life. */
export const recoveredRequest: RequestState = Object.freeze({ ...newRequest, phase: "queued", asked: true });

export function transition(state: RequestState, event: RequestEvent, inputs: RequestInputs): RequestStep {
  if (state.phase === "final" || state.phase === "refused") return stay(state);
  switch (event.kind) {
    case "stored":
      return state.phase === "storing" ? go(state, "queued") : stay(state);
    case "store_failed":
      return state.phase === "storing" ? go(state, "refused", { kind: "remove" }) : stay(state);
    case "room":
      return state.phase === "queued" ? send(state, inputs) : stay(state);
    case "due":
      return due(state);
    case "lost":
      return lost(state, event.link, inputs);
    case "acknowledged":
    case "busy":
    case "gone":
    case "refused":
    case "decided":
      return state.asked ? answered(state, event, inputs) : stay(state);
  }
}

type Answer = Extract<RequestEvent, { readonly kind: "acknowledged" | "busy" | "gone" | "refused" | "decided" }>;

function answered(state: RequestState, event: Answer, inputs: RequestInputs): RequestStep {
  switch (event.kind) {
    case "acknowledged":
      if (state.phase === "acknowledged") return stay(state);
      return inputs.expectsDecision ? rest(state, inputs) : go(state, "final", { kind: "remove" });
    case "busy": {
      // An acknowledged request is durable there; the word of an older attempt changes nothing.
      if (state.phase === "acknowledged") return stay(state);
      const afterMs = event.retryAfterMs + fullJitterMs(inputs.policy.retry, state.attempts, inputs.random);
      return go(state, "held", { kind: "wake", afterMs });
    }
    case "gone":
      return state.phase === "acknowledged" ? go(state, "queued") : stay(state);
    case "refused":
      // Once there is a decision, a refusal can only be about a repeat.
      if (state.revision > 0) return rest(state, inputs);
      return go(state, "refused", { kind: "reject", error: event.error }, { kind: "remove" });
    case "decided":
      return decided(state, event, inputs);
  }
}

function decided(
  state: RequestState,
  event: Extract<RequestEvent, { readonly kind: "decided" }>,
  inputs: RequestInputs,
): RequestStep {
  const fresh = event.revision > state.revision;
  const known = fresh ? { ...state, revision: event.revision } : state;
  if (event.final && (fresh || event.revision === state.revision)) {
    return go(known, "final", { kind: "hand_over" }, { kind: "remove" });
  }
  const step = rest(known, inputs);
  return fresh ? { state: step.state, effects: [{ kind: "hand_over" }, ...step.effects] } : step;
}

function send(state: RequestState, { policy, random }: RequestInputs): RequestStep {
  const afterMs = equalJitterMs(policy.acknowledge, state.attempts, random);
  const sent = { ...state, asked: true, attempts: state.attempts + 1 };
  return go(sent, "sent", { kind: "send" }, { kind: "wake", afterMs });
}

/** The timer fired: whatever it waited for did not come, so it queues to be sent (again). */
function due(state: RequestState): RequestStep {
  if (state.phase === "acknowledged") return go({ ...state, asks: state.asks + 1 }, "queued");
  return state.phase === "sent" || state.phase === "held" ? go(state, "queued") : stay(state);
}

function lost(state: RequestState, link: "down" | "up", inputs: RequestInputs): RequestStep {
  if (state.phase === "sent") {
    if (link === "down") return go(state, "queued");
    const afterMs = fullJitterMs(inputs.policy.retry, state.attempts - 1, inputs.random);
    return go(state, "held", { kind: "wake", afterMs });
  }
  // The agent that comes back may be another one, or one without its disk: ask again soon.
  if (state.phase === "acknowledged" && link === "down") return rest({ ...state, asks: 0 }, inputs);
  return stay(state);
}

function rest(state: RequestState, { policy, random }: RequestInputs): RequestStep {
  const backoff = state.revision === 0 ? policy.askFirst : policy.askFinal;
  const afterMs = equalJitterMs(backoff, state.asks, random);
  return go({ ...state, attempts: 0 }, "acknowledged", { kind: "wake", afterMs });
}

function go(state: RequestState, phase: Phase, ...effects: RequestEffect[]): RequestStep {
  return { state: { ...state, phase }, effects };
}

function stay(state: RequestState): RequestStep {
  return { state, effects: [] };
}

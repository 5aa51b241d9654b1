import { type LeaseMessage } from "./lease-message.ts";

/**
 * Who owns one lease, as one agent knows it. Pure.
 *
 * Theorem: no two agents own a lease at once, as long as one broker gives every agent the same order of messages, none
 * is lost on a connection that lives, the agents' clocks run at rates that differ by less than `marginMs` in
 * `holdsMs`, and (see `confirmMs`) no message is late by seconds just when an agent comes back. A holder counts its time from the sending of its own claim or renewal, and only after it has seen that
 * message come back. Everybody else counts from the receipt, which is later, and claims only after that time is over.
 * A claim rests on an `ask` of the same agent: whoever sees a claim or a renewal of somebody else between the two
 * knows that the claim is void. So a renewal that the claimant had not seen yet cannot be overtaken. MQTT has no
 * compare-and-set; this is one.
 *
 * A broken connection may have swallowed messages: everything but the generation is forgotten then (`broken`), and the
 * retained last message of the topic, which comes before the agent's own `ask`, says whether to wait.
 */
export type LeaseState =
  /** Nobody is known to hold it. */
  | { readonly phase: "free"; readonly generation: number }
  /** `claimAtMs`: null until the ask came back, then when to claim, unless somebody else does before. */
  | {
      readonly phase: "asking";
      readonly generation: number;
      readonly askId: string;
      readonly askedAtMs: number;
      readonly claimAtMs: number | null;
    }
  | { readonly phase: "claiming"; readonly generation: number; readonly claimId: string; readonly sentAtMs: number }
  /** `asks`: those of others since the last claim or renewal; a claim that rests on one of them is valid. */
  | {
      readonly phase: "owned";
      readonly generation: number;
      readonly untilMs: number;
      readonly renewAtMs: number;
      readonly renewal: { readonly id: string; readonly sentAtMs: number } | null;
      readonly asks: readonly string[];
    }
  /** Not ours to take before that time. `holder`: empty where nobody is known to hold it. */
  | { readonly phase: "foreign"; readonly generation: number; readonly holder: string; readonly untilMs: number };

export type LeaseEvent =
  /** There is work under this lease. */
  | { readonly kind: "want" }
  | { readonly kind: "heard"; readonly message: LeaseMessage; readonly retained: boolean }
  | { readonly kind: "due" }
  | { readonly kind: "release" }
  | { readonly kind: "broken" };

export interface LeaseInputs {
  /** Monotonic. */
  readonly nowMs: number;
  readonly agent: string;
  /** For a message, if one is sent. */
  readonly newId: string;
  /** Leases that this agent has, for the others to know. */
  readonly load: number;
  /** How long to let others go first: the more leases this agent has, the longer. */
  readonly yieldMs: number;
  readonly policy: LeasePolicy;
}

export interface LeasePolicy {
  readonly holdsMs: number;
  /** The holder stops this much earlier than the others start. */
  readonly marginMs: number;
  readonly renewEveryMs: number;
  /**
   * After a retained message that says "free", or "yours in an earlier life": how long to listen all the same. It may
   * be a straggler that overwrote the holder's. A holder that lives renews within this time. At `holdsMs` no delay of
   * the network, however long, can make two owners; a shorter time is a restart that serves sooner.
   */
  readonly confirmMs: number;
  /** An ask or a claim that has not come back by then is given up. */
  readonly answerMs: number;
}

export const leasePolicy: LeasePolicy = Object.freeze({
  holdsMs: 6_000,
  marginMs: 1_000,
  renewEveryMs: 1_500,
  confirmMs: 2_000,
  answerMs: 3_000,
});

export type LeaseEffect =
  | { readonly kind: "publish"; readonly message: LeaseMessage }
  | { readonly kind: "gained" }
  | { readonly kind: "lost" }
  /** Our own message did not come back. */
  | { readonly kind: "unanswered" };

export interface LeaseStep {
  readonly state: LeaseState;
  readonly effects: readonly LeaseEffect[];
}

/** Asks that a holder remembers. Above it any claim counts as valid: giving a lease up is always safe. */
const asksMax = 32;

export const freeLease: LeaseState = Object.freeze({ phase: "free", generation: 0 });

/** Whether this agent may act under the lease at this moment. */
export function isOwner(state: LeaseState, nowMs: number): boolean {
  return state.phase === "owned" && nowMs < state.untilMs;
}

export function leaseTransition(state: LeaseState, event: LeaseEvent, inputs: LeaseInputs): LeaseStep {
  switch (event.kind) {
    case "want":
      return state.phase === "free" || (state.phase === "foreign" && inputs.nowMs >= state.untilMs)
        ? ask(state, inputs)
        : stay(state);
    case "heard":
      return heard(state, event.message, event.retained, inputs);
    case "due":
      return due(state, inputs);
    case "release":
      return release(state, inputs);
    case "broken":
      return { state: free(state.generation), effects: state.phase === "owned" ? [{ kind: "lost" }] : [] };
  }
}

function heard(state: LeaseState, message: LeaseMessage, retained: boolean, inputs: LeaseInputs): LeaseStep {
  const known = { ...state, generation: Math.max(state.generation, message.generation) };
  if (message.agent === inputs.agent) return heardOwn(state, known, message, retained, inputs);
  switch (message.kind) {
    case "ask":
      return state.phase === "owned"
        ? stay({ ...state, asks: [...state.asks, message.id].slice(0, asksMax + 1) })
        : stay(state);
    case "release":
      if (retained) return confirm(known, "", inputs);
      if (state.phase !== "foreign") return stay(state.phase === "owned" ? state : known);
      return state.holder === message.agent && message.generation >= state.generation
        ? stay(free(message.generation))
        : stay(state);
    case "renew":
      // A renewal of somebody who had lost it before: the order of the log says so.
      return state.phase === "owned" ? stay(state) : foreign(known, message, inputs);
    case "claim": {
      if (state.phase !== "owned") return foreign(known, message, inputs);
      const valid = state.asks.length > asksMax || state.asks.includes(message.after ?? "");
      if (!valid) return stay(state);
      const step = foreign(known, message, inputs);
      return { state: step.state, effects: [{ kind: "lost" }] };
    }
  }
}

function heardOwn(
  state: LeaseState,
  known: LeaseState,
  message: LeaseMessage,
  retained: boolean,
  inputs: LeaseInputs,
): LeaseStep {
  const { nowMs, policy } = inputs;
  if (message.kind === "ask") {
    if (state.phase !== "asking" || message.id !== state.askId || state.claimAtMs !== null) return stay(state);
    const answered = { ...state, claimAtMs: nowMs + inputs.yieldMs };
    return inputs.yieldMs > 0 ? stay(answered) : claim(answered, inputs);
  }
  if (message.kind === "release") return retained ? confirm(known, "", inputs) : stay(state);
  if (state.phase === "claiming" && message.id === state.claimId) {
    const untilMs = state.sentAtMs + policy.holdsMs - policy.marginMs;
    // It took so long that the others may be about to claim.
    if (nowMs >= untilMs) return foreign(known, message, inputs);
    const { generation } = state;
    // Renewed soon: only a retained renewal tells the next life of this agent that the lease was really its own.
    const owned: LeaseState = { phase: "owned", generation, untilMs, renewAtMs: nowMs, renewal: null, asks: [] };
    return { state: owned, effects: [{ kind: "gained" }] };
  }
  if (state.phase === "owned" && message.id === state.renewal?.id) {
    const untilMs = state.renewal.sentAtMs + policy.holdsMs - policy.marginMs;
    return stay({ ...state, untilMs, renewal: null, asks: [] });
  }
  // Of an earlier life under this name, which is over: the broker lets a name connect once. Only a holder renews.
  if (retained && message.kind === "renew") return confirm(known, inputs.agent, inputs);
  // A straggler of ours that the others take for a hold.
  return state.phase === "free" || state.phase === "asking" ? foreign(known, message, inputs) : stay(state);
}

function due(state: LeaseState, inputs: LeaseInputs): LeaseStep {
  const { nowMs, policy } = inputs;
  switch (state.phase) {
    case "free":
      return stay(state);
    case "asking":
      if (state.claimAtMs !== null) return nowMs >= state.claimAtMs ? claim(state, inputs) : stay(state);
      return nowMs - state.askedAtMs >= policy.answerMs ? unanswered(state) : stay(state);
    case "claiming":
      return nowMs - state.sentAtMs >= policy.answerMs ? unanswered(state) : stay(state);
    case "foreign":
      return nowMs >= state.untilMs ? stay(free(state.generation)) : stay(state);
    case "owned": {
      if (nowMs >= state.untilMs) return { state: free(state.generation), effects: [{ kind: "lost" }] };
      if (nowMs < state.renewAtMs || state.renewal !== null) return stay(state);
      const message = messageOf("renew", state.generation, inputs);
      const renewal = { id: message.id, sentAtMs: nowMs };
      return {
        state: { ...state, renewal, renewAtMs: nowMs + policy.renewEveryMs },
        effects: [{ kind: "publish", message }],
      };
    }
  }
}

function release(state: LeaseState, inputs: LeaseInputs): LeaseStep {
  if (state.phase === "asking") return stay(free(state.generation));
  if (state.phase !== "owned") return stay(state);
  // After its time somebody else may hold it, and would be declared free.
  if (inputs.nowMs >= state.untilMs) return { state: free(state.generation), effects: [{ kind: "lost" }] };
  const message = messageOf("release", state.generation, inputs);
  return { state: free(state.generation), effects: [{ kind: "lost" }, { kind: "publish", message }] };
}

function ask(state: LeaseState, inputs: LeaseInputs): LeaseStep {
  const { generation } = state;
  const message = messageOf("ask", generation, inputs);
  const asking = { phase: "asking", generation, askId: message.id, askedAtMs: inputs.nowMs, claimAtMs: null } as const;
  return { state: asking, effects: [{ kind: "publish", message }] };
}

function claim(state: Extract<LeaseState, { phase: "asking" }>, inputs: LeaseInputs): LeaseStep {
  const generation = state.generation + 1;
  const message = { ...messageOf("claim", generation, inputs), after: state.askId };
  return {
    state: { phase: "claiming", generation, claimId: message.id, sentAtMs: inputs.nowMs },
    effects: [{ kind: "publish", message }],
  };
}

function foreign(known: LeaseState, message: LeaseMessage, { nowMs }: LeaseInputs): LeaseStep {
  // A void claim may come after the claim of the holder: it must not shorten the wait.
  const untilMs = Math.max(nowMs + message.holdsMs, known.phase === "foreign" ? known.untilMs : 0);
  return stay({ phase: "foreign", generation: known.generation, holder: message.agent, untilMs });
}

/** Probably free. `holder`: this agent, or nobody. */
function confirm(known: LeaseState, holder: string, { nowMs, policy }: LeaseInputs): LeaseStep {
  if (known.phase !== "free" && known.phase !== "asking") return stay(known);
  return stay({ phase: "foreign", generation: known.generation, holder, untilMs: nowMs + policy.confirmMs });
}

function unanswered(state: LeaseState): LeaseStep {
  return { state: free(state.generation), effects: [{ kind: "unanswered" }] };
}

function messageOf(kind: LeaseMessage["kind"], generation: number, inputs: LeaseInputs): LeaseMessage {
  const holdsMs = kind === "claim" || kind === "renew" ? inputs.policy.holdsMs : 0;
  return { v: 1, kind, agent: inputs.agent, id: inputs.newId, generation, after: null, load: inputs.load, holdsMs };
}

function free(generation: number): LeaseState {
  return { phase: "free", generation };
}

function stay(state: LeaseState): LeaseStep {
  return { state, effects: [] };
}

import { fullJitterMs, type Backoff } from "./backoff.ts";

/** The link to the agent: opened, and opened again with growing, jittered waits. MQTT.js itself reconnects without. */
export type LinkPhase = "idle" | "opening" | "up" | "waiting" | "closed";

export interface LinkState {
  readonly phase: LinkPhase;
  /** Failures in a row. A link that broke soon after it came up counts as one. */
  readonly failures: number;
}

export type LinkEvent =
  | { readonly kind: "start" }
  | { readonly kind: "opened" }
  /** It could not be opened, or it broke. */
  | { readonly kind: "down" }
  | { readonly kind: "due" }
  | { readonly kind: "close" };

export interface LinkInputs {
  /** Uniform in [0, 1). */
  readonly random: number;
  /** How long the link has been up, monotonic; 0 where it is not. */
  readonly upForMs: number;
  readonly policy: LinkPolicy;
}

export interface LinkPolicy {
  readonly reconnect: Backoff;
  /** A link that lived this long ends the row of failures. */
  readonly stableMs: number;
}

type LinkEffect =
  { readonly kind: "open" } | { readonly kind: "wake"; readonly afterMs: number } | { readonly kind: "close" };

export interface LinkStep {
  readonly state: LinkState;
  readonly effects: readonly LinkEffect[];
}

export const newLink: LinkState = Object.freeze({ phase: "idle", failures: 0 });

export function linkTransition(state: LinkState, event: LinkEvent, inputs: LinkInputs): LinkStep {
  const { phase, failures } = state;
  if (phase === "closed") return { state, effects: [] };
  if (event.kind === "close") return { state: { phase: "closed", failures }, effects: [{ kind: "close" }] };
  if ((event.kind === "start" && phase === "idle") || (event.kind === "due" && phase === "waiting")) {
    return { state: { phase: "opening", failures }, effects: [{ kind: "open" }] };
  }
  if (event.kind === "opened" && phase === "opening") return { state: { phase: "up", failures }, effects: [] };
  if (event.kind === "down" && (phase === "opening" || phase === "up")) {
    const before = inputs.upForMs >= inputs.policy.stableMs ? 0 : failures;
    const afterMs = fullJitterMs(inputs.policy.reconnect, before, inputs.random);
    return { state: { phase: "waiting", failures: before + 1 }, effects: [{ kind: "wake", afterMs }] };
  }
  return { state, effects: [] };
}

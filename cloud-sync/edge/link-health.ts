import { HoldpointError, type Clock } from "../../protocol/index.ts";
import { type HubAnswer, type HubCall, type HubExchange } from "./hub-port.ts";

/**
 * What all calls together say of the way to the hub. Being offline is normal for a store, up to a budget; being shut out
 * is not, and is not asked about again and again: everything but the heartbeat then waits without touching the network.
 */
export interface LinkHealth extends HubExchange {
  readonly state: LinkState;
  /** Whether calls are kept back because the hub has shut this agent out. */
  readonly isShutOut: boolean;
}

export type LinkState =
  /** Nothing was tried yet. */
  | { readonly kind: "new" }
  /** The hub answers; `trouble` is what it does not take from us, with the call that it refused. */
  | { readonly kind: "connected"; readonly trouble: HoldpointError | null }
  /** Nobody answers, or somebody else does. */
  | {
      readonly kind: "unreachable";
      readonly sinceMs: number;
      readonly sinceMonotonicMs: number;
      readonly error: HoldpointError;
    }
  /** The hub answers and will have nothing of this agent. */
  | { readonly kind: "shut_out"; readonly sinceMs: number; readonly error: HoldpointError };

/** What only a person can change. */
const shutOutCodes = new Set(["HP_REVOKED", "HP_CLONED", "HP_UNAUTHORIZED", "HP_CLOCK", "HP_TOKEN"]);
/** How long the lanes wait when they are kept back, milliseconds. */
export const shutOutRetryMs = 300_000;

export function watchLink(
  exchange: HubExchange,
  clock: Clock,
  onChange: (before: LinkState, now: LinkState) => void,
): LinkHealth {
  return new Health(exchange, clock, onChange);
}

class Health implements LinkHealth {
  state: LinkState = { kind: "new" };
  readonly #exchange: HubExchange;
  readonly #clock: Clock;
  readonly #onChange: (before: LinkState, now: LinkState) => void;
  readonly #troubles = new Map<HubCall<unknown>["name"], HoldpointError>();

  constructor(exchange: HubExchange, clock: Clock, onChange: (before: LinkState, now: LinkState) => void) {
    this.#exchange = exchange;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  get isShutOut(): boolean {
    return this.state.kind === "shut_out";
  }

  async call<T>(call: HubCall<T>, signal?: AbortSignal): Promise<HubAnswer<T>> {
    const { state } = this;
    if (state.kind === "shut_out" && call.name !== "heartbeat" && call.name !== "enrol") {
      const { code, message, hint } = state.error;
      const kept = new HoldpointError(code, message, { hint, retryAfterMs: shutOutRetryMs });
      return { ok: false, outcome: "refused", error: kept };
    }
    const answer = await this.#exchange.call(call, signal);
    if (answer.ok || answer.error.code !== "HP_CLOSED" || answer.outcome === "refused") this.#saw(call.name, answer);
    return answer;
  }

  #saw(name: HubCall<unknown>["name"], answer: HubAnswer<unknown>): void {
    const before = this.state;
    this.state = this.#next(name, answer);
    if (before !== this.state) this.#onChange(before, this.state);
  }

  #next(name: HubCall<unknown>["name"], answer: HubAnswer<unknown>): LinkState {
    const { state } = this;
    if (answer.ok) this.#troubles.delete(name);
    else if (answer.outcome !== "refused") {
      if (state.kind === "unreachable") return { ...state, error: answer.error };
      const sinceMs = Math.round(this.#clock.wallMs());
      const sinceMonotonicMs = this.#clock.monotonicMs();
      return { kind: "unreachable", sinceMs, sinceMonotonicMs, error: answer.error };
    } else if (shutOutCodes.has(answer.error.code)) {
      if (state.kind === "shut_out" && state.error.code === answer.error.code) return state;
      return { kind: "shut_out", sinceMs: Math.round(this.#clock.wallMs()), error: answer.error };
    } else if (answer.error.retry === "backoff") this.#troubles.delete(name);
    else this.#troubles.set(name, answer.error);
    // A call that was under way when the hub shut the agent out proves nothing; the next heartbeat does.
    if (state.kind === "shut_out" && name !== "heartbeat" && name !== "enrol") return state;
    const [trouble = null] = this.#troubles.values();
    if (state.kind === "connected" && state.trouble === trouble) return state;
    return { kind: "connected", trouble };
  }
}

import { HoldpointError, isFinal, parseDecision, type Logger } from "../../protocol/index.ts";
import { exchange, type HttpAnswer, type HttpCall, type HttpExchangeOptions } from "./http-exchange.ts";
import { HttpPoller, type LookUp } from "./http-poller.ts";
import { type OutboxItem } from "./outbox.ts";
import { type Transport, type TransportEvents, type TransportFactory } from "./transport.ts";

/** HTTP: a POST for each item, long polls for what is not final. For browsers, and for whoever has no MQTT. */
export interface HttpOptions extends HttpExchangeOptions {
  readonly logger: Logger;
}

/** The POST waits this long for the decision, so that a usual one costs a single exchange. */
const postWaitMs = 2_000;
/** On top of what the agent is asked to wait. */
const exchangeMs = 10_000;

export function httpTransport(options: HttpOptions): TransportFactory {
  return (events) => new HttpTransport(options, events);
}

class HttpTransport implements Transport {
  readonly asksById = true;
  readonly windowMax = 16;
  readonly #options: HttpOptions;
  readonly #events: TransportEvents;
  readonly #poller: HttpPoller;
  readonly #abort = new AbortController();
  #up = false;

  constructor(options: HttpOptions, events: TransportEvents) {
    this.#options = options;
    this.#events = events;
    this.#poller = new HttpPoller({ timers: options.timers, lookUp: (id, waitMs) => this.#lookUp(id, waitMs) });
  }

  /** There is nothing to open; the first exchange shows whether an agent is there. */
  open(): void {
    this.#up = true;
    this.#events.up();
    this.#poller.start();
  }

  send(item: OutboxItem): void {
    void this.#send(item);
  }

  follow(id: string, revision: number): void {
    this.#poller.follow(id, revision);
  }

  unfollow(id: string): void {
    this.#poller.unfollow(id);
  }

  close(): Promise<void> {
    this.#up = false;
    this.#poller.stop();
    this.#abort.abort(new HoldpointError("HP_CLOSED", "the client is closed"));
    return Promise.resolve();
  }

  async #send(item: OutboxItem): Promise<void> {
    const waitMs = item.kind === "request" ? postWaitMs : 0;
    const answer = await this.#exchange({ method: "POST", path: pathOf(item, waitMs), body: item.bytes }, waitMs);
    if (answer.kind === "failed") this.#failed(answer.error);
    else if (answer.kind === "refused") this.#refused(item, answer.error);
    else if (item.kind !== "request" || answer.status === 202) this.#events.acknowledged(item.key);
    else await this.#decided(item.id, answer, (error) => this.#events.lost(item.key, error));
  }

  async #lookUp(id: string, waitMs: number): Promise<LookUp> {
    const path = `/v1/decisions/${encodeURIComponent(id)}?wait=${waitMs}`;
    const answer = await this.#exchange({ method: "GET", path, body: null }, waitMs);
    if (answer.kind === "failed") {
      this.#failed(answer.error);
      return "failed";
    }
    if (answer.kind === "refused") {
      if (answer.error.code === "HP_UNAUTHORIZED") this.#failed(answer.error);
      else if (answer.error.retry !== "backoff") {
        // The case is gone (another journal), or it belongs to another device: the request itself will tell.
        this.#poller.unfollow(id);
        this.#events.gone(id);
      }
      return "ended";
    }
    if (answer.status === 202) return "waiting";
    return this.#decided(id, answer, (error) => {
      this.#options.logger.error("decision_unreadable", { id, message: error.message });
    });
  }

  async #decided(
    id: string,
    answer: Extract<HttpAnswer, { readonly kind: "ok" }>,
    unreadable: (error: HoldpointError) => void,
  ): Promise<LookUp> {
    const parsed = parseDecision(answer.bytes);
    if (!parsed.ok || parsed.value.id !== id) {
      const why = parsed.ok ? "it is another one's" : parsed.error.message;
      unreadable(new HoldpointError("HP_UNREACHABLE", `the answer for ${id} is no decision: ${why}`));
      return "ended";
    }
    const decision = parsed.value;
    if (isFinal(decision)) this.#poller.unfollow(id);
    else this.#poller.knows(id, decision.revision);
    await this.#events.decision(decision);
    return isFinal(decision) ? "found" : "waiting";
  }

  #refused(item: OutboxItem, error: HoldpointError): void {
    // The device's secret is at fault, not what it asks: keep it and try again later.
    if (error.code === "HP_UNAUTHORIZED") this.#failed(error);
    else this.#events.refused({ id: item.id, key: item.key }, error);
  }

  /** No agent answered: one failed exchange ends the link, so that all wait together and come back jittered. */
  #failed(error: HoldpointError): void {
    if (!this.#up) return;
    this.#up = false;
    this.#poller.stop();
    this.#events.down(error);
  }

  #exchange(call: Omit<HttpCall, "deadlineMs" | "signal">, waitMs: number): Promise<HttpAnswer> {
    return exchange(this.#options, { ...call, deadlineMs: waitMs + exchangeMs, signal: this.#abort.signal });
  }
}

function pathOf(item: OutboxItem, waitMs: number): string {
  switch (item.kind) {
    case "request":
      return `/v1/decisions?wait=${waitMs}`;
    case "outcome":
      return `/v1/decisions/${encodeURIComponent(item.id)}/outcome`;
    case "event":
      return "/v1/events";
  }
}

import {
  HoldpointError,
  type Decision,
  type Encoding,
  type Input,
  type ObservedEvent,
  type Outcome,
} from "../../protocol/index.ts";
import { type DecideOptions, type FinalOptions } from "../decider-port.ts";
import { type ClientPolicy } from "./client-policy.ts";
import {
  type Client,
  type ClientLink,
  type ClientRefusal,
  type ClientStatus,
  type ObserveOptions,
} from "./client-port.ts";
import { Courier, type CourierPorts, type CourierSink } from "./courier.ts";
import { handedOver, Listeners } from "./listeners.ts";
import { eventItem, isSameQuestion, outcomeItem, requestItem, type MessageSource } from "./message-item.ts";
import { type OutboxItem } from "./outbox.ts";
import { RevisionLedger } from "./revision-ledger.ts";
import { WaitingRoom } from "./waiting-room.ts";

export interface AgentClientOptions {
  readonly ports: CourierPorts;
  readonly policy: ClientPolicy;
  readonly encoding: Encoding;
  readonly onTimeout: "reject" | "wait";
}

/** The caller's side of a client: promises and events over the courier that delivers. */
export class AgentClient implements Client {
  readonly #options: AgentClientOptions;
  readonly #source: MessageSource;
  readonly #courier: Courier;
  readonly #waiting: WaitingRoom;
  readonly #ledger: RevisionLedger;
  readonly #revisions: Listeners<Decision>;
  readonly #refusals: Listeners<ClientRefusal>;
  readonly #links: Listeners<ClientLink>;
  #closed: Promise<void> | null = null;

  constructor(options: AgentClientOptions) {
    const { ports, policy, encoding } = options;
    this.#options = options;
    this.#source = { clock: ports.clock, random: ports.random, encoding };
    this.#waiting = new WaitingRoom(ports.timers);
    this.#ledger = new RevisionLedger(policy.revisionsMax);
    this.#revisions = new Listeners(ports.logger);
    this.#refusals = new Listeners(ports.logger);
    this.#links = new Listeners(ports.logger);
    this.#courier = new Courier(ports, policy, this.#sink());
  }

  async decide(task: string, input: Input, options: DecideOptions = {}): Promise<Decision> {
    this.#throwIfClosed();
    options.signal?.throwIfAborted();
    const item = requestItem(this.#source, task, input, options);
    const { patienceMs, graceMs } = this.#options.policy;
    const place = this.#waiting.wait({
      id: item.id,
      until: "decided",
      patienceMs: this.#options.onTimeout === "wait" ? null : (options.deadlineMs ?? patienceMs) + graceMs,
      signal: options.signal,
      expired: () => this.#unanswered(item.id),
    });
    this.#ask(item).then((known) => {
      if (known !== null) this.#waiting.answer(known);
    }, place.fail);
    return place.decision;
  }

  async submit(task: string, input: Input, options: DecideOptions = {}): Promise<string> {
    this.#throwIfClosed();
    options.signal?.throwIfAborted();
    const item = requestItem(this.#source, task, input, options);
    await this.#ask(item);
    return item.id;
  }

  async final(id: string, options: FinalOptions = {}): Promise<Decision> {
    this.#throwIfClosed();
    options.signal?.throwIfAborted();
    await this.#courier.recovered();
    this.#throwIfClosed();
    const outstanding = this.#courier.get(`request/${id}`) !== null || this.#waiting.has(id);
    const known = this.#ledger.final(id);
    if (known !== null && !outstanding) return known;
    const lookUp = !outstanding && this.#courier.asksById;
    if (!outstanding && !lookUp && this.#ledger.latest(id) === null) throw unknownId(id);
    const waitMs = options.waitMs ?? null;
    const place = this.#waiting.wait({
      id,
      until: "final",
      patienceMs: waitMs,
      signal: options.signal,
      expired: () => new HoldpointError("HP_TIMEOUT", `${id} was not final after ${waitMs ?? 0} ms; it stays asked`),
    });
    if (!lookUp) return place.decision;
    this.#courier.follow(id);
    return place.decision.finally(() => {
      if (!this.#waiting.has(id)) this.#courier.unfollow(id);
    });
  }

  async outcome(outcome: Omit<Outcome, "at"> & { readonly at?: number }): Promise<void> {
    this.#throwIfClosed();
    const item = outcomeItem(this.#source, outcome);
    await this.#courier.recovered();
    await this.#courier.submit(item);
  }

  async observe(entity: string, values: ObservedEvent["values"], options: ObserveOptions = {}): Promise<string> {
    this.#throwIfClosed();
    const item = eventItem(this.#source, entity, values, options);
    await this.#courier.recovered();
    const before = this.#courier.get(item.key);
    await (before === null ? this.#courier.submit(item) : before.stored);
    return item.id;
  }

  async recovered(): Promise<readonly string[]> {
    const keys = await this.#courier.recovered();
    return keys.filter((key) => key.startsWith("request/")).map((key) => key.slice("request/".length));
  }

  status(): ClientStatus {
    const { link, linkError, outstanding, outboxBytes } = this.#courier;
    return { link: { phase: link, error: linkError }, outstanding, outboxBytes };
  }

  on(event: "revision", listener: (decision: Decision) => unknown): () => void;
  on(event: "refused", listener: (refusal: ClientRefusal) => unknown): () => void;
  on(event: "link", listener: (link: ClientLink) => unknown): () => void;
  on(event: "revision" | "refused" | "link", listener: (value: never) => unknown): () => void {
    switch (event) {
      case "revision":
        return this.#revisions.add(listener as (decision: Decision) => unknown);
      case "refused":
        return this.#refusals.add(listener as (refusal: ClientRefusal) => unknown);
      case "link":
        return this.#links.add(listener as (link: ClientLink) => unknown);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#waiting.failAll(closedError());
    await this.#courier.close();
  }

  /** Puts a question into the outbox, or joins the same one that is there. Gives its decision if that is known. */
  async #ask(item: OutboxItem): Promise<Decision | null> {
    try {
      // The outbox may still have the question from an earlier life.
      await this.#courier.recovered();
      const before = this.#courier.get(item.key);
      if (before === null) {
        await this.#courier.submit(item);
        return null;
      }
      if (!isSameQuestion(before.item.bytes, item.bytes)) {
        throw new HoldpointError("HP_CONFLICT", `${item.id} was asked before with another body`);
      }
      await before.stored;
      return before.decision;
    } catch (cause) {
      throw HoldpointError.from(cause, "HP_DISK_FULL");
    }
  }

  #sink(): CourierSink {
    return {
      decision: (decision, answers) => this.#decision(decision, answers),
      rejected: (item, error) => {
        const heard = item.kind === "request" && this.#waiting.fail(item.id, error);
        if (!heard) void this.#refusals.tell({ id: item.id, error });
      },
      refused: (id, error) => {
        void this.#refusals.tell({ id, error });
      },
      gone: (id) => this.#waiting.fail(id, unknownId(id)),
      link: (phase, error) => {
        void this.#links.tell({ phase, error });
      },
    };
  }

  async #decision(decision: Decision, answers: boolean): Promise<void> {
    const promises = this.#ledger.admit(decision) ? this.#revisions.tell(decision) : [];
    if (answers) this.#waiting.answer(decision);
    const { ports, policy } = this.#options;
    await handedOver(promises, decision, { ...ports, handOverMsMax: policy.handOverMsMax });
  }

  #unanswered(id: string): HoldpointError {
    const { link, trouble } = this.#courier;
    const options = trouble === null ? {} : { cause: trouble, hint: trouble.hint };
    if (trouble?.code === "HP_UNAUTHORIZED") return new HoldpointError("HP_UNAUTHORIZED", trouble.message, options);
    const because = trouble === null ? (link === "up" ? "" : ` (${link})`) : ` (${trouble.message})`;
    const why = link === "up" ? "the agent has not decided" : "the agent cannot be reached";
    return new HoldpointError("HP_TIMEOUT", `${why}${because}; ${id} stays asked, and final() still answers`, options);
  }

  #throwIfClosed(): void {
    if (this.#closed !== null) throw closedError();
  }
}

function closedError(): HoldpointError {
  return new HoldpointError("HP_CLOSED", "the client is closed");
}

function unknownId(id: string): HoldpointError {
  return new HoldpointError("HP_NOT_FOUND", `nothing is known of ${id}`);
}

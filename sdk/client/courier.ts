import {
  HoldpointError,
  isFinal,
  type Cancel,
  type Clock,
  type Decision,
  type Logger,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { type ClientPolicy } from "./client-policy.ts";
import { linkTransition, newLink, type LinkEvent, type LinkState } from "./link-machine.ts";
import { type Outbox, type OutboxItem } from "./outbox.ts";
import {
  newRequest,
  recoveredRequest,
  transition,
  type RequestEffect,
  type RequestEvent,
  type RequestState,
} from "./request-machine.ts";
import { type RefusedTarget, type Transport, type TransportEvents, type TransportFactory } from "./transport.ts";

/** Delivers what is in the outbox, whatever the network does: the shell around the request and the link machine. */
export interface CourierPorts {
  readonly outbox: Outbox;
  readonly transport: TransportFactory;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** Whom the courier tells. */
export interface CourierSink {
  /**
   * A decision came, perhaps for the second time. `answers`: false where this client has a request of that id that the
   * agent cannot have seen yet, so that the decision belongs to something else. Resolves when whoever wanted it has it.
   */
  decision(decision: Decision, answers: boolean): Promise<void>;
  /** The agent refused this request for good; it is no longer in the outbox. */
  rejected(item: OutboxItem, error: HoldpointError): void;
  /** A refusal that belongs to no request here. */
  refused(id: string | null, error: HoldpointError): void;
  gone(id: string): void;
  link(phase: LinkState["phase"], error: HoldpointError | null): void;
}

/** What a caller may know of something outstanding. */
export interface Outstanding {
  readonly item: OutboxItem;
  /** Settles when the outbox has it, or could not take it. */
  readonly stored: Promise<void>;
  /** The latest revision, if there is one. */
  readonly decision: Decision | null;
}

interface Row extends Outstanding {
  stored: Promise<void>;
  decision: Decision | null;
  state: RequestState;
  cancelTimer: Cancel | null;
}

export class Courier {
  readonly #ports: CourierPorts;
  readonly #policy: ClientPolicy;
  readonly #sink: CourierSink;
  readonly #rows = new Map<string, Row>();
  /** Keys that wait for room, oldest first. */
  readonly #ready = new Set<string>();
  readonly #recovered: string[] = [];
  readonly #started: Promise<void>;
  #transport: Transport | null = null;
  #link: LinkState = newLink;
  #linkError: HoldpointError | null = null;
  #trouble: HoldpointError | null = null;
  #upAtMs = 0;
  #cancelReconnect: Cancel | null = null;
  #bytes = 0;
  #sent = 0;

  constructor(ports: CourierPorts, policy: ClientPolicy, sink: CourierSink) {
    this.#ports = ports;
    this.#policy = policy;
    this.#sink = sink;
    this.#started = this.#start();
    // Whoever submits or asks for what was recovered hears of it; nobody else has to.
    this.#started.catch(() => undefined);
  }

  get link(): LinkState["phase"] {
    return this.#link.phase;
  }

  get linkError(): HoldpointError | null {
    return this.#linkError;
  }

  /**
   * The last thing that went wrong and that nothing good has followed: the link, or what a busy agent is short of. HTTP
   * calls its link up before the agent has looked at the secret, so `linkError` may be null between two refusals.
   */
  get trouble(): HoldpointError | null {
    return this.#trouble;
  }

  get outstanding(): number {
    return this.#rows.size;
  }

  get outboxBytes(): number {
    return this.#bytes;
  }

  /** Whether an unknown id may still be asked for at the agent. */
  get asksById(): boolean {
    return this.#transport?.asksById ?? false;
  }

  get(key: string): Outstanding | null {
    return this.#rows.get(key) ?? null;
  }

  /** Resolves when the outbox is open: the keys that an earlier life left unanswered. */
  async recovered(): Promise<readonly string[]> {
    await this.#started;
    return this.#recovered;
  }

  /**
   * Takes an item at once; resolves when the outbox has it, the rest follows by itself. To be called after
   * `recovered()`, which tells what the outbox has already. Errors: HP_OUTBOX_FULL, HP_CLOSED, those of the outbox.
   */
  async submit(item: OutboxItem): Promise<void> {
    if (this.#link.phase === "closed") throw new HoldpointError("HP_CLOSED", "the client is closed");
    this.#refuseOverflow(item);
    const row = this.#add(item, newRequest);
    row.stored = this.#store(row);
    await row.stored;
  }

  /** Asks the agent for an id that is not in the outbox; `decision` or `gone` follows. */
  follow(id: string): void {
    this.#transport?.follow(id, 0);
  }

  unfollow(id: string): void {
    if (!this.#rows.has(`request/${id}`)) this.#transport?.unfollow(id);
  }

  async close(): Promise<void> {
    if (this.#link.phase === "closed") return;
    this.#onLink({ kind: "close" });
    for (const row of this.#rows.values()) row.cancelTimer?.();
    await this.#started.catch(() => undefined);
    await this.#transport?.close();
    await this.#ports.outbox.close();
  }

  async #start(): Promise<void> {
    const { instance, items } = await this.#ports.outbox.list();
    for (const item of items) {
      this.#recovered.push(item.key);
      this.#add(item, recoveredRequest);
    }
    this.#transport = this.#ports.transport(this.#transportEvents(), instance);
    this.#onLink({ kind: "start" });
  }

  async #store(row: Row): Promise<void> {
    try {
      await this.#ports.outbox.put(row.item);
    } catch (cause) {
      this.#dispatch(row, { kind: "store_failed" });
      throw HoldpointError.from(cause, "HP_DISK_FULL");
    }
    if (this.#link.phase !== "closed") this.#dispatch(row, { kind: "stored" });
  }

  #refuseOverflow(item: OutboxItem): void {
    const { outstandingMax, outboxBytesMax } = this.#policy;
    const full =
      this.#rows.size >= outstandingMax
        ? `${outstandingMax} messages`
        : this.#bytes + item.bytes.byteLength > outboxBytesMax
          ? `${outboxBytesMax} bytes`
          : null;
    if (full === null) return;
    const why = this.#linkError === null ? "" : ` (${this.#linkError.message})`;
    throw new HoldpointError("HP_OUTBOX_FULL", `the outbox holds ${full} that the agent has not answered${why}`);
  }

  #add(item: OutboxItem, state: RequestState): Row {
    const row: Row = { item, state, stored: Promise.resolve(), decision: null, cancelTimer: null };
    this.#rows.set(item.key, row);
    this.#bytes += item.bytes.byteLength;
    if (state.phase === "queued") this.#ready.add(item.key);
    return row;
  }

  #dispatch(row: Row, event: RequestEvent): void {
    const before = row.state.phase;
    const { state, effects } = transition(row.state, event, {
      random: this.#ports.random.uniform(),
      expectsDecision: row.item.kind === "request",
      policy: this.#policy.request,
    });
    row.state = state;
    if (before !== state.phase) this.#moved(row, before);
    for (const effect of effects) this.#perform(row, effect);
    if (before !== state.phase && (before === "sent" || state.phase === "queued")) this.#pump();
  }

  /** Keeps what is counted by phase in step: the window, the queue, the timer, the asking by id. */
  #moved(row: Row, before: RequestState["phase"]): void {
    const { key, kind, id } = row.item;
    row.cancelTimer?.();
    row.cancelTimer = null;
    if (before === "sent") this.#sent -= 1;
    if (before === "queued") this.#ready.delete(key);
    if (before === "acknowledged" && kind === "request") this.#transport?.unfollow(id);
    if (row.state.phase === "sent") this.#sent += 1;
    if (row.state.phase === "queued") this.#ready.add(key);
    if (row.state.phase === "acknowledged" && kind === "request") this.#transport?.follow(id, row.state.revision);
  }

  #perform(row: Row, effect: RequestEffect): void {
    switch (effect.kind) {
      case "send":
        this.#transport?.send(row.item);
        return;
      case "wake":
        row.cancelTimer?.();
        row.cancelTimer = this.#ports.timers.after(effect.afterMs, () => this.#dispatch(row, { kind: "due" }));
        return;
      case "remove":
        this.#rows.delete(row.item.key);
        this.#bytes -= row.item.bytes.byteLength;
        return;
      case "reject":
        this.#sink.rejected(row.item, effect.error);
        return;
      case "hand_over":
        // `#decision` hands over, because it also knows the decisions that belong to no row.
        return;
    }
  }

  /** Sends what waits, as far as the link and the window allow. */
  #pump(): void {
    if (this.#link.phase !== "up") return;
    const windowMax = this.#transport?.windowMax ?? 0;
    for (const key of this.#ready) {
      if (this.#sent >= windowMax) return;
      const row = this.#rows.get(key);
      if (row) this.#dispatch(row, { kind: "room" });
    }
  }

  #onLink(event: LinkEvent, error: HoldpointError | null = null): void {
    const before = this.#link.phase;
    const { state, effects } = linkTransition(this.#link, event, {
      random: this.#ports.random.uniform(),
      upForMs: before === "up" ? this.#ports.clock.monotonicMs() - this.#upAtMs : 0,
      policy: this.#policy.link,
    });
    this.#link = state;
    if (before === state.phase) return;
    if (state.phase === "up") this.#upAtMs = this.#ports.clock.monotonicMs();
    if (state.phase === "up" || state.phase === "waiting") this.#linkError = error;
    this.#trouble = error ?? this.#trouble;
    this.#sink.link(state.phase, this.#linkError);
    for (const effect of effects) {
      if (effect.kind === "open") this.#transport?.open();
      else if (effect.kind === "close") this.#cancelReconnect?.();
      else this.#cancelReconnect = this.#ports.timers.after(effect.afterMs, () => this.#onLink({ kind: "due" }));
    }
    if (state.phase === "up") this.#pump();
    if (before === "up" && state.phase === "waiting") {
      for (const row of [...this.#rows.values()]) this.#dispatch(row, { kind: "lost", link: "down" });
    }
  }

  #transportEvents(): TransportEvents {
    return {
      up: () => this.#onLink({ kind: "opened" }),
      down: (error) => {
        this.#ports.logger.info("link_lost", { code: error.code, message: error.message });
        this.#onLink({ kind: "down" }, error);
      },
      acknowledged: (key) => {
        this.#trouble = null;
        this.#tell(key, { kind: "acknowledged" });
      },
      lost: (key, error) => {
        this.#ports.logger.info("exchange_lost", { key, code: error.code, message: error.message });
        this.#linkError = error;
        this.#trouble = error;
        this.#tell(key, { kind: "lost", link: "up" });
      },
      decision: (decision) => this.#decision(decision),
      refused: (target, error) => this.#refused(target, error),
      gone: (id) => {
        this.#tell(`request/${id}`, { kind: "gone" });
        if (!this.#rows.has(`request/${id}`)) this.#sink.gone(id);
      },
    };
  }

  #tell(key: string, event: RequestEvent): void {
    const row = this.#rows.get(key);
    if (!row || this.#link.phase === "closed") return;
    this.#dispatch(row, event);
    if (row.state.phase === "final") void this.#forget(row.item.key);
  }

  async #decision(decision: Decision): Promise<void> {
    if (this.#link.phase === "up") this.#linkError = null;
    this.#trouble = null;
    const row = this.#rows.get(`request/${decision.id}`);
    const answers = row?.state.asked ?? true;
    if (row && answers) {
      if (decision.revision > row.state.revision) row.decision = decision;
      this.#dispatch(row, { kind: "decided", revision: decision.revision, final: isFinal(decision) });
    }
    await this.#sink.decision(decision, answers);
    // Only now: if the process dies while the application takes the decision, the outbox still asks for it.
    if (row?.state.phase === "final") await this.#forget(row.item.key);
  }

  #refused(target: RefusedTarget, error: HoldpointError): void {
    const busy = error.retry === "backoff";
    const { id } = target;
    if (busy) this.#trouble = error;
    if (busy && id === null) {
      this.#busyAll(error);
      return;
    }
    const row = this.#rows.get(target.key ?? `request/${id ?? ""}`) ?? this.#rows.get(`event/${id ?? ""}`);
    if (!row?.state.asked) {
      if (!busy) this.#sink.refused(id, error);
      return;
    }
    this.#dispatch(row, busy ? { kind: "busy", retryAfterMs: error.retryAfterMs ?? 0 } : { kind: "refused", error });
    if (row.state.phase === "refused") void this.#forget(row.item.key);
  }

  /** An agent that could not read an id means all that it has not acknowledged. */
  #busyAll(error: HoldpointError): void {
    for (const row of [...this.#rows.values()]) {
      if (row.state.phase === "sent") this.#dispatch(row, { kind: "busy", retryAfterMs: error.retryAfterMs ?? 0 });
    }
  }

  async #forget(key: string): Promise<void> {
    // The same id may have been asked again meanwhile: the item is then that request's.
    if (this.#rows.has(key) || this.#link.phase === "closed") return;
    try {
      await this.#ports.outbox.remove(key);
    } catch (cause) {
      // It stays in the outbox, is sent again by the next life and gets the same answer: no harm but the work.
      this.#ports.logger.warn("outbox_remove_failed", { key, cause });
    }
  }
}

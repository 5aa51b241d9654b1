import { z } from "zod";
import {
  feedItemSchema,
  HoldpointError,
  hubLimits,
  type Cancel,
  type Clock,
  type FeedItem,
  type Logger,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { defaultBackOff, type BackOffPace } from "./back-off.ts";
import { feed, startFeed, type FeedEffect, type FeedEvent, type FeedState } from "./feed-machine.ts";
import { type HubExchange } from "./hub-port.ts";

/** What the agent does with what the hub tells it. Rejections with `retry` other than "never" are tried again. */
export interface FeedTarget {
  /** A person's answer. Once durable, the same `reviewId` again changes nothing. */
  review(item: Extract<FeedItem, { kind: "review" }>): Promise<void>;
  erase(id: string): Promise<void>;
  /** There is another config; pulled beside the feed, because a verdict does not wait for it. */
  config(version: number): void;
}

/** Where the feed's cursor is kept durably. */
export interface CursorStore {
  read(): Promise<string | null>;
  write(cursor: string): Promise<void>;
}

export interface FeedOptions {
  readonly exchange: HubExchange;
  readonly target: FeedTarget;
  readonly cursors: CursorStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly pace?: BackOffPace;
  readonly waitMs?: number;
  readonly onChange?: () => void;
}

export interface RunningFeed {
  readonly applied: number;
  /** Items that could not be understood or never be applied. */
  readonly skipped: number;
  /** Why the newest item is not applied yet, or null. */
  readonly stuck: HoldpointError | null;
  /** Monotonic time at which the hub last said that there is nothing more, or null. */
  readonly freshAtMs: number | null;
  wake(): void;
  /** Gives up the call that is under way, and resolves when nothing is. */
  close(): Promise<void>;
}

/** What comes back is only counted until then; each item is looked at by itself, so that one bad one stops no other. */
const replySchema = z.object({ cursor: z.string().max(200), items: z.array(z.unknown()).max(hubLimits.feedItemsMax) });

/** Shorter than common proxies keep a silent connection. */
const waitMsDefault = 25_000;
/** Cases whose items are applied at a time: they share commits. */
const casesAtOnce = 32;
const earlyMs = 500;

export function followFeed(options: FeedOptions): RunningFeed {
  return new Feed(options);
}

class Feed implements RunningFeed {
  applied = 0;
  skipped = 0;
  stuck: HoldpointError | null = null;
  freshAtMs: number | null = null;
  readonly #options: FeedOptions;
  readonly #giveUp = new AbortController();
  #state: FeedState<FeedItem> = startFeed();
  #cancelRest: Cancel = () => undefined;
  #underWay: Promise<unknown> = Promise.resolve();

  constructor(options: FeedOptions) {
    this.#options = options;
    void this.#begin();
  }

  wake(): void {
    if (this.#state.phase !== "resting" || this.stuck !== null) return;
    this.#cancelRest();
    this.#dispatch({ kind: "rang" });
  }

  async close(): Promise<void> {
    this.#cancelRest();
    this.#dispatch({ kind: "stop" });
    this.#giveUp.abort();
    await this.#underWay;
  }

  async #begin(): Promise<void> {
    const cursor = await this.#options.cursors.read().catch((cause: unknown) => {
      // Without it the hub tells again what it still has; nothing is applied twice.
      this.#options.logger.warn("feed_cursor_unreadable", { cause });
      return null;
    });
    this.#dispatch({ kind: "start", cursor });
  }

  #dispatch(event: FeedEvent<FeedItem>): void {
    const inputs = { uniform: this.#options.random.uniform(), pace: this.#options.pace ?? defaultBackOff };
    const { state, effects } = feed(this.#state, event, inputs);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    this.#options.onChange?.();
  }

  #perform(effect: FeedEffect<FeedItem>): void {
    switch (effect.kind) {
      case "poll":
        this.#run(() => this.#poll(effect.cursor));
        return;
      case "apply":
        this.#run(() => this.#apply(effect.items));
        return;
      case "keep":
        this.#run(() => this.#keep(effect.cursor));
        return;
      case "rest":
        this.#cancelRest = this.#options.timers.after(effect.delayMs, () => this.#dispatch({ kind: "rang" }));
    }
  }

  #run(work: () => Promise<FeedEvent<FeedItem>>): void {
    this.#underWay = work()
      .then((event) => this.#dispatch(event))
      .catch((cause: unknown) => this.#options.logger.error("feed_stopped", { cause }));
  }

  async #poll(cursor: string | null): Promise<FeedEvent<FeedItem>> {
    const { exchange, clock, waitMs = waitMsDefault } = this.#options;
    const startedMs = clock.monotonicMs();
    const query = new URLSearchParams({ wait: String(waitMs), ...(cursor === null ? {} : { cursor }) });
    const answer = await exchange.call(
      {
        name: "feed",
        method: "GET",
        path: "/v1/feed",
        query: `?${query.toString()}`,
        reply: replySchema,
        deadlineMs: waitMs + 15_000,
      },
      this.#giveUp.signal,
    );
    if (!answer.ok) return { kind: "failed", retryAfterMs: answer.error.retryAfterMs ?? null };
    const items = answer.value.items.flatMap((item) => this.#read(item));
    if (answer.value.items.length === 0) this.freshAtMs = clock.monotonicMs();
    const isEarly = clock.monotonicMs() - startedMs < Math.min(earlyMs, waitMs / 2);
    return { kind: "came", cursor: answer.value.cursor, items, isEarly: isEarly && cursor === answer.value.cursor };
  }

  #read(item: unknown): readonly FeedItem[] {
    const parsed = feedItemSchema.safeParse(item);
    if (parsed.success) return [parsed.data];
    this.skipped += 1;
    const [issue] = parsed.error.issues;
    this.#options.logger.error("feed_item_skipped", { why: issue?.message, at: issue?.path.join(".") });
    return [];
  }

  /** Items of one case in order, of several cases beside each other. A case stops at its first item that must wait. */
  async #apply(items: readonly FeedItem[]): Promise<FeedEvent<FeedItem>> {
    const byCase = new Map<string, FeedItem[]>();
    for (const item of items) {
      const name = item.kind === "config" ? "" : item.id;
      const known = byCase.get(name);
      if (known) known.push(item);
      else byCase.set(name, [item]);
    }
    const left = new Set<FeedItem>();
    let stuck: HoldpointError | null = null;
    const lines = [...byCase.values()];
    const work = async (): Promise<void> => {
      for (let line = lines.shift(); line; line = lines.shift()) {
        for (const [index, item] of line.entries()) {
          const error = await this.#applyOne(item);
          if (!error) continue;
          stuck = error;
          for (const later of line.slice(index)) left.add(later);
          break;
        }
      }
    };
    await Promise.all(Array.from({ length: casesAtOnce }, work));
    this.stuck = stuck;
    return { kind: "applied", left: items.filter((item) => left.has(item)) };
  }

  /** Null when this item is done with; else why it must be tried again. */
  async #applyOne(item: FeedItem): Promise<HoldpointError | null> {
    const { target, logger } = this.#options;
    try {
      if (item.kind === "review") await target.review(item);
      else if (item.kind === "erase") await target.erase(item.id);
      else target.config(item.version);
      this.applied += 1;
      return null;
    } catch (cause) {
      const error = HoldpointError.from(cause, "HP_JOURNAL");
      const about = { seq: item.seq, kind: item.kind, id: item.kind === "config" ? null : item.id, code: error.code };
      if (error.retry !== "never") {
        logger.warn("feed_item_waits", { ...about, cause });
        return error;
      }
      this.skipped += 1;
      logger.error("feed_item_skipped", { ...about, cause });
      return null;
    }
  }

  async #keep(cursor: string): Promise<FeedEvent<FeedItem>> {
    try {
      await this.#options.cursors.write(cursor);
      return { kind: "kept" };
    } catch (cause) {
      this.#options.logger.warn("feed_cursor_not_kept", { cause });
      return { kind: "failed", retryAfterMs: null };
    }
  }
}

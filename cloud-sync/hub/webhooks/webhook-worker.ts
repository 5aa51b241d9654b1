import { type Cancel } from "../../../protocol/index.ts";
import { type HubParts } from "../room.ts";
import { deliver, type DeliveryEvent } from "./delivery-machine.ts";
import { type SendResult, type WebhookSender } from "./webhook-sender.ts";
import { webhookHeaders } from "./webhook-signature.ts";

/**
 * Sends what is due, at any process of the hub. A delivery is taken for a time and under a generation; where the process
 * dies, another takes it after that time, so a receiver may hear a delivery twice and never not at all.
 */
export interface WebhookWorkerOptions extends HubParts {
  readonly sender: WebhookSender;
}

/** Longer than an attempt may take with everything around it. */
const leaseMs = 30_000;
const atOnceMax = 16;
/** Of one webhook: a receiver that hangs holds up itself and nobody else. */
const perWebhookMax = 2;
/** What another process's news did not say is found by looking. */
const lookEveryMs = 2_000;

interface Taken {
  readonly delivery_id: string;
  readonly webhook_id: string;
  readonly body: string;
  readonly attempts: number;
  readonly generation: number;
}

export function startWebhookWorker(options: WebhookWorkerOptions): Cancel {
  const { database, timers, logger } = options;
  const stopped = new AbortController();
  const running = new Map<string, number>();
  let busy = 0;
  let looking = false;
  let again = false;
  let cancelTimer: Cancel = () => undefined;

  const run = async (taken: Taken): Promise<void> => {
    busy += 1;
    running.set(taken.webhook_id, (running.get(taken.webhook_id) ?? 0) + 1);
    try {
      await attempt(options, taken, stopped.signal);
    } catch (cause) {
      // The database is away: the lease ends by itself, and the delivery is tried again.
      logger.warn("hub_webhook_attempt_lost", { delivery: taken.delivery_id, cause });
    } finally {
      busy -= 1;
      running.set(taken.webhook_id, (running.get(taken.webhook_id) ?? 1) - 1);
      look();
    }
  };
  const lookOnce = async (): Promise<void> => {
    const full = [...running].filter(([, count]) => count >= perWebhookMax).map(([id]) => id);
    const rows = await take(options, atOnceMax - busy, full);
    for (const row of rows) {
      // More of one webhook than it may have at once go back at once.
      if ((running.get(row.webhook_id) ?? 0) < perWebhookMax) void run(row);
      else await giveBack(options, row);
    }
  };
  const look = (): void => {
    again = looking;
    if (looking || stopped.signal.aborted || busy >= atOnceMax) return;
    looking = true;
    void lookOnce()
      .catch((cause: unknown) => logger.warn("hub_webhooks_not_read", { cause }))
      .finally(() => {
        looking = false;
        if (again) look();
      });
  };
  const pace = (): void => {
    cancelTimer = timers.after(lookEveryMs, () => {
      look();
      pace();
    });
  };
  const unlisten = database.onNews(({ kind }) => {
    if (kind === "delivery") look();
  });
  pace();
  look();
  return () => {
    stopped.abort();
    unlisten();
    cancelTimer();
  };
}

/** Takes what is due, one per webhook and statement at most `count`, under a lease. */
async function take(
  { database, clock }: WebhookWorkerOptions,
  count: number,
  full: readonly string[],
): Promise<readonly Taken[]> {
  const nowMs = Math.round(clock.wallMs());
  const due = await database.read((db) =>
    db
      .selectFrom("webhook_deliveries")
      .select("delivery_id")
      .where("state", "=", "waiting")
      .where("due_ms", "<=", nowMs)
      .limit(1)
      .executeTakeFirst(),
  );
  // Mostly there is nothing, and a look is cheaper than a transaction.
  if (!due || count <= 0) return [];
  return database.write(({ db }) =>
    db
      .updateTable("webhook_deliveries")
      .set((row) => ({ due_ms: nowMs + leaseMs, generation: row("generation", "+", 1) }))
      .where("delivery_id", "in", (rows) =>
        rows
          .selectFrom("webhook_deliveries")
          .select("delivery_id")
          .where("state", "=", "waiting")
          .where("due_ms", "<=", nowMs)
          .$if(full.length > 0, (query) => query.where("webhook_id", "not in", full))
          .orderBy("due_ms")
          .limit(count)
          .$if(database.kind === "postgres", (query) => query.forUpdate().skipLocked()),
      )
      .returning(["delivery_id", "webhook_id", "body", "attempts", "generation"])
      .execute(),
  );
}

async function giveBack({ database, clock }: WebhookWorkerOptions, taken: Taken): Promise<void> {
  await database.write(({ db }) =>
    db
      .updateTable("webhook_deliveries")
      .set({ due_ms: Math.round(clock.wallMs()) })
      .where("delivery_id", "=", taken.delivery_id)
      .where("generation", "=", taken.generation)
      .execute(),
  );
}

async function attempt(options: WebhookWorkerOptions, taken: Taken, signal: AbortSignal): Promise<void> {
  const { database, clock, hasher, sender } = options;
  const webhook = await database.read((db) =>
    db
      .selectFrom("webhooks")
      .select(["url", "secret", "off"])
      .where("webhook_id", "=", taken.webhook_id)
      .executeTakeFirst(),
  );
  if (!webhook || webhook.off !== null) {
    await settle(options, taken, { kind: "gone" }, { kind: "failed", reason: "the webhook is off" });
    return;
  }
  const timestampS = Math.floor(clock.wallMs() / 1000);
  const message = { id: taken.delivery_id, timestampS, body: taken.body };
  const headers = webhookHeaders(message, webhook.secret, hasher);
  const result = await sender.send({ url: webhook.url, headers, body: taken.body, signal });
  // The hub stops: the lease ends by itself, and nothing is held against the receiver.
  if (signal.aborted) return;
  await settle(options, taken, eventOf(result), result);
}

function eventOf(result: SendResult): DeliveryEvent {
  if (result.kind === "failed") return { kind: "failed", retryAfterMs: null };
  if (result.status >= 200 && result.status < 300) return { kind: "delivered" };
  return result.status === 410 ? { kind: "gone" } : { kind: "failed", retryAfterMs: result.retryAfterMs };
}

async function settle(
  { database, clock, random, logger, events }: WebhookWorkerOptions,
  taken: Taken,
  event: DeliveryEvent,
  result: SendResult,
): Promise<void> {
  const nowMs = Math.round(clock.wallMs());
  const before = { state: "waiting" as const, attempts: taken.attempts, dueMs: nowMs };
  const after = deliver(before, event, { nowMs, uniform: random.uniform() });
  const isAnswer = result.kind === "answered";
  const isGone = event.kind === "gone" && isAnswer;
  await database.write(async (trx) => {
    await trx.db
      .updateTable("webhook_deliveries")
      .set({
        state: after.state,
        attempts: after.attempts,
        last_status: isAnswer ? result.status : null,
        last_error: isAnswer ? null : result.reason.slice(0, 500),
        ...(after.state === "waiting" ? { due_ms: after.dueMs } : { ended_ms: nowMs }),
      })
      .where("delivery_id", "=", taken.delivery_id)
      .where("generation", "=", taken.generation)
      .where("state", "=", "waiting")
      .execute();
    if (!isGone) return;
    await trx.db.updateTable("webhooks").set({ off: "gone" }).where("webhook_id", "=", taken.webhook_id).execute();
    trx.tell({ kind: "webhooks" });
  });
  if (isGone) events.askersChanged();
  if (after.state === "dead") logger.warn("hub_webhook_dead_letter", { delivery: taken.delivery_id });
}

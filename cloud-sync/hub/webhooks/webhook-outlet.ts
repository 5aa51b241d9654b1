import { newId, type Clock, type Random } from "../../../protocol/index.ts";
import { type HubDatabase, type HubTransaction } from "../database/database.ts";
import { type EventOutlet, type HubEvent, type HubEventType } from "./hub-event.ts";

interface Subscription {
  readonly webhookId: string;
  readonly events: ReadonlySet<string>;
  readonly stores: ReadonlySet<string> | null;
}

/** Rows of one statement: twelve columns each, and SQLite binds at most 32,766 values. */
const rowsMax = 1000;

/**
 * Writes a delivery for each webhook that asked for an event, in the transaction of what it tells. Who asked is
 * remembered until news say that it changed, so that a hub without webhooks pays nothing for them.
 */
export function createWebhookOutlet(options: {
  readonly database: HubDatabase;
  readonly clock: Clock;
  readonly random: Random;
}): EventOutlet {
  const { database, clock, random } = options;
  let known: Promise<readonly Subscription[]> | null = null;
  const forget = (): void => {
    known = null;
  };
  database.onNews(({ kind }) => {
    if (kind === "webhooks" || kind === "resync") forget();
  });

  /** Read in the caller's transaction: SQLite has no second connection to read on. */
  async function subscriptions(trx: HubTransaction): Promise<readonly Subscription[]> {
    const reading = (known ??= readSubscriptions(trx));
    try {
      return await reading;
    } catch (cause) {
      if (known === reading) known = null;
      throw cause;
    }
  }

  return {
    askersChanged: forget,
    wants: async (trx, type) => (await subscriptions(trx)).some(({ events }) => events.has(type)),
    emit: async (trx, events) => {
      const all = events.length === 0 ? [] : await subscriptions(trx);
      if (all.length === 0) return;
      const nowMs = Math.round(clock.wallMs());
      const rows = events.flatMap((event) => {
        const body = bodyOf(event, nowMs);
        return all
          .filter((subscription) => asksFor(subscription, event))
          .map(({ webhookId }) => ({
            ...{ delivery_id: `msg_${newId(clock, random)}`, webhook_id: webhookId, event: event.type, body },
            ...{ made_ms: nowMs, state: "waiting" as const, due_ms: nowMs, attempts: 0, generation: 0 },
            ...{ last_status: null, last_error: null, ended_ms: null },
          }));
      });
      for (let from = 0; from < rows.length; from += rowsMax) {
        await trx.db
          .insertInto("webhook_deliveries")
          .values(rows.slice(from, from + rowsMax))
          .execute();
      }
      if (rows.length > 0) trx.tell({ kind: "delivery" });
    },
  };
}

async function readSubscriptions({ db }: HubTransaction): Promise<readonly Subscription[]> {
  const rows = await db
    .selectFrom("webhooks")
    .select(["webhook_id", "events", "stores"])
    .where("off", "is", null)
    .execute();
  return rows.map(({ webhook_id: webhookId, events, stores }) => ({
    webhookId,
    events: new Set(JSON.parse(events) as HubEventType[]),
    stores: stores === null ? null : new Set(JSON.parse(stores) as string[]),
  }));
}

/** A webhook of some stores hears neither of other stores nor of the whole fleet. */
function asksFor({ events, stores }: Subscription, { type, store }: HubEvent): boolean {
  return events.has(type) && (stores === null || (store !== null && stores.has(store)));
}

/** Standard Webhooks, "Payload structure": type, timestamp, data. */
function bodyOf({ type, store, data }: HubEvent, nowMs: number): string {
  return JSON.stringify({ type, timestamp: new Date(nowMs).toISOString(), data: { store, ...data } });
}

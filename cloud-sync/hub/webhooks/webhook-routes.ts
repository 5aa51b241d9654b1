import { z } from "zod";
import { HoldpointError, namePattern, newId } from "../../../protocol/index.ts";
import { type PersonCaller } from "../api/caller.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { cursorText, listCursor, pageOf, pageQuery, pageSchema } from "../api/pages.ts";
import { checkWholeHub } from "../api/whole-hub.ts";
import { type HubParts } from "../room.ts";
import { deliver, type DeliveryState } from "./delivery-machine.ts";
import { hubEventTypes, type HubEventType } from "./hub-event.ts";
import { type WebhookSender } from "./webhook-sender.ts";
import { secretText } from "./webhook-signature.ts";

export interface WebhookRouteOptions extends HubParts {
  readonly sender: WebhookSender;
}

/** Each event is a row for each webhook that asked for it. */
const webhooksMax = 50;
const pageMax = 200;
const secretBytes = 32;

const name = z.string().regex(namePattern, { error: "must be a name of letters, digits, dots, dashes" });
const newWebhook = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: "must be an https address" }).max(2000),
  events: z.array(z.enum(hubEventTypes)).min(1, { error: "must be one at least" }).max(hubEventTypes.length),
  /** Only events of these stores; every event where it is left out. */
  stores: z.array(name).min(1).max(1000).nullable().default(null),
});
const webhook = z.strictObject({
  id: z.string(),
  url: z.string(),
  events: z.array(z.string()),
  stores: z.array(z.string()).nullable(),
  madeMs: z.number(),
  madeBy: z.string(),
  off: z.string().nullable(),
  waiting: z.number(),
  dead: z.number(),
});
const delivery = z.strictObject({
  id: z.string(),
  event: z.string(),
  madeMs: z.number(),
  state: z.enum(["waiting", "sent", "dead"]),
  attempts: z.number(),
  dueMs: z.number().nullable(),
  lastStatus: z.number().nullable(),
  lastError: z.string().nullable(),
});
const page = z.strictObject({
  cursor: cursorText.optional(),
  limit: z.coerce.number().int().min(1).max(pageMax).default(50),
  state: z.enum(["waiting", "sent", "dead"]).optional(),
});
const tag = "webhooks";
const webhookCursors = listCursor("webhooks", z.string());
/** Webhook and delivery. */
const deliveryCursors = listCursor("deliveries", z.tuple([z.string(), z.string()]));

/** Webhooks are of the whole fleet's admins: who makes one can have anything that happens, of any task, sent anywhere. */
export function webhookRoutes(options: WebhookRouteOptions): readonly HubRoute[] {
  const { database } = options;
  return [
    personRoute("settings.write", {
      method: "POST",
      path: "/v1/webhooks",
      operation: {
        id: "createWebhook",
        summary: "Have events sent to an address; the answer has its secret, once",
        tag,
      },
      secret: true,
      body: newWebhook,
      reply: z.strictObject({ id: z.string(), secret: z.string() }),
      handle: ({ caller, body }) => create(options, caller, body),
    }),
    personRoute("settings.write", {
      method: "GET",
      path: "/v1/webhooks",
      operation: { id: "listWebhooks", summary: "List the webhooks, without their secrets", tag },
      query: pageQuery({}),
      reply: pageSchema(webhook),
      handle: async ({ caller, query: { cursor, limit } }) => {
        mustOwnAll(caller);
        const items = await list(options, webhookCursors.read(cursor), limit + 1);
        return pageOf(items, limit, ({ id }) => webhookCursors.write(id));
      },
    }),
    personRoute("settings.write", {
      method: "DELETE",
      path: "/v1/webhooks/:id",
      operation: { id: "deleteWebhook", summary: "Send nothing more there; what waits is dropped", tag },
      reply: z.undefined(),
      handle: ({ caller, params }) => remove(options, caller, params["id"] ?? ""),
    }),
    personRoute("settings.write", {
      method: "GET",
      path: "/v1/webhooks/:id/deliveries",
      operation: { id: "listDeliveries", summary: "List what was sent, waits, or is a dead letter; newest first", tag },
      query: page,
      reply: z.strictObject({ items: z.array(delivery), cursor: z.string().nullable() }),
      handle: ({ caller, params, query }) => {
        mustOwnAll(caller);
        return database.read((db) => deliveries(db, params["id"] ?? "", query));
      },
    }),
    personRoute("settings.write", {
      method: "POST",
      path: "/v1/webhooks/:id/deliveries/:delivery/retry",
      operation: {
        id: "retryDelivery",
        summary: "Send a delivery that has ended once more, from the first attempt",
        tag,
      },
      reply: z.undefined(),
      handle: ({ caller, params }) => retry(options, caller, params["id"] ?? "", params["delivery"] ?? ""),
    }),
  ];
}

function mustOwnAll(caller: PersonCaller): void {
  checkWholeHub(caller, "webhooks are for admins of the whole fleet");
}

async function create(
  { database, clock, random, audit, sender, events: outlet }: WebhookRouteOptions,
  caller: PersonCaller,
  { url, events, stores }: z.output<typeof newWebhook>,
): Promise<{ id: string; secret: string }> {
  mustOwnAll(caller);
  await checkUrl(sender, url);
  const id = newId(clock, random);
  const secret = secretText(random.bytes(secretBytes));
  const by = `${caller.kind}:${caller.id}`;
  await database.write(async (trx) => {
    const { count } = await trx.db
      .selectFrom("webhooks")
      .select((one) => one.fn.countAll<number>().as("count"))
      .executeTakeFirstOrThrow();
    if (count >= webhooksMax) {
      throw new HoldpointError("HP_TOO_LARGE", `there are ${webhooksMax} webhooks already`, { hint: "Delete one." });
    }
    await trx.db
      .insertInto("webhooks")
      .values({
        ...{ webhook_id: id, url, secret, events: JSON.stringify([...new Set(events)]), off: null },
        ...{ stores: stores && JSON.stringify(stores), made_ms: Math.round(clock.wallMs()), made_by: caller.name },
      })
      .execute();
    const detail = { url, events, stores };
    await audit.record(trx, { actor: by, action: "webhook.made", subject: `webhook:${id}`, detail });
    trx.tell({ kind: "webhooks" });
  });
  outlet.askersChanged();
  return { id, secret };
}

/** Errors: HP_FORBIDDEN; HP_SCHEMA for a name that has no address, which waiting does not mend. */
async function checkUrl(sender: WebhookSender, url: string): Promise<void> {
  try {
    await sender.check(url);
  } catch (cause) {
    if (!(cause instanceof HoldpointError) || cause.code !== "HP_UNREACHABLE") throw cause;
    throw new HoldpointError("HP_SCHEMA", `url: ${cause.message}`, { hint: cause.hint, cause });
  }
}

async function list(
  { database }: WebhookRouteOptions,
  after: string | null,
  limit: number,
): Promise<z.input<typeof webhook>[]> {
  return database.read(async (db) => {
    const all = db.selectFrom("webhooks").selectAll().orderBy("webhook_id").limit(limit);
    const rows = await (after === null ? all : all.where("webhook_id", ">", after)).execute();
    const counts = await db
      .selectFrom("webhook_deliveries")
      .select(["webhook_id", "state", (row) => row.fn.countAll<number>().as("count")])
      .where("state", "in", ["waiting", "dead"])
      .groupBy(["webhook_id", "state"])
      .execute();
    const countOf = (id: string, state: string): number =>
      counts.find((row) => row.webhook_id === id && row.state === state)?.count ?? 0;
    return rows.map((row) => ({
      id: row.webhook_id,
      url: row.url,
      events: JSON.parse(row.events) as HubEventType[],
      stores: row.stores === null ? null : (JSON.parse(row.stores) as string[]),
      madeMs: row.made_ms,
      madeBy: row.made_by,
      off: row.off,
      waiting: countOf(row.webhook_id, "waiting"),
      dead: countOf(row.webhook_id, "dead"),
    }));
  });
}

async function remove(
  { database, audit, events }: WebhookRouteOptions,
  caller: PersonCaller,
  id: string,
): Promise<undefined> {
  mustOwnAll(caller);
  await database.write(async (trx) => {
    const gone = await trx.db.deleteFrom("webhooks").where("webhook_id", "=", id).returning("url").executeTakeFirst();
    if (!gone) throw noSuchWebhook();
    await trx.db.deleteFrom("webhook_deliveries").where("webhook_id", "=", id).execute();
    const actor = `${caller.kind}:${caller.id}`;
    await audit.record(trx, { actor, action: "webhook.deleted", subject: `webhook:${id}`, detail: { url: gone.url } });
    trx.tell({ kind: "webhooks" });
  });
  events.askersChanged();
}

function noSuchWebhook(): HoldpointError {
  return new HoldpointError("HP_NOT_FOUND", "no such webhook");
}

type Db = Parameters<Parameters<HubParts["database"]["read"]>[0]>[0];

async function deliveries(
  db: Db,
  webhookId: string,
  { cursor, limit, state }: z.output<typeof page>,
): Promise<{ items: z.input<typeof delivery>[]; cursor: string | null }> {
  const after = deliveryCursors.read(cursor);
  const known = await db.selectFrom("webhooks").select("url").where("webhook_id", "=", webhookId).executeTakeFirst();
  if (!known) throw noSuchWebhook();
  const rows = await db
    .selectFrom("webhook_deliveries")
    .selectAll()
    .where("webhook_id", "=", webhookId)
    .$if(state !== undefined, (query) => query.where("state", "=", state ?? "dead"))
    .$if(after !== null, (query) => query.where("delivery_id", "<", after?.[1] ?? ""))
    .orderBy("delivery_id", "desc")
    .limit(limit + 1)
    .execute();
  const items = rows.slice(0, limit).map((row) => ({
    ...{ id: row.delivery_id, event: row.event, madeMs: row.made_ms, state: row.state, attempts: row.attempts },
    ...{ dueMs: row.state === "waiting" ? row.due_ms : null, lastStatus: row.last_status, lastError: row.last_error },
  }));
  const last = items.at(-1);
  return { items, cursor: rows.length > limit && last ? deliveryCursors.write([webhookId, last.id]) : null };
}

async function retry(
  { database, clock, audit }: WebhookRouteOptions,
  caller: PersonCaller,
  webhookId: string,
  deliveryId: string,
): Promise<undefined> {
  mustOwnAll(caller);
  await database.write(async (trx) => {
    const nowMs = Math.round(clock.wallMs());
    const row = await trx.db
      .selectFrom("webhook_deliveries")
      .select(["state", "attempts", "due_ms"])
      .where("delivery_id", "=", deliveryId)
      .where("webhook_id", "=", webhookId)
      .executeTakeFirst();
    if (!row) throw new HoldpointError("HP_NOT_FOUND", "no such delivery");
    const before: DeliveryState = { state: row.state, attempts: row.attempts, dueMs: row.due_ms };
    const after = deliver(before, { kind: "again" }, { nowMs, uniform: 0 });
    // One that waits is under way: it is left as it is, and that is no error.
    if (after === before || after.state !== "waiting") return;
    await trx.db
      .updateTable("webhook_deliveries")
      .set({ state: "waiting", attempts: after.attempts, due_ms: after.dueMs, ended_ms: null })
      .where("delivery_id", "=", deliveryId)
      .execute();
    const actor = `${caller.kind}:${caller.id}`;
    await audit.record(trx, {
      actor,
      action: "webhook.retried",
      subject: `webhook:${webhookId}`,
      detail: { deliveryId },
    });
    trx.tell({ kind: "delivery" });
  });
}

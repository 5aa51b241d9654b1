import { z } from "zod";
import {
  checkMessage,
  decodeMessage,
  encodeMessage,
  idOfKey,
  idPattern,
  newId,
  type Decision,
  type Exchange,
  type Reply,
  type Route,
} from "../../protocol/index.ts";
import { replyTo, waitOf, type HttpDoor } from "./door.ts";
import { idempotencyKey } from "./idempotency.ts";
import { refusalReply } from "./refusal.ts";

/** Decisions on an entity (a customer, an account, a shelf) from its events: allow, throttle or block (design 4.4). */
export function entityRoutes(door: HttpDoor): readonly Route[] {
  return [
    { method: "POST", path: "/decide", handle: (exchange) => decide(door, exchange) },
    { method: "POST", path: "/outcome", handle: (exchange) => tell(door, exchange) },
  ];
}

const entitySchema = z.union([z.string(), z.number().int()]).transform(String);
const scalars = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));
const decideSchema = z
  .strictObject({
    entity: entitySchema.optional(),
    entity_id: entitySchema.optional(),
    task: z.string().optional(),
    values: scalars.optional(),
  })
  .refine(({ entity, entity_id }) => (entity === undefined) !== (entity_id === undefined), {
    error: "must have entity",
  });

/** How long the caller is kept where it does not say: it wants an action, now. */
const decideWaitMs = 2_000;

async function decide(door: HttpDoor, exchange: Exchange): Promise<Reply> {
  const device = await door.callers.deviceOrLocal(exchange);
  const key = idempotencyKey(exchange, door.limits);
  const waitMs = waitOf(exchange, door.limits, decideWaitMs);
  const body = await messageOf(exchange, decideSchema);
  const entity = body.entity ?? body.entity_id ?? "";
  const request = {
    v: 1,
    id: key === null ? newId(door.clock, door.random) : idOfKey(door.hasher, device, key),
    task: body.task ?? door.entityTask,
    at: Math.floor(door.clock.wallMs()),
    // With values it is an event to decide on, without them the decision is on what is known.
    input: body.values === undefined ? { kind: "entity", entity } : { kind: "event", entity, values: body.values },
  };
  const submitted = await door.service.submit({ device, bytes: encodeMessage(request, "msgpack"), transport: "http" });
  if (submitted.kind === "refused") return refusalReply(door.metrics, submitted);
  door.metrics.acknowledged("http");
  const { id } = submitted;
  const decision =
    submitted.decision ??
    (waitMs > 0 && !door.waits.full
      ? await door.waits.for({ device, id, until: "decided", waitMs, gone: exchange.gone })
      : null);
  return replyTo(exchange, actionOf(id, entity, decision));
}

const actions: ReadonlySet<string> = new Set(["allow", "throttle", "block"]);

/**
 * An action that somebody stands behind: of a final decision whose label is one of the three. Otherwise (a person still
 * looks, nothing is decided yet, the label is another one) the careful one, and `status` and `label` say why.
 */
function actionOf(id: string, entity: string, decision: Decision | null): Readonly<Record<string, unknown>> {
  const label = decision?.answer?.label ?? null;
  const named = label?.toLowerCase() ?? "";
  return {
    id,
    entity,
    action: decision?.status === "final" && actions.has(named) ? named : "throttle",
    label,
    status: decision?.status ?? "processing",
    verdict: decision?.verdict ?? null,
    confidence: decision?.confidence ?? null,
    reasons: decision?.reasons ?? [],
  };
}

const outcomeBody = z.strictObject({
  id: z.string().regex(idPattern, { error: "must be the id of a decision" }),
  label: z.string().optional(),
  correct: z.boolean().optional(),
  outcome: z.string().optional(),
  source: z.enum(["pos", "return", "audit", "import"]).default("import"),
  at: z.number().optional(),
});

async function tell(door: HttpDoor, exchange: Exchange): Promise<Reply> {
  const device = await door.callers.deviceOrLocal(exchange);
  const outcome = await messageOf(exchange, outcomeBody);
  const message = { ...outcome, at: outcome.at ?? Math.floor(door.clock.wallMs()) };
  const taken = await door.service.outcome({ device, bytes: encodeMessage(message, "msgpack"), transport: "http" });
  if (taken.kind === "refused") return refusalReply(door.metrics, taken);
  door.metrics.acknowledged("http");
  return replyTo(exchange, { id: taken.id, status: "recorded" });
}

async function messageOf<T>(exchange: Exchange, schema: z.ZodType<T>): Promise<T> {
  const decoded = decodeMessage(await exchange.body());
  if (!decoded.ok) throw decoded.error;
  const checked = checkMessage(decoded.value.value, schema);
  if (!checked.ok) throw checked.error;
  return checked.value;
}

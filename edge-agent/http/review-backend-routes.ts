import {
  decodeMessage,
  encodeMessage,
  foreignCase,
  idOfKey,
  idPattern,
  newId,
  pictureInput,
  type Decision,
  type DecisionRequest,
  type Exchange,
  type ForeignCase,
  type Reply,
  type Route,
} from "../../protocol/index.ts";
import { unknownDecision } from "./decision-routes.ts";
import { replyTo, type HttpDoor } from "./door.ts";
import { idempotencyKey } from "./idempotency.ts";
import { refusalReply } from "./refusal.ts";

/** What a store system that already calls a human-review backend speaks (design 4.4). */
export function reviewBackendRoutes(door: HttpDoor): readonly Route[] {
  return [
    { method: "POST", path: "/decision/:task", handle: (exchange) => submit(door, exchange) },
    { method: "GET", path: "/decision/:id", handle: (exchange) => poll(door, exchange) },
  ];
}

async function submit(door: HttpDoor, exchange: Exchange): Promise<Reply> {
  const device = await door.callers.deviceOrLocal(exchange);
  const key = idempotencyKey(exchange, door.limits);
  const { input, context } = caseOf(exchange, await exchange.body());
  const request = {
    v: 1,
    // Without a key it is at least once: the caller that sends again makes another case.
    id: key === null ? newId(door.clock, door.random) : idOfKey(door.hasher, device, key),
    task: exchange.params["task"] ?? "",
    at: Math.floor(door.clock.wallMs()),
    input: input as DecisionRequest["input"],
    ...(context === undefined ? {} : { context }),
  };
  const submitted = await door.service.submit({ device, bytes: encodeMessage(request, "msgpack"), transport: "http" });
  if (submitted.kind === "refused") return refusalReply(door.metrics, submitted);
  door.metrics.acknowledged("http");
  return replyTo(exchange, { task_id: submitted.id, status: "processing" });
}

function caseOf(exchange: Exchange, body: Uint8Array): ForeignCase {
  if (exchange.header("content-type")?.startsWith("image/") === true) {
    return { input: pictureInput(body), context: undefined };
  }
  const decoded = decodeMessage(body);
  if (!decoded.ok) throw decoded.error;
  return foreignCase(decoded.value.value);
}

async function poll(door: HttpDoor, exchange: Exchange): Promise<Reply> {
  const device = await door.callers.deviceOrLocal(exchange);
  const id = exchange.params["id"] ?? "";
  const known = idPattern.test(id) ? await door.service.decision(device, id) : null;
  if (known === null) throw unknownDecision(id.slice(0, 64));
  return replyTo(exchange, taskOf(id, known.decision));
}

/** While a person may still decide, the provisional answer is not shown: such a caller would act on it. */
function taskOf(id: string, decision: Decision | null): Readonly<Record<string, unknown>> {
  if (decision?.status !== "final") {
    return { task_id: id, status: "processing", decision: null, automated: null, confidence: null };
  }
  const { answer, decidedBy, confidence } = decision;
  const automated = decidedBy !== "reviewer";
  return { task_id: id, status: "completed", decision: answer?.label ?? null, automated, confidence };
}

import {
  checkMessage,
  decodeMessage,
  encodeMessage,
  HoldpointError,
  idPattern,
  outcomeSchema,
  taskNameSchema,
  verdicts,
  type Decision,
  type Exchange,
  type Reply,
  type Route,
} from "../../protocol/index.ts";
import { type CaseQuery } from "../journal/journal.ts";
import { replyTo, waitOf, wholeNumber, type HttpDoor } from "./door.ts";
import { refusalReply } from "./refusal.ts";

/** `/v1/decisions` and `/v1/events`: the contract of design 4.3. */
export function decisionRoutes(door: HttpDoor): readonly Route[] {
  return [
    { method: "POST", path: "/v1/decisions", handle: (exchange) => ask(door, exchange) },
    { method: "GET", path: "/v1/decisions", handle: (exchange) => list(door, exchange) },
    { method: "GET", path: "/v1/decisions/:id", handle: (exchange) => read(door, exchange) },
    { method: "POST", path: "/v1/decisions/:id/outcome", handle: (exchange) => tellOutcome(door, exchange) },
    { method: "POST", path: "/v1/events", handle: (exchange) => observe(door, exchange) },
  ];
}

async function ask(door: HttpDoor, exchange: Exchange): Promise<Reply> {
  const device = await door.callers.device(exchange);
  const waitMs = waitOf(exchange, door.limits);
  const submitted = await door.service.submit({ device, bytes: await exchange.body(), transport: "http" });
  if (submitted.kind === "refused") return refusalReply(door.metrics, submitted);
  door.metrics.acknowledged("http");
  const { id } = submitted;
  const wanted = waitMs > 0 && !door.waits.full;
  const decision =
    submitted.decision ??
    (wanted ? await door.waits.for({ device, id, until: "decided", waitMs, gone: exchange.gone }) : null);
  return decisionReply(exchange, id, decision);
}

async function read(door: HttpDoor, exchange: Exchange): Promise<Reply> {
  const device = await door.callers.device(exchange);
  const id = idOf(exchange);
  const waitMs = waitOf(exchange, door.limits);
  const final = waitMs > 0 ? await door.waits.for({ device, id, until: "final", waitMs, gone: exchange.gone }) : null;
  if (final !== null) return decisionReply(exchange, id, final);
  const known = await door.service.decision(device, id);
  if (known === null) throw unknownDecision(id);
  return decisionReply(exchange, id, known.decision);
}

async function list(door: HttpDoor, exchange: Exchange): Promise<Reply> {
  const device = await door.callers.device(exchange);
  return replyTo(exchange, await door.service.list(queryOf(exchange, device, door.limits.listMax)));
}

async function tellOutcome(door: HttpDoor, exchange: Exchange): Promise<Reply> {
  const device = await door.callers.device(exchange);
  const id = idOf(exchange);
  const body = decodeMessage(await exchange.body());
  if (!body.ok) throw body.error;
  const atMs = Math.floor(door.clock.wallMs());
  // The path says which decision is meant; a body that says it too must say the same.
  const outcome = checkMessage(
    { at: atMs, ...(body.value.value as object), ...conflicting(body.value.value, id) },
    outcomeSchema,
  );
  if (!outcome.ok) return refusalReply(door.metrics, { id, error: outcome.error });
  const taken = await door.service.outcome({
    device,
    bytes: encodeMessage(outcome.value, "msgpack"),
    transport: "http",
  });
  if (taken.kind === "refused") return refusalReply(door.metrics, taken);
  door.metrics.acknowledged("http");
  return replyTo(exchange, { id, status: "recorded" });
}

function conflicting(body: unknown, id: string): { id: string } {
  const given = typeof body === "object" && body !== null && "id" in body ? body.id : id;
  if (given !== id) throw new HoldpointError("HP_SCHEMA", "the id of the body is not the id of the path");
  return { id };
}

async function observe(door: HttpDoor, exchange: Exchange): Promise<Reply> {
  const device = await door.callers.device(exchange);
  const taken = await door.service.observe({ device, bytes: await exchange.body(), transport: "http" });
  if (taken.kind === "refused") return refusalReply(door.metrics, taken);
  door.metrics.acknowledged("http");
  return replyTo(exchange, { id: taken.id, status: "recorded" });
}

function decisionReply(exchange: Exchange, id: string, decision: Decision | null): Reply {
  return decision === null ? replyTo(exchange, { id, status: "processing" }, 202) : replyTo(exchange, decision);
}

/** Errors: HP_NOT_FOUND for what cannot be an id. */
function idOf(exchange: Exchange): string {
  const id = exchange.params["id"] ?? "";
  if (!idPattern.test(id)) throw unknownDecision(id.slice(0, 64));
  return id;
}

export function unknownDecision(id: string): HoldpointError {
  return new HoldpointError("HP_NOT_FOUND", `there is no decision ${id} of this device`);
}

/** As the journal gives them: the number of a case. */
const cursorPattern = /^[1-9]\d{0,14}$/;
const queryKeys: ReadonlySet<string> = new Set(["task", "verdict", "since", "limit", "cursor"]);

function queryOf(exchange: Exchange, device: string, listMax: number): CaseQuery {
  const { query } = exchange;
  for (const key of query.keys())
    if (!queryKeys.has(key)) throw new HoldpointError("HP_SCHEMA", `unknown key ${JSON.stringify(key.slice(0, 64))}`);
  const task = query.get("task");
  const verdict = verdicts.find((name) => name === query.get("verdict"));
  const cursor = query.get("cursor");
  const sinceMs = wholeNumber(exchange, "since");
  const limit = wholeNumber(exchange, "limit") ?? 50;
  if (task !== null && !taskNameSchema.safeParse(task).success)
    throw new HoldpointError("HP_SCHEMA", "task must be a task name");
  if (query.has("verdict") && verdict === undefined) {
    throw new HoldpointError("HP_SCHEMA", `verdict must be one of ${verdicts.join(", ")}`);
  }
  if (limit < 1 || limit > listMax) throw new HoldpointError("HP_SCHEMA", `limit must be from 1 to ${listMax}`);
  if (cursor !== null && !cursorPattern.test(cursor))
    throw new HoldpointError("HP_SCHEMA", "cursor is not one of ours");
  return {
    device,
    limit,
    ...(task === null ? {} : { task }),
    ...(verdict === undefined ? {} : { verdict }),
    ...(sinceMs === null ? {} : { sinceMs }),
    ...(cursor === null ? {} : { cursor }),
  };
}

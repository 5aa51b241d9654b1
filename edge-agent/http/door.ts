import {
  encodeMessage,
  HoldpointError,
  jsonReply,
  type Clock,
  type Exchange,
  type Hasher,
  type Random,
  type Reply,
} from "../../protocol/index.ts";
import { type AgentMetrics, type AgentService } from "../service.ts";
import { type Callers } from "./bearer.ts";
import { type HttpLimits } from "./http-limits.ts";
import { type Waits } from "./waits.ts";

/** What the routes of the agent share. */
export interface HttpDoor {
  readonly service: AgentService;
  readonly callers: Callers;
  readonly metrics: AgentMetrics;
  readonly limits: HttpLimits;
  readonly waits: Waits;
  readonly clock: Clock;
  readonly random: Random;
  readonly hasher: Hasher;
  /** Task that decides on entities at `POST /decide`. */
  readonly entityTask: string;
  /** Prometheus text. */
  readonly metricsText: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

/** A value in the encoding that the caller asks for: MessagePack if `Accept` names it, JSON otherwise. */
export function replyTo(exchange: Exchange, value: unknown, status = 200): Reply {
  if (exchange.header("accept")?.includes("msgpack") !== true) return jsonReply(value, status);
  return { status, headers: { "content-type": "application/msgpack" }, body: encodeMessage(value, "msgpack") };
}

/** `?wait=` in milliseconds: 0 where it is absent, cut at `waitMsMax`. Errors: HP_SCHEMA. */
export function waitOf(exchange: Exchange, limits: HttpLimits, absentMs = 0): number {
  return Math.min(wholeNumber(exchange, "wait") ?? absentMs, limits.waitMsMax);
}

/** A whole number ≥ 0 of the query, or null where it is absent. Errors: HP_SCHEMA. */
export function wholeNumber(exchange: Exchange, name: string): number | null {
  const text = exchange.query.get(name);
  if (text === null) return null;
  if (!/^\d{1,15}$/.test(text))
    throw new HoldpointError("HP_SCHEMA", `${name} must be a whole number, not ${JSON.stringify(text.slice(0, 40))}`);
  return Number(text);
}

import { z } from "zod";
import {
  checkMessage,
  decodeMessage,
  HoldpointError,
  jsonReply,
  problemReply,
  type ErrorCode,
  type Exchange,
  type Logger,
  type Reply,
  type Route,
} from "../../../protocol/index.ts";
import { type AgentCaller, type Caller, type PersonCaller } from "./caller.ts";
import { type HubRoute } from "./hub-route.ts";
import { createPlaces } from "./places.ts";
import { isDatabaseGone } from "./together.ts";
import { checkChanging, checkReading, isFromBrowser } from "./origin-guard.ts";

/**
 * Every call to the hub passes here, so that no handler can forget it: who calls, whether they may, where the call comes
 * from, how large it is, what shape it has, and whether it is a repeat.
 */
export interface GatewayOptions {
  readonly doors: Doors;
  readonly repeats: Repeats;
  /** Names under which this hub may be called. */
  readonly isOwnHost: (host: string) => boolean;
  /** Origin under which browsers reach this hub through a proxy that ends TLS: `https://hub.example`. */
  readonly publicOrigin?: string;
  /** Takes one call of a person, program or agent, or of an address that nobody signed in from. Throws HP_RATE. */
  readonly admit?: (caller: Caller | null, exchange: Exchange) => void;
  /** Told of every call, by its operation; what it returns is told of the answer, with the code of a refusal. */
  readonly observe?: (operation: string) => (status: number, code: ErrorCode | null) => void;
  /** Bodies of routes that say nothing else. */
  readonly bodyBytesMax: number;
  /** Told of what fails and is no operational error; the peer is not told its words. */
  readonly logger: Logger;
}

/** Who stands behind a call. */
export interface Doors {
  /** The enrolled agent that signed the call. Throws HP_UNAUTHORIZED, HP_CLOCK, HP_REVOKED. */
  agent(exchange: Exchange, body: Uint8Array): Promise<AgentCaller>;
  /**
   * The person of the session cookie or the program of the API token; null where there is neither. `isBrowser` says that
   * the browser brought the proof by itself, so that another site may be behind the call.
   * Throws HP_UNAUTHORIZED (ended, forged), HP_RATE.
   */
  person(exchange: Exchange): Promise<{ readonly caller: PersonCaller; readonly isBrowser: boolean } | null>;
}

/** Answers a repeated call with what the first one was answered (Idempotency-Key). */
export interface Repeats {
  /** Throws HP_CONFLICT where the key was used for another call, HP_BUSY while the first one still runs. */
  run(repeat: Repeat, work: () => Promise<Reply>): Promise<Reply>;
}

export interface Repeat {
  readonly caller: string;
  readonly operation: string;
  readonly key: string;
  /** Path, query and body of the call. */
  readonly content: readonly Uint8Array[];
  /** The answer carries a secret and is not kept: a repeat is refused with HP_CONFLICT. */
  readonly secret: boolean;
}

const nothing = new Uint8Array(0);
const keyPattern = /^[\x21-\x7e]{1,128}$/;

export function gatewayRoutes(routes: readonly HubRoute[], options: GatewayOptions): readonly Route[] {
  return routes.map((route) => {
    const enter = route.placesMax === undefined ? null : createPlaces(route.placesMax);
    const handle = async (exchange: Exchange): Promise<Response | Reply> => {
      const leave = enter?.();
      try {
        return await handled(route, exchange, options);
      } finally {
        leave?.();
      }
    };
    return { method: route.method, path: route.path, handle: (exchange) => answered(route, exchange, options, handle) };
  });
}

/** A refusal is an answer like any other: it is counted, and says the same of itself to browsers and caches. */
async function answered(
  route: HubRoute,
  exchange: Exchange,
  options: GatewayOptions,
  handle: (exchange: Exchange) => Promise<Response | Reply>,
): Promise<Response | Reply> {
  const tell = options.observe?.(route.operation.id);
  try {
    const answer = await handle(exchange);
    tell?.(answer.status, null);
    return privately(answer);
  } catch (cause) {
    const known = HoldpointError.told(cause);
    if (known !== cause && !exchange.gone.aborted) {
      options.logger.error("hub_handler_failed", { operation: route.operation.id, cause });
    }
    const error = isDatabaseGone(known) ? withoutItsWords(known) : known;
    tell?.(error.status, error.code);
    // A browser is none of the clients that know the other protocol.
    const reply = route.refusal && !isFromBrowser(exchange) ? route.refusal(error) : problemReply(error);
    return { ...reply, headers: { ...reply.headers, ...privateHeaders } };
  }
}

/** Addresses and questions of the database are in the log, and nothing for whoever calls. */
function withoutItsWords({ code, hint, retryAfterMs, cause }: HoldpointError): HoldpointError {
  const text = code === "HP_DISK_FULL" ? "the hub's disk is full" : "the hub's database does not answer as it should";
  return new HoldpointError(code, text, { hint, cause, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}

/** What the hub says is for whoever asked: a handler that makes its own answer says so only where it means another thing. */
function privately(answer: Response | Reply): Response | Reply {
  if (!(answer instanceof Response)) return { ...answer, headers: { ...privateHeaders, ...answer.headers } };
  for (const [name, value] of Object.entries(privateHeaders)) {
    if (!answer.headers.has(name)) answer.headers.set(name, value);
  }
  return answer;
}

async function handled(route: HubRoute, exchange: Exchange, options: GatewayOptions): Promise<Response | Reply> {
  const bytes = await bodyOf(route, exchange, options);
  const caller = await callerOf(route, exchange, bytes, options);
  const call = {
    caller,
    params: exchange.params,
    query: queryOf(route, exchange),
    body: contentOf(route, bytes),
    exchange,
  };
  const work = async (): Promise<Response | Reply> => answerOf(route, await route.handle(call));
  const key = exchange.header("idempotency-key");
  if (key === null || caller === null || caller.kind === "agent" || route.method === "GET" || route.idempotent) {
    return work();
  }
  if (!keyPattern.test(key)) throw new HoldpointError("HP_SCHEMA", "Idempotency-Key: at most 128 visible characters");
  const path = new TextEncoder().encode(exchange.request.url);
  const repeat = {
    caller: caller.id,
    operation: route.operation.id,
    key,
    content: [path, bytes],
    secret: route.secret ?? false,
  };
  return options.repeats.run(repeat, async () => {
    const answer = await work();
    return answer instanceof Response ? wholeReply(answer) : answer;
  });
}

async function bodyOf(route: HubRoute, exchange: Exchange, options: GatewayOptions): Promise<Uint8Array> {
  // A signed call is read whole in any case: its signature covers the body.
  if (route.body === undefined && route.access !== "agent") return nothing;
  const bytesMax = route.bodyBytesMax ?? options.bodyBytesMax;
  const tooLarge = (): HoldpointError =>
    new HoldpointError("HP_TOO_LARGE", `the body has more than ${bytesMax} bytes`, {
      hint: "Send less at once; docs/limits.md lists every limit.",
    });
  if (Number(exchange.header("content-length") ?? 0) > bytesMax) throw tooLarge();
  const bytes = await exchange.body();
  if (bytes.byteLength > bytesMax) throw tooLarge();
  return bytes;
}

async function callerOf(
  route: HubRoute,
  exchange: Exchange,
  body: Uint8Array,
  options: GatewayOptions,
): Promise<Caller | null> {
  if (route.access === "agent") {
    const agent = await options.doors.agent(exchange, body);
    options.admit?.(agent, exchange);
    return agent;
  }
  const found = await options.doors.person(exchange);
  if (found?.isBrowser ?? true) guard(route, exchange, options);
  options.admit?.(found?.caller ?? null, exchange);
  if (route.access === "public") return found?.caller ?? null;
  if (!found)
    throw new HoldpointError("HP_UNAUTHORIZED", "nobody is signed in", { hint: "Sign in, or send an API token." });
  if (!found.caller.permissions.has(route.access)) {
    throw new HoldpointError("HP_FORBIDDEN", `this needs the permission ${route.access}`, {
      hint: "Ask an admin of this hub for a role that has it.",
    });
  }
  return found.caller;
}

/** Where a browser may bring proof that its user did not mean to give: another site must not be behind the call. */
function guard(route: HubRoute, exchange: Exchange, options: GatewayOptions): void {
  if (!isFromBrowser(exchange)) return;
  const own = { isOwnHost: options.isOwnHost, publicOrigin: options.publicOrigin ?? null };
  if (route.method === "GET") checkReading(exchange, own);
  else checkChanging(exchange, own, route.body !== undefined && route.body !== "bytes");
}

function contentOf(route: HubRoute, bytes: Uint8Array): unknown {
  if (route.body === undefined) return undefined;
  if (route.body === "bytes") return bytes;
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) throw decoded.error;
  const { value } = decoded.value;
  return route.isPlain?.(value) === true ? value : checked(value, route.body);
}

/** A person's or program's call that names what the operation does not know means something that would not happen. */
function queryOf(route: HubRoute, exchange: Exchange): unknown {
  // No database has such a text, and one of them says so only when a long answer has begun.
  for (const [name, text] of exchange.query) {
    if (text.includes("\u0000")) throw new HoldpointError("HP_SCHEMA", `${name}: has the character U+0000 in it`);
  }
  if (route.query) return checked(Object.fromEntries(exchange.query), route.query);
  return route.access === "public" || route.access === "agent"
    ? {}
    : checked(Object.fromEntries(exchange.query), noQuery);
}

const noQuery = z.strictObject({});

function checked(value: unknown, schema: z.ZodType): unknown {
  const result = checkMessage(value, schema);
  if (!result.ok) throw result.error;
  return result.value;
}

const privateHeaders = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

function answerOf(route: HubRoute, result: unknown): Response | Reply {
  if (result instanceof Response) return result;
  // A handler that makes its own kind of answer makes it whole; everything else is JSON.
  if ("contentType" in route.reply) return result as Reply;
  if (result === undefined) return { status: 204, headers: privateHeaders, body: "" };
  return jsonReply(result, 200, privateHeaders);
}

async function wholeReply(response: Response): Promise<Reply> {
  const body = new Uint8Array(await response.arrayBuffer());
  return { status: response.status, headers: Object.fromEntries(response.headers), body };
}

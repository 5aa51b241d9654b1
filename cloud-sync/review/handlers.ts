import { HoldpointError, pairSchema, type Exchange, type Route } from "../../protocol/index.ts";
import { checkChange, checkOrigin, readJson, sessionCookie, tokenOf } from "./guards.ts";
import { type Pairing } from "./pairing.ts";
import { json, reviewActions, sessionOf, type ReviewAction, type ReviewActionsOptions } from "./review-actions.ts";
import { type Reviewer } from "./review-store.ts";
import { sessionMsDefault, type Sessions } from "./sessions.ts";

/** The review page's API as the agent serves it: a reviewer is whoever has paired a page with the box by its PIN. */
export interface ReviewHandlersOptions extends Omit<ReviewActionsOptions, "storeNameOf"> {
  readonly storeName: string;
  readonly pairing: Pairing;
  readonly sessions: Sessions;
  readonly sessionMs?: number;
  /** True behind TLS. */
  readonly isSecure: boolean;
  /** Names under which this server may be called. */
  readonly isOwnHost: (host: string) => boolean;
}

export function reviewRoutes(options: ReviewHandlersOptions): readonly Route[] {
  const actionsOptions = { ...options, storeNameOf: () => options.storeName };
  return [
    {
      method: "POST",
      path: "/v1/review/pair",
      handle: (exchange) => pair(options, actionsOptions, exchange),
    },
    { method: "POST", path: "/v1/review/leave", handle: (exchange) => leave(options, exchange) },
    ...reviewActions(actionsOptions).map((action) => routeOf(options, action)),
  ];
}

function routeOf(options: ReviewHandlersOptions, action: ReviewAction): Route {
  const { method, path, body } = action;
  const check = method === "GET" ? checkOrigin : checkChange;
  return {
    method,
    path,
    handle: async (exchange) => {
      check(exchange.request, options.isOwnHost);
      const reviewer = reviewerOf(options, exchange);
      const { params, gone } = exchange;
      return action.handle(reviewer, { params, gone, body: body ? await readJson(exchange, body) : undefined });
    },
  };
}

async function pair(
  options: ReviewHandlersOptions,
  actionsOptions: ReviewActionsOptions,
  exchange: Exchange,
): Promise<Response> {
  checkChange(exchange.request, options.isOwnHost);
  const { pin, name, code } = await readJson(exchange, pairSchema);
  options.pairing.redeem({ pin, code: code ?? null, remote: exchange.remote });
  const { token, reviewer } = options.sessions.open(printable(name));
  const cookie = sessionCookie(token, options.sessionMs ?? sessionMsDefault, options.isSecure);
  return json(await sessionOf(actionsOptions, reviewer), { "set-cookie": cookie });
}

async function leave(options: ReviewHandlersOptions, exchange: Exchange): Promise<Response> {
  checkChange(exchange.request, options.isOwnHost);
  reviewerOf(options, exchange);
  options.sessions.end(tokenOf(exchange.request) ?? "");
  return Promise.resolve(json({}, { "set-cookie": sessionCookie("", 0, options.isSecure) }));
}

/** Throws HP_UNAUTHORIZED. */
function reviewerOf(options: ReviewHandlersOptions, exchange: Exchange): Reviewer {
  const token = tokenOf(exchange.request);
  const reviewer = token === null ? null : options.sessions.find(token);
  if (reviewer !== null) return reviewer;
  throw new HoldpointError("HP_UNAUTHORIZED", "this page is not paired with the box any more", {
    hint: "Pair the page again with the PIN that the agent shows.",
  });
}

/** A name goes into the journal and onto other people's screens: no control or direction characters in it. */
function printable(name: string): string {
  const clean = name.replaceAll(/[\p{Cc}\p{Cf}]/gu, "").trim();
  if (clean === "") throw new HoldpointError("HP_SCHEMA", "name: must have a letter");
  return clean;
}

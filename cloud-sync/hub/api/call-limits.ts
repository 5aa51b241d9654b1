import { type Exchange } from "../../../protocol/index.ts";
import { type HubParts } from "../room.ts";
import { type GatewayOptions } from "./gateway.ts";
import { createTokenBuckets } from "./token-bucket.ts";

/**
 * How many calls one caller may make of one process: far more than a page, a well-written program or an agent with a long
 * backlog needs, and little enough that one that runs wild leaves room for the others.
 */
export function callLimits(
  { clock }: Pick<HubParts, "clock">,
  addressOf: (exchange: Exchange) => string,
): NonNullable<GatewayOptions["admit"]> {
  const perCaller = { clock, of: "calls", burst: 1_000, perSecond: 200 };
  const people = createTokenBuckets({ ...perCaller, keysMax: 10_000 });
  const agents = createTokenBuckets({ ...perCaller, keysMax: 50_000 });
  const strangers = createTokenBuckets({ clock, of: "calls", burst: 500, perSecond: 50, keysMax: 50_000 });
  return (caller, exchange) => {
    if (caller === null) strangers.take(addressOf(exchange));
    else if (caller.kind === "agent") agents.take(caller.agentId);
    else people.take(caller.id);
  };
}

import { type Exchange } from "../../../protocol/index.ts";
import { type HubParts } from "../room.ts";
import { type GatewayOptions } from "./gateway.ts";
import { createTokenBuckets } from "./token-bucket.ts";

/**
 * How many calls one caller may make of one process: far more than a page or a well-written program needs, and little
 * enough that one that runs wild leaves room for the others. Agents have limits of their own.
 */
export function callLimits(
  { clock }: Pick<HubParts, "clock">,
  addressOf: (exchange: Exchange) => string,
): NonNullable<GatewayOptions["admit"]> {
  const callers = createTokenBuckets({ clock, of: "calls", burst: 1_000, perSecond: 200, keysMax: 10_000 });
  const strangers = createTokenBuckets({ clock, of: "calls", burst: 500, perSecond: 50, keysMax: 50_000 });
  return (caller, exchange) => {
    if (caller) callers.take(caller.id);
    else strangers.take(addressOf(exchange));
  };
}

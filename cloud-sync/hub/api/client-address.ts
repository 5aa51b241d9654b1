import { type Exchange } from "../../../protocol/index.ts";

/**
 * The address that a call comes from. Behind proxies that are ours it is the last address of X-Forwarded-For that is not
 * one of them; whoever is no such proxy may write into that header what they like, and it is not read.
 */
export function clientAddress(
  exchange: Pick<Exchange, "header" | "remote">,
  isProxy: (address: string) => boolean,
): string {
  let address = exchange.remote;
  if (!isProxy(address)) return address;
  const forwarded = (exchange.header("x-forwarded-for") ?? "").split(",").map((part) => part.trim());
  for (const next of forwarded.reverse()) {
    if (next === "") break;
    address = next.slice(0, 64);
    if (!isProxy(address)) break;
  }
  return address;
}

import { networkList } from "./networks.node.ts";

/** Tells the addresses of proxies that are ours: single ones and networks (`10.0.0.0/8`). Errors: HP_USAGE. */
export function proxyList(texts: readonly string[]): (address: string) => boolean {
  const isListed = networkList(texts);
  // A socket that listens on IPv6 shows IPv4 peers as mapped addresses.
  return (address) => isListed(address.startsWith("::ffff:") ? address.slice(7) : address);
}

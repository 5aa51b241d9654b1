import { BlockList, isIP } from "node:net";
import { HoldpointError } from "../../../protocol/index.ts";

/** Tells the addresses of proxies that are ours: single ones and networks (`10.0.0.0/8`). Errors: HP_USAGE. */
export function proxyList(texts: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const text of texts) {
    const [address = "", bits] = text.split("/");
    const kind = isIP(address);
    const length = bits === undefined ? null : Number(bits);
    const isLength = length === null || (Number.isInteger(length) && length >= 0 && length <= (kind === 4 ? 32 : 128));
    if (kind === 0 || !isLength) {
      throw new HoldpointError("HP_USAGE", `${JSON.stringify(text)} is no address of a proxy`, {
        hint: "Give an address or a network, for instance 10.0.0.0/8.",
      });
    }
    const family = kind === 4 ? "ipv4" : "ipv6";
    if (length === null) list.addAddress(address, family);
    else list.addSubnet(address, length, family);
  }
  return (address) => {
    // A socket that listens on IPv6 shows IPv4 peers as mapped addresses.
    const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
    const kind = isIP(plain);
    return kind !== 0 && list.check(plain, kind === 4 ? "ipv4" : "ipv6");
  };
}

import { BlockList, isIP } from "node:net";
import { HoldpointError } from "../../../protocol/index.ts";

/**
 * Tells the addresses of a list of single ones and networks (`10.0.0.0/8`), as whoever runs the hub writes it. Such lists
 * say who is trusted, so what is only almost a network is refused: an empty length would be 0, which is every address.
 * Errors: HP_USAGE.
 */
export function networkList(texts: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const text of texts) {
    const [address = "", bits, ...more] = text.split("/");
    const kind = isIP(address);
    const bitsMax = kind === 6 ? 128 : 32;
    const length = bits === undefined ? bitsMax : /^\d{1,3}$/.test(bits) ? Number(bits) : NaN;
    if (kind === 0 || more.length > 0 || !(length <= bitsMax)) {
      throw new HoldpointError("HP_USAGE", `${JSON.stringify(text)} is neither an address nor a network`, {
        hint: "Give an address or a network, for instance 10.0.0.0/8.",
      });
    }
    list.addSubnet(address, length, familyOf(kind));
  }
  return (address) => {
    const kind = isIP(address);
    return kind !== 0 && list.check(address, familyOf(kind));
  };
}

function familyOf(kind: number): "ipv4" | "ipv6" {
  return kind === 6 ? "ipv6" : "ipv4";
}

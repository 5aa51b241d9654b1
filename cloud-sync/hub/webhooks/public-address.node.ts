import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { HoldpointError } from "../../../protocol/index.ts";
import { networkList } from "../api/networks.node.ts";

/**
 * Where a webhook may go: to addresses of the public internet, and to those that whoever runs the hub has allowed by
 * name. Else a webhook would be a hand inside the hub's network: its database, its neighbours, the cloud's metadata.
 */
export interface AddressGuard {
  /**
   * The address to connect to, looked up and checked once: the caller connects to this very one, so that a name that
   * points elsewhere a moment later (DNS rebinding) gains nothing. Errors: HP_FORBIDDEN, HP_UNREACHABLE.
   */
  addressOf(url: URL): Promise<CheckedAddress>;
}

export interface CheckedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

export interface AddressGuardOptions {
  /** Addresses and networks (`10.1.0.0/16`) that may be reached although they are private, in plain HTTP as well. */
  readonly allow: readonly string[];
  /** Every address of a name; the system's resolver unless told. */
  readonly resolve?: (name: string) => Promise<readonly { readonly address: string }[]>;
}

/** IANA's special-purpose registries (RFC 6890 and its updates): none of these is a public host. */
const specialV4 = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"],
  ...["192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"],
  ...["192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"],
];
/** Of global unicast (2000::/3, the only range that is public): Teredo, 6to4 and the like, and documentation. */
const specialV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

const isSpecial = networkList([...specialV4, ...specialV6]);
const isGlobal = networkList(["2000::/3"]);

/** Whether an address is a host of the public internet. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !isSpecial(address);
  // A scope ("%eth0") is only ever a local one; mapped and translated IPv4 addresses lie outside of 2000::/3.
  return family === 6 && !address.includes("%") && isGlobal(address) && !isSpecial(address);
}

export function createAddressGuard(options: AddressGuardOptions): AddressGuard {
  const isAllowed = networkList(options.allow);
  const resolve = options.resolve ?? ((name: string) => lookup(name, { all: true }));

  async function resolved(name: string): Promise<readonly string[]> {
    if (isIP(name) !== 0) return [name];
    try {
      return (await resolve(name)).map(({ address }) => address);
    } catch (cause) {
      throw new HoldpointError("HP_UNREACHABLE", `the name ${name} has no address`, { hint: "Check the url.", cause });
    }
  }

  return {
    addressOf: async (url) => {
      if (url.protocol !== "https:" && url.protocol !== "http:") throw refusedUrl("only https addresses are called");
      if (url.username !== "" || url.password !== "") throw refusedUrl("a name and a secret in the url are not sent");
      const addresses = await resolved(url.hostname.replace(/^\[(.*)\]$/, "$1"));
      const [address] = addresses;
      if (address === undefined) throw new HoldpointError("HP_UNREACHABLE", `${url.hostname} has no address`);
      // All of them: a name with a public and a private address is a trap and not a mistake.
      const isOwn = addresses.every(isAllowed);
      if (!isOwn && !addresses.every(isPublicAddress)) throw refusedUrl("this is no address of the public internet");
      if (url.protocol === "http:" && !isOwn) throw refusedUrl("only https addresses are called");
      return { address, family: isIP(address) === 6 ? 6 : 4 };
    },
  };
}

function refusedUrl(message: string): HoldpointError {
  return new HoldpointError("HP_FORBIDDEN", message, {
    hint: "Give an https address of the public internet, or have the hub started with this address allowed.",
  });
}

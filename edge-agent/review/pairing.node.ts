import { networkInterfaces } from "node:os";
import { renderSVG, renderUnicodeCompact } from "uqr";
import { type PairingOffer } from "../../cloud-sync/review/pairing.ts";

/** What a person scans and types to pair a phone or tablet. */
export interface PairingSheet {
  /** The page's address with the one-time code behind `#`. */
  readonly url: string;
  readonly pin: string;
  /** The QR code in half blocks, for a terminal with light text on dark ground. */
  readonly qrText: string;
  readonly qrSvg: string;
}

export function pairingSheet(pageUrl: string, offer: PairingOffer): PairingSheet {
  const url = `${pageUrl}#${offer.code}`;
  return {
    url,
    pin: offer.pin,
    // The quiet zone of a QR code is four modules (ISO/IEC 18004, 6.3.8); scanners are content with two.
    qrText: renderUnicodeCompact(url, { border: 2 }),
    qrSvg: renderSVG(url, { border: 4, pixelSize: 8 }),
  };
}

/** The address under which others on the local network reach a listener on `host`. */
export function reachableHost(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host.includes(":") ? `[${host}]` : host;
  const addresses = Object.values(networkInterfaces())
    .flat()
    .filter((entry) => entry !== undefined && !entry.internal && entry.family === "IPv4")
    .map((entry) => entry?.address ?? "");
  // Private ranges (RFC 1918) first: a box may also have an address of a container network or a public one.
  return addresses.find((address) => /^(192\.168|10)\./.test(address)) ?? addresses[0] ?? "127.0.0.1";
}

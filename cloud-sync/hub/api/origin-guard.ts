import { HoldpointError, type Exchange } from "../../../protocol/index.ts";

/**
 * Whether a call that a browser makes was meant by the page of this hub. A session's cookie comes along by itself, so
 * another site may be behind the call (cross-site request forgery), and a foreign name may lead to this hub's address
 * (DNS rebinding). What counts is what the browser itself says: Host, Origin, Sec-Fetch-Site. Programs say none of it;
 * they bring a token that no browser adds by itself, and are not asked.
 */
export interface OriginGuard {
  /** Names under which this hub may be called. */
  readonly isOwnHost: (host: string) => boolean;
  /** Origin under which browsers reach this hub through a proxy that ends TLS: `https://hub.example`. */
  readonly publicOrigin: string | null;
}

/** Whether a browser is behind the call, as far as headers tell; its cookie may come along even where they do not. */
export function isFromBrowser(exchange: Exchange): boolean {
  return ["cookie", "origin", "sec-fetch-site"].some((name) => exchange.header(name) !== null);
}

/** A call that reads. Throws HP_FORBIDDEN. */
export function checkReading(exchange: Exchange, guard: OriginGuard): void {
  checkHost(exchange, guard);
  if (exchange.header("origin") !== null) checkSameOrigin(exchange, guard);
  // A link on another site may open a page here: it brings no Strict cookie and the other site cannot read the answer.
  const isLink = exchange.header("sec-fetch-mode") === "navigate" && exchange.header("sec-fetch-dest") === "document";
  if (!isLink) checkSite(exchange);
}

/** A call that changes something must say where it comes from. Throws HP_FORBIDDEN. */
export function checkChanging(exchange: Exchange, guard: OriginGuard, wantsJson: boolean): void {
  checkHost(exchange, guard);
  if (exchange.header("origin") === null) throw forbidden("the call does not say where it comes from");
  checkSameOrigin(exchange, guard);
  checkSite(exchange);
  // A form of another site cannot send this type without asking first.
  const type = (exchange.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  if (wantsJson && type !== "application/json") throw forbidden("the call is not application/json");
}

function checkHost(exchange: Exchange, { isOwnHost, publicOrigin }: OriginGuard): void {
  const host = exchange.header("host") ?? "";
  const isPublic = publicOrigin !== null && host === new URL(publicOrigin).host;
  if (!isPublic && !isOwnHost(host.replace(/:\d+$/, ""))) {
    throw forbidden(`${JSON.stringify(host.slice(0, 100))} is no name of this hub`, {
      hint: "Start the hub with --public-url, or call it by its address.",
    });
  }
}

function checkSameOrigin(exchange: Exchange, { publicOrigin }: OriginGuard): void {
  const origin = exchange.header("origin");
  // A proxy may put another name into Host, but only the browser writes Origin.
  if (publicOrigin !== null && origin === publicOrigin) return;
  const host = exchange.header("host") ?? "";
  const isPublicHost = publicOrigin !== null && host === new URL(publicOrigin).host;
  // Under its public name nothing but the public origin counts: not the same name in plain HTTP.
  if (isPublicHost || origin !== `http://${host}`) throw forbidden("the call comes from another origin");
}

function checkSite(exchange: Exchange): void {
  const site = exchange.header("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") throw forbidden("the call comes from another site");
}

function forbidden(message: string, options: { readonly hint: string } = ownAddressHint): HoldpointError {
  return new HoldpointError("HP_FORBIDDEN", message, options);
}

const ownAddressHint = { hint: "Open the hub's page at its own address and use it there." };

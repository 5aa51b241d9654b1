import { type z } from "zod";
import { checkMessage, decodeMessage, HoldpointError, type Exchange } from "../../protocol/index.ts";

/**
 * What stands before every call that changes something. The page and its API are one origin on a local network, spoken
 * to in plain HTTP, so the browser's own guards are what there is: SameSite, Origin, Sec-Fetch-Site and the host name.
 */

const cookieName = "holdpoint_review";

/** Reads the session's token from the cookie. */
export function tokenOf(request: Request): string | null {
  const cookies = (request.headers.get("cookie") ?? "").split(";");
  for (const cookie of cookies) {
    const [name, value] = cookie.trim().split("=");
    if (name === cookieName && value !== undefined) return value;
  }
  return null;
}

/** `Secure` cannot be set: a store's local network has no certificate for the box. Behind TLS the hub sets it. */
export function sessionCookie(token: string, maxAgeMs: number, isSecure: boolean): string {
  const parts = [`${cookieName}=${token}`, "Path=/", "HttpOnly", "SameSite=Strict"];
  parts.push(`Max-Age=${Math.floor(maxAgeMs / 1000)}`);
  if (isSecure) parts.push("Secure");
  return parts.join("; ");
}

/**
 * Refuses a call from another site (cross-site request forgery) and one that reached us under a foreign name (DNS
 * rebinding). Throws HP_FORBIDDEN.
 */
export function checkOrigin(request: Request, isOwnHost: (host: string) => boolean): void {
  const host = request.headers.get("host") ?? "";
  const origin = request.headers.get("origin");
  const site = request.headers.get("sec-fetch-site");
  if (!isOwnHost(hostName(host))) throw forbidden(`the host ${JSON.stringify(host)} is not this box`);
  if (origin !== null && originHost(origin) !== host) throw forbidden("the call comes from another origin");
  if (site !== null && site !== "same-origin" && site !== "none") throw forbidden("the call comes from another site");
}

/** A call that changes something must say where it comes from. Throws HP_FORBIDDEN. */
export function checkChange(request: Request, isOwnHost: (host: string) => boolean): void {
  checkOrigin(request, isOwnHost);
  if (request.headers.get("origin") === null) throw forbidden("the call does not say where it comes from");
  const type = (request.headers.get("content-type") ?? "").split(";")[0]?.trim();
  // A form of another site cannot send this type without asking first.
  if (type !== "application/json") throw forbidden("the call is not application/json");
}

/** An address, `localhost`, a name of the local network, or one of `names`: nothing that an outside DNS can claim. */
export function isLocalHost(names: readonly string[]): (host: string) => boolean {
  const own = new Set(["localhost", ...names.map((name) => name.toLowerCase())]);
  return (host) => {
    const name = host.toLowerCase();
    const isAddress = /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name);
    return isAddress || own.has(name) || name.endsWith(".local");
  };
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, "");
}

function originHost(origin: string): string | null {
  try {
    return new URL(origin).host;
  } catch {
    return null; // "null": a sandboxed frame or a file.
  }
}

function forbidden(message: string): HoldpointError {
  return new HoldpointError("HP_FORBIDDEN", message, {
    hint: "Open the review page at its own address and use it there.",
  });
}

/** The JSON body, checked. Throws HP_TOO_LARGE, HP_ENCODING, HP_SCHEMA. */
export async function readJson<T>(exchange: Exchange, schema: z.ZodType<T>): Promise<T> {
  const decoded = decodeMessage(await exchange.body());
  if (!decoded.ok) throw decoded.error;
  const checked = checkMessage(decoded.value.value, schema);
  if (!checked.ok) throw checked.error;
  return checked.value;
}

import { type Exchange } from "../../../protocol/index.ts";

/**
 * Cookies of the hub's pages. Behind TLS they carry the prefix `__Host-`, which browsers take only with Secure, without
 * Domain and for the whole host: no sister site and no plain-text page can set one.
 */
export interface Cookies {
  session: Cookie;
  /** Remembers that somebody signed in here before; it proves nothing by itself. */
  browser: Cookie;
  /** A sign-in that is under way at another site, from where the browser comes back: only this one is SameSite=Lax. */
  flow: Cookie;
}

interface Cookie {
  read(exchange: Exchange): string | null;
  /** The header that sets it; an empty value takes it away. */
  set(value: string, maxAgeMs: number): string;
}

export function hubCookies(isSecure: boolean): Cookies {
  return {
    session: cookie("holdpoint_session", isSecure, "Strict"),
    browser: cookie("holdpoint_browser", isSecure, "Strict"),
    flow: cookie("holdpoint_flow", isSecure, "Lax"),
  };
}

function cookie(plainName: string, isSecure: boolean, sameSite: "Strict" | "Lax"): Cookie {
  const name = isSecure ? `__Host-${plainName}` : plainName;
  return {
    read: (exchange) => {
      for (const pair of (exchange.header("cookie") ?? "").split(";")) {
        const at = pair.indexOf("=");
        if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim() || null;
      }
      return null;
    },
    set: (value, maxAgeMs) => {
      const parts = [`${name}=${value}`, "Path=/", "HttpOnly", `SameSite=${sameSite}`];
      parts.push(`Max-Age=${value === "" ? 0 : Math.floor(maxAgeMs / 1000)}`);
      return (isSecure ? [...parts, "Secure"] : parts).join("; ");
    },
  };
}

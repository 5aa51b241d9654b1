import { type Doors } from "../api/gateway.ts";
import { type HubParts } from "../room.ts";
import { programOf } from "./api-tokens.ts";
import { type Cookies } from "./session-cookie.ts";
import { sessionOf } from "./sessions.ts";

/** Who calls: the program of the token in the header, else the person of the session in the cookie. */
export function createPersonDoor(parts: HubParts, cookies: Cookies): Doors["person"] {
  return async (exchange) => {
    const program = await programOf(parts, exchange);
    if (program) return { caller: program, isBrowser: false };
    const session = await sessionOf(parts, cookies, exchange);
    return session && { caller: session.caller, isBrowser: true };
  };
}

import { fromBase64, HoldpointError, type Exchange } from "../../../../protocol/index.ts";
import { type Permission, type PersonCaller } from "../../api/caller.ts";
import { programOf } from "../../people/api-tokens.ts";
import { type HubParts } from "../../room.ts";

/**
 * The program behind a call of Label Studio, which sends an API token of the hub as it can: `Token <token>` among the
 * headers of a webhook, or Basic with the token as the password of an ML backend. Nothing of this is asked of a browser,
 * and no other route takes it. Errors: HP_UNAUTHORIZED, HP_FORBIDDEN.
 */
export async function labelStudioCaller(
  parts: Pick<HubParts, "database" | "clock" | "hasher">,
  exchange: Exchange,
  permission: Permission,
): Promise<PersonCaller> {
  const token = tokenIn(exchange.header("authorization") ?? "");
  const header = (name: string): string | null =>
    name === "authorization" ? token && `Bearer ${token}` : exchange.header(name);
  const caller = await programOf(parts, {
    ...{ request: exchange.request, params: exchange.params, query: exchange.query, gone: exchange.gone },
    ...{ connection: exchange.connection, remote: exchange.remote, header, body: () => exchange.body() },
  });
  if (!caller) {
    throw new HoldpointError("HP_UNAUTHORIZED", "the call brings no API token", {
      hint: "Send `Authorization: Token <token>`, or Basic with the token as the password.",
    });
  }
  if (caller.permissions.has(permission)) return caller;
  throw new HoldpointError("HP_FORBIDDEN", `this needs the permission ${permission}`, {
    hint: "Ask an admin of this hub for a token with a role that has it.",
  });
}

function tokenIn(header: string): string | null {
  const [scheme = "", value = ""] = header.split(" ");
  if (/^(bearer|token)$/i.test(scheme)) return value;
  if (!/^basic$/i.test(scheme)) return null;
  try {
    const pair = new TextDecoder().decode(fromBase64(value));
    return pair.slice(pair.indexOf(":") + 1);
  } catch {
    return null;
  }
}

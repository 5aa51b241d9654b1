import { type Exchange } from "../../../protocol/index.ts";
import { type Doors } from "../api/gateway.ts";
import { type HubParts, type HubRoom } from "../room.ts";
import { addPerson } from "./accounts.ts";
import { createApiToken } from "./api-tokens.ts";
import { type DomainRule } from "./identities.ts";
import { invite } from "./invitations.ts";
import { type OidcProvider } from "./oidc-provider.ts";
import { oidcRoutes } from "./oidc-routes.ts";
import { type Passwords } from "./passwords.ts";
import { peopleRoutes } from "./people-routes.ts";
import { createPersonDoor } from "./person-door.ts";
import { hubCookies } from "./session-cookie.ts";
import { sessionRoutes } from "./session-routes.ts";
import { createSignInLimits } from "./sign-in-limits.ts";
import { tokenRoutes } from "./token-routes.ts";

export interface PeopleOptions {
  readonly parts: HubParts;
  readonly passwords: Passwords;
  /** Address under which people reach this hub, without a path; with `https:` the cookies are Secure. */
  readonly publicUrl: string | null;
  readonly addressOf: (exchange: Exchange) => string;
  /** Where people may sign in beside their password. `name` is what the page calls it. */
  readonly oidc: { readonly name: string; readonly provider: OidcProvider; readonly rule: DomainRule | null } | null;
}

/** The room of people: accounts, sessions, tokens of programs, and the door that tells who calls. */
export function createPeople(options: PeopleOptions): HubRoom & { readonly person: Doors["person"] } {
  const { parts, passwords, publicUrl, addressOf, oidc } = options;
  const cookies = hubCookies(publicUrl?.startsWith("https:") ?? false);
  const limits = createSignInLimits(parts.clock);
  const session = { ...parts, passwords, limits, cookies, addressOf, oidcName: oidc?.name ?? null };
  return {
    person: createPersonDoor(parts, cookies),
    routes: [
      ...sessionRoutes(session),
      ...peopleRoutes({ ...parts, publicUrl }),
      ...tokenRoutes(parts),
      ...(oidc ? oidcRoutes({ ...session, ...oidc }) : []),
    ],
  };
}

export interface FirstAdmin {
  /** API token with every permission. */
  readonly token: string;
  /** Path of the hub's page on which the account `admin` gets its password; null where there are accounts already. */
  readonly invitationPath: string | null;
}

/** What an admin begins with, at the first start of a hub; null at every other one. */
export async function createFirstAdmin(parts: HubParts): Promise<FirstAdmin | null> {
  return parts.database.write(async (trx) => {
    // Of two processes that start at once, the second waits here and then finds what the first has made.
    await trx.db.updateTable("hub_instance").set({ one: 1 }).execute();
    const known = await trx.db.selectFrom("api_tokens").select("token_id").limit(1).executeTakeFirst();
    if (known) return null;
    const { token } = await createApiToken(parts, trx, "hub", { name: "admin", roles: ["admin"], validMs: null });
    const account = await trx.db.selectFrom("people").select("person_id").limit(1).executeTakeFirst();
    if (account) return { token, invitationPath: null };
    const { id } = await addPerson(parts, trx, null, { login: "admin", name: "Admin", roles: ["admin"] });
    return { token, invitationPath: (await invite(parts, trx, null, id)).path };
  });
}

import { HoldpointError } from "../../../protocol/index.ts";
import { type Role } from "../api/caller.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import {
  actorOf,
  addPerson,
  checkGrant,
  findPerson,
  loginSchema,
  personNameSchema,
  type Giver,
  type Person,
} from "./accounts.ts";
import { type OidcClaims } from "./oidc-provider.ts";

/** Whose accounts are made by themselves: those of whom the provider says that they have an address of that domain. */
export interface DomainRule {
  readonly domain: string;
  readonly roles: readonly Role[];
}

/**
 * The account of somebody of whom the provider made sure. Null where there is none: the identity then waits for an
 * admin. An account that exists is never taken over because an address is the same; an admin links it.
 */
export async function personOfClaims(
  parts: HubParts,
  trx: HubTransaction,
  claims: OidcClaims,
  rule: DomainRule | null,
): Promise<Person | null> {
  const { issuer, subject } = claims;
  const seenMs = Math.round(parts.clock.wallMs());
  const seen = { email: clipped(claims.email), name: clipped(claims.name), seen_ms: seenMs };
  const row = await trx.db
    .insertInto("identities")
    .values({ issuer, subject, person_id: null, ...seen })
    .onConflict((conflict) => conflict.columns(["issuer", "subject"]).doUpdateSet(seen))
    .returning("person_id")
    .executeTakeFirstOrThrow();
  if (row.person_id !== null) return findPerson(trx, row.person_id);
  const login = loginSchema.safeParse(claims.email);
  const name = personNameSchema.safeParse(claims.name);
  if (rule === null || !claims.emailVerified || !login.success) return null;
  if (login.data.split("@")[1] !== rule.domain.toLowerCase()) return null;
  const taken = await trx.db.selectFrom("people").select("login").where("login", "=", login.data).executeTakeFirst();
  if (taken) return null;
  const account = { login: login.data, name: name.success ? name.data : login.data, roles: rule.roles };
  const person = await addPerson(parts, trx, null, account);
  await link(parts, trx, null, claims, person.id);
  return person;
}

/** An admin's decision whose account it is; null takes it back. Errors: HP_NOT_FOUND, HP_FORBIDDEN. */
export async function link(
  { audit }: Pick<HubParts, "audit">,
  trx: HubTransaction,
  by: Giver,
  { issuer, subject }: Pick<OidcClaims, "issuer" | "subject">,
  personId: string | null,
): Promise<void> {
  const before = await trx.db
    .selectFrom("identities")
    .select("person_id")
    .where("issuer", "=", issuer)
    .where("subject", "=", subject)
    .executeTakeFirst();
  if (!before) throw new HoldpointError("HP_NOT_FOUND", "nobody with this identity has come to sign in");
  // Whoever links an identity lets its owner in as that person.
  for (const id of [before.person_id, personId]) if (id !== null) checkGrant(by, await findPerson(trx, id));
  await trx.db
    .updateTable("identities")
    .set({ person_id: personId })
    .where("issuer", "=", issuer)
    .where("subject", "=", subject)
    .execute();
  if (before.person_id !== null && before.person_id !== personId) {
    await trx.db.deleteFrom("sessions").where("person_id", "=", before.person_id).execute();
  }
  await audit.record(trx, {
    ...{ actor: actorOf(by), action: personId === null ? "identity.unlinked" : "identity.linked" },
    ...{ subject: `person:${personId ?? before.person_id ?? ""}`, detail: { issuer, subject } },
  });
}

function clipped(text: string | null): string | null {
  return text === null ? null : text.slice(0, 256);
}

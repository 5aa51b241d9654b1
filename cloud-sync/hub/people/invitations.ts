import { HoldpointError } from "../../../protocol/index.ts";
import { type HubReader, type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { actorOf, checkGrant, findPerson, personOf, type AccountParts, type Giver, type Person } from "./accounts.ts";
import { newToken, tokenHash } from "./tokens.ts";

/** An invitation sets the password of one account, once: for somebody new, and for somebody who forgot theirs. */
export interface Invitation {
  readonly token: string;
  /** Of the hub's pages; the token is behind the `#`, so that no server and no log on the way sees it. */
  readonly path: string;
  readonly expiresMs: number;
}

const validMs = 7 * 86_400_000;

/** Replaces an invitation that is still open. Errors: HP_NOT_FOUND, HP_FORBIDDEN, HP_CONFLICT (disabled). */
export async function invite(
  { clock, random, hasher, audit }: AccountParts,
  trx: HubTransaction,
  by: Giver,
  personId: string,
): Promise<Invitation> {
  const person = await findPerson(trx, personId);
  // Who sets a password can sign in as that person.
  checkGrant(by, person);
  if (person.disabled)
    throw new HoldpointError("HP_CONFLICT", "this account is disabled", { hint: "Enable it first." });
  const token = newToken(random, "hpi_");
  const expiresMs = Math.round(clock.wallMs()) + validMs;
  const values = { token_hash: tokenHash(hasher, token), expires_ms: expiresMs, made_by: actorOf(by) };
  await trx.db
    .insertInto("invitations")
    .values({ ...values, person_id: personId })
    .onConflict((conflict) => conflict.column("person_id").doUpdateSet(values))
    .execute();
  const entry = { actor: actorOf(by), action: "person.invited", subject: `person:${personId}` };
  await audit.record(trx, { ...entry, detail: { expiresMs } });
  return { token, path: `/invitation#${token}`, expiresMs };
}

/** Whom an invitation is for, without using it up. Errors: HP_TOKEN. */
export async function invited(
  { clock, hasher }: Pick<HubParts, "clock" | "hasher">,
  { db }: HubReader,
  token: string,
): Promise<Person> {
  const row = await db
    .selectFrom("people")
    .innerJoin("invitations", "invitations.person_id", "people.person_id")
    .selectAll("people")
    .where("invitations.token_hash", "=", tokenHash(hasher, token))
    .where("invitations.expires_ms", ">", Math.round(clock.wallMs()))
    .where("people.disabled_ms", "is", null)
    .executeTakeFirst();
  if (!row) throw notGood();
  return personOf(row);
}

/**
 * Takes an invitation up: sets the password and ends every session that there was. Of two calls with one token, one
 * gets it. Errors: HP_TOKEN.
 */
export async function takeInvitation(
  parts: HubParts,
  trx: HubTransaction,
  token: string,
  password: string,
): Promise<Person> {
  const person = await invited(parts, trx, token);
  const used = await trx.db
    .deleteFrom("invitations")
    .where("token_hash", "=", tokenHash(parts.hasher, token))
    .returning("person_id")
    .executeTakeFirst();
  if (!used) throw notGood();
  await setPassword(trx, person.id, password);
  const subject = `person:${person.id}`;
  await parts.audit.record(trx, {
    actor: subject,
    action: "person.password_set",
    subject,
    detail: { by: "invitation" },
  });
  return { ...person, hasPassword: true };
}

/** A new password ends every session but the given one, and forgets the browsers that were used with the old one. */
export async function setPassword(
  { db }: HubTransaction,
  personId: string,
  password: string,
  except: { readonly sessionId: string } | null = null,
): Promise<void> {
  await db.updateTable("people").set({ password }).where("person_id", "=", personId).execute();
  let others = db.deleteFrom("sessions").where("person_id", "=", personId);
  if (except) others = others.where("session_id", "!=", except.sessionId);
  await others.execute();
  await db.deleteFrom("known_browsers").where("person_id", "=", personId).execute();
}

function notGood(): HoldpointError {
  return new HoldpointError("HP_TOKEN", "the invitation is unknown, used or too old", {
    hint: "Ask an admin of this hub for a new one.",
  });
}

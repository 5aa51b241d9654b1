import { HoldpointError } from "../../../protocol/index.ts";
import { type HubParts } from "../room.ts";
import { personOf, type Person } from "./accounts.ts";
import { setPassword } from "./invitations.ts";
import { checkPassword, type Passwords } from "./passwords.ts";
import { openSession, sessionLimits, type OpenSession } from "./sessions.ts";
import { networkOf, type SignInLimits } from "./sign-in-limits.ts";
import { newToken, tokenHash } from "./tokens.ts";

export interface SignInParts extends HubParts {
  readonly passwords: Passwords;
  readonly limits: SignInLimits;
}

export interface SignInFrom {
  readonly address: string;
  /** Token of the browser's own cookie, or null. */
  readonly browser: string | null;
}

export interface SignedIn {
  readonly token: string;
  /** For the browser to keep: it will not be delayed by what strangers try at this account. */
  readonly browser: string;
  readonly session: OpenSession;
}

/** Errors: HP_UNAUTHORIZED (one answer for an unknown login, a wrong password and a disabled account), HP_RATE, HP_BUSY. */
export async function signIn(
  parts: SignInParts,
  given: { readonly login: string; readonly password: string },
  from: SignInFrom,
): Promise<SignedIn> {
  const { database, hasher } = parts;
  const login = given.login.trim().toLowerCase();
  const row = await database.read((db) =>
    db.selectFrom("people").selectAll().where("login", "=", login).executeTakeFirst(),
  );
  const browserHash = from.browser === null ? null : tokenHash(hasher, from.browser);
  const isKnown = browserHash !== null && (await knows(parts, row?.person_id ?? "nobody", browserHash));
  const giveBack = parts.limits.admit({ login, address: from.address, knownBrowser: isKnown ? browserHash : null });
  const fits = await parts.passwords.fits(given.password, row?.password ?? null);
  if (!row || !fits || row.disabled_ms !== null) {
    if (row) recordRefusal(parts, row.person_id, from);
    throw wrongPassword();
  }
  giveBack();
  return enter(parts, personOf(row), from, { by: "password" }, row.password);
}

/**
 * Unknown logins are not written down: strangers must not be able to fill the log with their own words. The answer does
 * not wait for the line, because the time that a commit takes would say that the account exists.
 */
function recordRefusal({ database, audit, logger }: SignInParts, personId: string, from: SignInFrom): void {
  const entry = { actor: "stranger", action: "sign_in.refused", subject: `person:${personId}` };
  const detail = { network: networkOf(from.address) };
  database
    .write((trx) => audit.record(trx, { ...entry, detail }))
    .catch((cause: unknown) => logger.warn("hub_refusal_not_recorded", { cause }));
}

/** Opens a session for a person of whom something else made sure. `password` must still be that one, where given. */
export async function enter(
  parts: SignInParts,
  person: Person,
  from: SignInFrom,
  how: Readonly<Record<string, unknown>>,
  password: string | null = null,
): Promise<SignedIn> {
  const { database, random, hasher, clock } = parts;
  const browser = from.browser ?? newToken(random, "hpb_");
  return database.write(async (trx) => {
    // Looked up again: the account may have been disabled, or its password changed, while this one was checked.
    const now = await trx.db
      .selectFrom("people")
      .select(["password", "disabled_ms"])
      .where("person_id", "=", person.id)
      .executeTakeFirst();
    if (!now || now.disabled_ms !== null || (password !== null && now.password !== password)) throw wrongPassword();
    const nowMs = Math.round(clock.wallMs());
    await trx.db
      .deleteFrom("known_browsers")
      .where("seen_ms", "<", nowMs - sessionLimits.browserMs)
      .execute();
    const values = { person_id: person.id, seen_ms: nowMs };
    await trx.db
      .insertInto("known_browsers")
      .values({ ...values, token_hash: browserHashOf(parts, person.id, tokenHash(hasher, browser)) })
      .onConflict((conflict) => conflict.column("token_hash").doUpdateSet(values))
      .execute();
    const detail = { ...how, network: networkOf(from.address) };
    return { browser, ...(await openSession(parts, trx, person, detail)) };
  });
}

/** Sets a new password for whoever knows the old one, and ends their other sessions. Errors: HP_UNAUTHORIZED, HP_RATE. */
export async function changePassword(
  parts: SignInParts,
  session: OpenSession,
  given: { readonly current: string; readonly next: string },
  from: SignInFrom,
): Promise<void> {
  const { person, caller } = session;
  checkPassword(given.next, person);
  const giveBack = parts.limits.admit({
    ...{ login: person.login, address: from.address, knownBrowser: caller.sessionId },
  });
  const row = await parts.database.read((db) =>
    db.selectFrom("people").select("password").where("person_id", "=", person.id).executeTakeFirst(),
  );
  if (!(await parts.passwords.fits(given.current, row?.password ?? null))) throw wrongPassword();
  giveBack();
  const hash = await parts.passwords.hash(given.next);
  await parts.database.write(async (trx) => {
    await setPassword(trx, person.id, hash, caller);
    const subject = `person:${person.id}`;
    await parts.audit.record(trx, { actor: subject, action: "person.password_set", subject, detail: { by: "self" } });
    trx.tell({ kind: "people", personId: person.id });
  });
}

async function knows(parts: SignInParts, personId: string, browserHash: string): Promise<boolean> {
  const hash = browserHashOf(parts, personId, browserHash);
  const row = await parts.database.read((db) =>
    db.selectFrom("known_browsers").select("token_hash").where("token_hash", "=", hash).executeTakeFirst(),
  );
  return row !== undefined;
}

/** Several people may use one browser: each has a row of their own. */
function browserHashOf({ hasher }: SignInParts, personId: string, browserHash: string): string {
  return tokenHash(hasher, `${personId} ${browserHash}`);
}

function wrongPassword(): HoldpointError {
  return new HoldpointError("HP_UNAUTHORIZED", "login and password do not fit together", {
    hint: "Check both; an admin of this hub can send a new invitation.",
  });
}

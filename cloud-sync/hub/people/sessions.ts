import { newId, type Exchange } from "../../../protocol/index.ts";
import { permissionsOf, type PersonCaller } from "../api/caller.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { personOf, type Person } from "./accounts.ts";
import { type Cookies } from "./session-cookie.ts";
import { newToken, tokenHash } from "./tokens.ts";

/** Signed-in people. The token is in the cookie and its hash in the database: every process of the hub knows it. */
export const sessionLimits = Object.freeze({
  /** A session that nobody uses ends. */
  idleMs: 4 * 3_600_000,
  /** And so does any other, once in a while. */
  wholeMs: 24 * 3_600_000,
  /** How long a browser is remembered in which somebody signed in. */
  browserMs: 180 * 86_400_000,
  /** Sessions of one person; the oldest end. */
  perPersonMax: 20,
});

/** The time of the last call is written at most so often. */
const seenEveryMs = 60_000;

export interface OpenSession {
  readonly caller: PersonCaller;
  readonly person: Person;
  readonly openedMs: number;
  readonly endsMs: number;
}

/** Opens a session in the transaction that made sure who it is. */
export async function openSession(
  { clock, random, hasher, audit }: HubParts,
  trx: HubTransaction,
  person: Person,
  detail: Readonly<Record<string, unknown>>,
): Promise<{ readonly token: string; readonly session: OpenSession }> {
  const { db } = trx;
  const token = newToken(random, "hps_");
  const sessionId = newId(clock, random);
  const nowMs = Math.round(clock.wallMs());
  const endsMs = nowMs + sessionLimits.wholeMs;
  // Whoever signs in sweeps up: nothing else has to.
  await db
    .deleteFrom("sessions")
    .where((where) => where.or([where("ends_ms", "<=", nowMs), where("seen_ms", "<=", nowMs - sessionLimits.idleMs)]))
    .execute();
  const older = await db
    .selectFrom("sessions")
    .select("token_hash")
    .where("person_id", "=", person.id)
    .orderBy("opened_ms", "desc")
    .offset(sessionLimits.perPersonMax - 1)
    .limit(1_000)
    .execute();
  const tooMany = older.map((row) => row.token_hash);
  if (tooMany.length > 0) await db.deleteFrom("sessions").where("token_hash", "in", tooMany).execute();
  await db
    .insertInto("sessions")
    .values({
      ...{ token_hash: tokenHash(hasher, token), session_id: sessionId, person_id: person.id },
      ...{ opened_ms: nowMs, seen_ms: nowMs, ends_ms: endsMs },
    })
    .execute();
  const subject = `person:${person.id}`;
  await audit.record(trx, { actor: subject, action: "session.opened", subject, detail });
  return { token, session: { person, caller: callerOf(person, sessionId), openedMs: nowMs, endsMs } };
}

/** The session of a call; null where there is none, or it has ended. */
export async function sessionOf(
  { database, clock, hasher }: Pick<HubParts, "database" | "clock" | "hasher">,
  cookies: Cookies,
  exchange: Exchange,
): Promise<OpenSession | null> {
  const token = cookies.session.read(exchange);
  if (token === null) return null;
  const hash = tokenHash(hasher, token);
  const nowMs = Math.round(clock.wallMs());
  const row = await database.read((db) =>
    db
      .selectFrom("sessions")
      .innerJoin("people", "people.person_id", "sessions.person_id")
      .selectAll("people")
      .select(["sessions.session_id", "sessions.opened_ms", "sessions.seen_ms", "sessions.ends_ms"])
      .where("sessions.token_hash", "=", hash)
      .where("sessions.ends_ms", ">", nowMs)
      .where("sessions.seen_ms", ">", nowMs - sessionLimits.idleMs)
      .where("people.disabled_ms", "is", null)
      .executeTakeFirst(),
  );
  if (!row) return null;
  if (nowMs - row.seen_ms >= seenEveryMs) {
    // A call that only reads must go on where nothing can be written: the disk may be full.
    await database
      .write(({ db }) => db.updateTable("sessions").set({ seen_ms: nowMs }).where("token_hash", "=", hash).execute())
      .catch(() => undefined);
  }
  const person = personOf(row);
  return { person, caller: callerOf(person, row.session_id), openedMs: row.opened_ms, endsMs: row.ends_ms };
}

function callerOf(person: Person, sessionId: string): PersonCaller {
  const { id, name, roles, stores, tasks, skills } = person;
  const permissions = new Set(roles.flatMap((role) => permissionsOf[role]));
  return { kind: "person", id, name, roles, permissions, stores, tasks, skills, sessionId };
}

import { HoldpointError, newId, type Exchange } from "../../../protocol/index.ts";
import { permissionsOf, type PersonCaller, type Role, type Scope } from "../api/caller.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { actorOf, checkGrant, grantOf, scopeText, type Giver } from "./accounts.ts";
import { newToken, tokenHash } from "./tokens.ts";

/** Tokens with which programs call the hub: `Authorization: Bearer hpt_…`. Only their hashes are kept. */
const prefix = "hpt_";
/** The time of the last call is written at most so often. */
const usedEveryMs = 60_000;

export interface NewToken {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly stores?: Scope;
  readonly tasks?: Scope;
  /** Null: until it is revoked. */
  readonly validMs: number | null;
}

/** Makes one in the transaction of whoever decided it. */
export async function createApiToken(
  { clock, random, hasher, audit }: HubParts,
  trx: HubTransaction,
  by: string,
  { name, roles, stores = null, tasks = null, validMs }: NewToken,
): Promise<{ readonly id: string; readonly token: string }> {
  const token = newToken(random, prefix);
  const id = newId(clock, random);
  const nowMs = Math.round(clock.wallMs());
  await trx.db
    .insertInto("api_tokens")
    .values({
      ...{ token_hash: tokenHash(hasher, token), token_id: id, name, roles: JSON.stringify(roles) },
      ...{ stores: scopeText(stores), tasks: scopeText(tasks), made_ms: nowMs, made_by: by },
      ...{ used_ms: null, expires_ms: validMs === null ? null : nowMs + validMs, revoked_ms: null },
    })
    .execute();
  const detail = { name, roles, stores, tasks };
  await audit.record(trx, { actor: by, action: "api_token.made", subject: `program:${id}`, detail });
  return { id, token };
}

/** False where it was revoked before. Errors: HP_NOT_FOUND, HP_FORBIDDEN (it may do more than whoever revokes it). */
export async function revokeApiToken({ database, clock, audit }: HubParts, by: Giver, id: string): Promise<boolean> {
  return database.write(async (trx) => {
    const known = await trx.db
      .selectFrom("api_tokens")
      .select(["roles", "stores", "tasks"])
      .where("token_id", "=", id)
      .executeTakeFirst();
    if (!known) throw new HoldpointError("HP_NOT_FOUND", "there is no such API token");
    checkGrant(by, grantOf(known));
    const revoked = await trx.db
      .updateTable("api_tokens")
      .set({ revoked_ms: Math.round(clock.wallMs()) })
      .where("token_id", "=", id)
      .where("revoked_ms", "is", null)
      .returning("token_id")
      .executeTakeFirst();
    if (!revoked) return false;
    await audit.record(trx, { actor: actorOf(by), action: "api_token.revoked", subject: `program:${id}` });
    return true;
  });
}

/** The program behind a call; null where it brings no token. Throws HP_UNAUTHORIZED for one that is not good (any more). */
export async function programOf(
  { database, clock, hasher }: Pick<HubParts, "database" | "clock" | "hasher">,
  exchange: Exchange,
): Promise<PersonCaller | null> {
  const header = exchange.header("authorization");
  if (header === null) return null;
  const [scheme, token] = header.split(" ");
  if (scheme?.toLowerCase() !== "bearer" || token?.startsWith(prefix) !== true) return null;
  const nowMs = Math.round(clock.wallMs());
  const hash = tokenHash(hasher, token);
  const row = await database.read((db) =>
    db.selectFrom("api_tokens").selectAll().where("token_hash", "=", hash).executeTakeFirst(),
  );
  if (!row || row.revoked_ms !== null || (row.expires_ms !== null && row.expires_ms <= nowMs)) {
    throw new HoldpointError("HP_UNAUTHORIZED", "the API token is unknown, revoked or too old", {
      hint: "Ask an admin of this hub for a new token.",
    });
  }
  if (row.used_ms === null || nowMs - row.used_ms >= usedEveryMs) {
    // A call that only reads must go on where nothing can be written: the disk may be full.
    await database
      .write(({ db }) => db.updateTable("api_tokens").set({ used_ms: nowMs }).where("token_hash", "=", hash).execute())
      .catch(() => undefined);
  }
  const grant = grantOf(row);
  return {
    kind: "program",
    id: row.token_id,
    name: row.name,
    ...grant,
    permissions: new Set(grant.roles.flatMap((role) => permissionsOf[role])),
    skills: [],
    sessionId: row.token_id,
  };
}

import { HoldpointError, newId, toHex, type Exchange } from "../../../protocol/index.ts";
import { permissionsOf, type PersonCaller, type Role } from "../api/caller.ts";
import { type HubParts } from "../room.ts";

/** Tokens with which programs call the hub: `Authorization: Bearer hpt_…`. Only their hashes are kept. */
const prefix = "hpt_";

export interface NewToken {
  readonly name: string;
  readonly roles: readonly Role[];
  /** Null: until it is revoked. */
  readonly validMs: number | null;
}

export async function createApiToken(
  { database, clock, random, hasher, audit }: HubParts,
  by: string,
  { name, roles, validMs }: NewToken,
): Promise<{ readonly id: string; readonly token: string }> {
  const token = `${prefix}${toHex(random.bytes(24))}`;
  const id = newId(clock, random);
  const nowMs = Math.round(clock.wallMs());
  await database.write(async (trx) => {
    await trx.db
      .insertInto("api_tokens")
      .values({
        token_hash: hashOf(hasher, token),
        token_id: id,
        name,
        roles: JSON.stringify(roles),
        made_ms: nowMs,
        made_by: by,
        used_ms: null,
        expires_ms: validMs === null ? null : nowMs + validMs,
        revoked_ms: null,
      })
      .execute();
    await audit.record(trx, { actor: by, action: "api_token.made", subject: `program:${id}`, detail: { name, roles } });
  });
  return { id, token };
}

/** Whether there is any token: the first start of a hub makes one for its admin. */
export async function hasApiTokens({ database }: Pick<HubParts, "database">): Promise<boolean> {
  const row = await database.read((db) => db.selectFrom("api_tokens").select("token_id").limit(1).executeTakeFirst());
  return row !== undefined;
}

/** The program behind a call; null where it brings no token. Throws HP_UNAUTHORIZED for one that is not good (any more). */
export async function programOf(
  { database, clock, hasher }: Pick<HubParts, "database" | "clock" | "hasher">,
  exchange: Exchange,
): Promise<PersonCaller | null> {
  const [scheme, token] = (exchange.header("authorization") ?? "").split(" ");
  if (scheme?.toLowerCase() !== "bearer" || token?.startsWith(prefix) !== true) return null;
  const nowMs = Math.round(clock.wallMs());
  const row = await database.read((db) =>
    db
      .selectFrom("api_tokens")
      .select(["token_id", "name", "roles", "expires_ms", "revoked_ms"])
      .where("token_hash", "=", hashOf(hasher, token))
      .executeTakeFirst(),
  );
  if (!row || row.revoked_ms !== null || (row.expires_ms !== null && row.expires_ms <= nowMs)) {
    throw new HoldpointError("HP_UNAUTHORIZED", "the API token is unknown, revoked or too old", {
      hint: "Ask an admin of this hub for a new token.",
    });
  }
  const roles = JSON.parse(row.roles) as Role[];
  return {
    kind: "program",
    id: row.token_id,
    name: row.name,
    roles,
    permissions: new Set(roles.flatMap((role) => permissionsOf[role])),
    stores: null,
    tasks: null,
    skills: [],
    sessionId: row.token_id,
  };
}

function hashOf(hasher: HubParts["hasher"], token: string): string {
  return toHex(hasher.sha256(new TextEncoder().encode(token)));
}

import { HoldpointError, toBase64, type Exchange } from "../../../../protocol/index.ts";
import { type PersonCaller, type Scope } from "../../api/caller.ts";
import { actorOf, checkGrant, scopeOf, scopeText } from "../../people/accounts.ts";
import { type HubParts } from "../../room.ts";
import { checkSigV4, readSigV4, type SignedCall } from "./sigv4.ts";

/** Pairs of access key id and secret, for clients that sign their calls as AWS's do. */
export interface WorkCaller {
  readonly keyId: string;
  readonly name: string;
  readonly secret: string;
  /** Of the call's credential: `20261120/eu-central-1/sagemaker/aws4_request`. */
  readonly scope: string;
  readonly stores: Scope;
  readonly tasks: Scope;
}

const keyIdPrefix = "HPAK";
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const service = "sagemaker";
/** Whoever signs with a key sends work in, as an operator does. */
const keyRoles = ["operator"] as const;
/** The time of the last call is written at most so often. */
const usedEveryMs = 60_000;

export interface NewWorkKey {
  readonly name: string;
  readonly stores: Scope;
  readonly tasks: Scope;
}

/** Makes one; its secret is in the answer and is shown this once. Errors: HP_FORBIDDEN. */
export async function createWorkKey(
  { database, clock, random, audit }: HubParts,
  caller: PersonCaller,
  { name, stores, tasks }: NewWorkKey,
): Promise<{ accessKeyId: string; secretAccessKey: string }> {
  checkGrant(caller, { roles: keyRoles, stores, tasks });
  const accessKeyId = `${keyIdPrefix}${[...random.bytes(16)].map((byte) => alphabet[byte & 31]).join("")}`;
  const secretAccessKey = toBase64(random.bytes(30));
  const by = actorOf(caller);
  await database.write(async (trx) => {
    await trx.db
      .insertInto("work_keys")
      .values({
        ...{ key_id: accessKeyId, secret: secretAccessKey, name, stores: scopeText(stores), tasks: scopeText(tasks) },
        ...{ made_ms: Math.round(clock.wallMs()), made_by: by, used_ms: null, revoked_ms: null },
      })
      .execute();
    const detail = { name, stores, tasks };
    await audit.record(trx, { actor: by, action: "work_key.made", subject: `program:${accessKeyId}`, detail });
  });
  return { accessKeyId, secretAccessKey };
}

/** Good for nothing from now on. False where it was that already. Errors: HP_NOT_FOUND, HP_FORBIDDEN. */
export async function revokeWorkKey(
  { database, clock, audit }: HubParts,
  caller: PersonCaller,
  keyId: string,
): Promise<boolean> {
  return database.write(async (trx) => {
    const known = await trx.db
      .selectFrom("work_keys")
      .select(["revoked_ms", "stores", "tasks"])
      .where("key_id", "=", keyId)
      .executeTakeFirst();
    if (!known) throw new HoldpointError("HP_NOT_FOUND", "there is no such key");
    checkGrant(caller, { roles: keyRoles, stores: scopeOf(known.stores), tasks: scopeOf(known.tasks) });
    if (known.revoked_ms !== null) return false;
    await trx.db
      .updateTable("work_keys")
      .set({ revoked_ms: Math.round(clock.wallMs()), secret: "" })
      .where("key_id", "=", keyId)
      .execute();
    await audit.record(trx, {
      ...{ actor: actorOf(caller), action: "work_key.revoked", subject: `program:${keyId}` },
    });
    return true;
  });
}

/**
 * Who signed the call. Errors: HP_UNAUTHORIZED (no signature, or not a whole one), HP_TOKEN (the key is unknown or
 * revoked), HP_FORBIDDEN (the signature is not this key's over this call), HP_CLOCK.
 */
export async function signerOf(
  { database, clock, hasher }: Pick<HubParts, "database" | "clock" | "hasher">,
  exchange: Exchange,
  body: Uint8Array,
): Promise<WorkCaller> {
  const call = signedCall(exchange, body);
  const signed = readSigV4(call);
  if (typeof signed === "string") {
    throw new HoldpointError(
      "HP_UNAUTHORIZED",
      signed === "missing" ? "Missing Authentication Token" : "The signature is not whole",
    );
  }
  const row = await database.read((db) =>
    db.selectFrom("work_keys").selectAll().where("key_id", "=", signed.keyId).executeTakeFirst(),
  );
  if (!row || row.revoked_ms !== null || signed.scope.split("/")[2] !== service) {
    throw new HoldpointError("HP_TOKEN", "The security token included in the request is invalid.");
  }
  const nowMs = Math.round(clock.wallMs());
  const refusal = checkSigV4(hasher, call, signed, row.secret, nowMs);
  if (refusal === "mismatch") {
    throw new HoldpointError(
      "HP_FORBIDDEN",
      "The request signature we calculated does not match the signature you provided. Check your Secret Access Key and signing method.",
    );
  }
  if (refusal === "skew") throw new HoldpointError("HP_CLOCK", `Signature expired: ${signed.date} is too far from now`);
  if (row.used_ms === null || nowMs - row.used_ms >= usedEveryMs) {
    // A call that only reads must go on where nothing can be written.
    await database
      .write(({ db }) => db.updateTable("work_keys").set({ used_ms: nowMs }).where("key_id", "=", row.key_id).execute())
      .catch(() => undefined);
  }
  return {
    ...{ keyId: row.key_id, name: row.name, secret: row.secret, scope: signed.scope },
    ...{ stores: scopeOf(row.stores), tasks: scopeOf(row.tasks) },
  };
}

function signedCall(exchange: Exchange, body: Uint8Array): SignedCall {
  const { request } = exchange;
  const url = new URL(request.url);
  return {
    ...{ method: request.method, path: url.pathname, query: url.search.slice(1), body },
    headerNames: [...request.headers.keys()],
    header: (name) => exchange.header(name),
  };
}

import { z } from "zod";
import {
  enrolReplySchema,
  enrolRequestSchema,
  HoldpointError,
  namePattern,
  newId,
  toHex,
  type EnrolReply,
  type EnrolRequest,
} from "../../../protocol/index.ts";
import { inScope } from "../api/caller.ts";
import { personRoute, publicRoute, type HubRoute } from "../api/hub-route.ts";
import { firstConfigVersion } from "../config/config-bundle.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";

/**
 * How an agent becomes one of the fleet: an operator makes a token for a store and a name, the box sends it once with
 * the public half of a key that it made itself, and signs every call with that key from then on.
 */
export interface EnrolmentOptions extends HubParts {
  /** The hub's own Ed25519 key, public half in base64url: agents check the hub's configs with it. */
  readonly hubPublicKey: string;
  /** Whether a text is the public half of an Ed25519 key. */
  readonly isPublicKey: (text: string) => boolean;
}

const tokenMsDefault = 24 * 3_600_000;
const tokenMsMax = 30 * 86_400_000;

const name = z.string().regex(namePattern, { error: "must be a name of letters, digits, dots, dashes" });
const tokenRequest = z.strictObject({
  store: name,
  agent: name,
  /** How long the token is good, milliseconds; a day unless told. */
  validMs: z.number().int().min(60_000).max(tokenMsMax).optional(),
});
const tokenReply = z.strictObject({ token: z.string(), store: z.string(), agent: z.string(), expiresMs: z.number() });

export function enrolmentRoutes(options: EnrolmentOptions): readonly HubRoute[] {
  return [
    personRoute("fleet.write", {
      method: "POST",
      path: "/v1/fleet/tokens",
      operation: {
        id: "createEnrolmentToken",
        summary: "Make a token with which one box may enrol once",
        tag: "fleet",
      },
      secret: true,
      body: tokenRequest,
      reply: tokenReply,
      handle: async ({ caller, body }) => {
        if (!inScope(caller.stores, body.store)) throw new HoldpointError("HP_FORBIDDEN", "this store is not yours");
        return createToken(options, `${caller.kind}:${caller.id}`, body);
      },
    }),
    publicRoute({
      method: "POST",
      path: "/v1/enrol",
      operation: { id: "enrol", summary: "Exchange a token and a public key for a place in the fleet", tag: "agents" },
      body: enrolRequestSchema,
      reply: enrolReplySchema,
      handle: ({ body }) => enrol(options, body),
    }),
  ];
}

/** Makes a token; only its hash is kept. */
async function createToken(
  { database, clock, random, hasher, audit }: EnrolmentOptions,
  by: string,
  { store, agent, validMs = tokenMsDefault }: z.output<typeof tokenRequest>,
): Promise<z.output<typeof tokenReply>> {
  const token = `hpe_${toHex(random.bytes(24))}`;
  const expiresMs = Math.round(clock.wallMs()) + validMs;
  await database.write(async (trx) => {
    const row = { token_hash: hashOf(hasher, token), store, agent_name: agent, expires_ms: expiresMs, made_by: by };
    await trx.db
      .insertInto("enrol_tokens")
      .values({ ...row, used_ms: null, used_by: null })
      .execute();
    await audit.record(trx, {
      actor: by,
      action: "token.made",
      subject: `store:${store}`,
      detail: { agent, expiresMs },
    });
  });
  return { token, store, agent, expiresMs };
}

/** Errors: HP_TOKEN (unknown, used, expired), HP_SCHEMA (no key), HP_CONFLICT (the key is enrolled already). */
async function enrol(options: EnrolmentOptions, request: EnrolRequest): Promise<EnrolReply> {
  const { database, clock, random, hasher, hubId, hubPublicKey, audit, events } = options;
  if (!options.isPublicKey(request.publicKey)) throw new HoldpointError("HP_SCHEMA", "publicKey: is no Ed25519 key");
  const tokenHash = hashOf(hasher, request.token);
  const nowMs = Math.round(clock.wallMs());
  const agentId = newId(clock, random);
  return database.write(async (trx) => {
    // One statement takes the token: of two boxes with one token, one gets it.
    const taken = await trx.db
      .updateTable("enrol_tokens")
      .set({ used_ms: nowMs, used_by: agentId })
      .where("token_hash", "=", tokenHash)
      .where("used_ms", "is", null)
      .where("expires_ms", ">", nowMs)
      .returning(["store", "agent_name"])
      .executeTakeFirst();
    if (!taken) {
      // The answer to the first call was lost on its way: the same box asks again.
      const again = await enrolledBefore(trx, request.publicKey, tokenHash);
      if (!again) throw new HoldpointError("HP_TOKEN", "the token is unknown, used or too old");
      return { v: 1, ...again, hub: { id: hubId, publicKey: hubPublicKey }, nowMs };
    }
    if (taken.store !== request.store) {
      throw new HoldpointError("HP_TOKEN", `the token is for the store ${taken.store}, not for ${request.store}`);
    }
    const same = await trx.db
      .selectFrom("agents")
      .select("agent_id")
      .where("public_key", "=", request.publicKey)
      .executeTakeFirst();
    if (same) throw new HoldpointError("HP_CONFLICT", "this key is enrolled already", { hint: "Make a new key." });
    await trx.db
      .insertInto("agents")
      .values({
        ...newAgent,
        agent_id: agentId,
        store: taken.store,
        name: taken.agent_name,
        public_key: request.publicKey,
        enrolled_ms: nowMs,
        software: request.software,
      })
      .execute();
    await firstConfigVersion(trx, agentId);
    const detail = { store: taken.store, name: taken.agent_name };
    await audit.record(trx, {
      actor: `agent:${agentId}`,
      action: "agent.enrolled",
      subject: `agent:${agentId}`,
      detail,
    });
    await events.emit(trx, [{ type: "agent.enrolled", store: taken.store, data: { agentId, name: taken.agent_name } }]);
    trx.tell({ kind: "agent", agentId });
    const hub = { id: hubId, publicKey: hubPublicKey };
    return { v: 1, agentId, store: taken.store, agent: taken.agent_name, hub, nowMs };
  });
}

/** The agent that this token and this very key have made, or null. */
async function enrolledBefore(
  { db }: HubTransaction,
  publicKey: string,
  tokenHash: string,
): Promise<Pick<EnrolReply, "agentId" | "store" | "agent"> | null> {
  const row = await db
    .selectFrom("enrol_tokens")
    .innerJoin("agents", "agents.agent_id", "enrol_tokens.used_by")
    .select(["agents.agent_id", "agents.store", "agents.name"])
    .where("enrol_tokens.token_hash", "=", tokenHash)
    .where("agents.public_key", "=", publicKey)
    .executeTakeFirst();
  return row ? { agentId: row.agent_id, store: row.store, agent: row.name } : null;
}

const newAgent = {
  state: "active" as const,
  seen_ms: null,
  boot_id: null,
  boot_before: null,
  heartbeat: null,
  feed_seq: 0,
  feed_taken: 0,
  config_version: 0,
};

function hashOf(hasher: HubParts["hasher"], token: string): string {
  return toHex(hasher.sha256(new TextEncoder().encode(token)));
}

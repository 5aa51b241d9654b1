import { z } from "zod";
import { roles } from "../api/caller.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { listCursor, pageOf, pageQuery, pageSchema } from "../api/pages.ts";
import { type HubParts } from "../room.ts";
import { actorOf, checkGrant, grantOf, grantSchema, personNameSchema } from "./accounts.ts";
import { createApiToken, revokeApiToken } from "./api-tokens.ts";

const validMsMax = 5 * 366 * 86_400_000;

const tokenSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  roles: z.array(z.enum(roles)),
  stores: z.array(z.string()).nullable(),
  tasks: z.array(z.string()).nullable(),
  madeMs: z.number(),
  madeBy: z.string(),
  usedMs: z.number().nullable(),
  expiresMs: z.number().nullable(),
  revokedMs: z.number().nullable(),
});

const newTokenSchema = z.strictObject({
  name: personNameSchema,
  roles: grantSchema.shape.roles,
  stores: grantSchema.shape.stores.default(null),
  tasks: grantSchema.shape.tasks.default(null),
  /** How long it is good, milliseconds; null: until it is revoked. */
  validMs: z.number().int().min(60_000).max(validMsMax).nullable().default(null),
});

const cursors = listCursor("tokens", z.string());

/** Tokens of programs, as admins see and make them. */
export function tokenRoutes(parts: HubParts): readonly HubRoute[] {
  return [
    personRoute("people.read", {
      ...{ method: "GET", path: "/v1/tokens" },
      operation: { id: "listApiTokens", summary: "The API tokens, newest first, without the tokens", tag: "people" },
      query: pageQuery({}),
      reply: pageSchema(tokenSchema),
      handle: async ({ query: { cursor, limit } }) => {
        const after = cursors.read(cursor);
        const rows = await parts.database.read((db) => {
          // Ids begin with the time at which they were made.
          const all = db
            .selectFrom("api_tokens")
            .selectAll()
            .orderBy("token_id", "desc")
            .limit(limit + 1);
          return (after === null ? all : all.where("token_id", "<", after)).execute();
        });
        const items = rows.map((row) => ({
          ...{ id: row.token_id, name: row.name, ...grantOf(row), madeMs: row.made_ms, madeBy: row.made_by },
          ...{ usedMs: row.used_ms, expiresMs: row.expires_ms, revokedMs: row.revoked_ms },
        }));
        return pageOf(items, limit, ({ id }) => cursors.write(id));
      },
    }),
    personRoute("people.write", {
      ...{ method: "POST", path: "/v1/tokens" },
      operation: { id: "createApiToken", summary: "Make an API token; it is shown this once", tag: "people" },
      secret: true,
      body: newTokenSchema,
      reply: z.strictObject({ id: z.string(), token: z.string() }),
      examples: { body: { name: "Label Studio", roles: ["operator"], stores: ["store_1"] } },
      handle: ({ caller, body }) => {
        checkGrant(caller, body);
        return parts.database.write((trx) => createApiToken(parts, trx, actorOf(caller), body));
      },
    }),
    personRoute("people.write", {
      ...{ method: "DELETE", path: "/v1/tokens/:id" },
      operation: { id: "revokeApiToken", summary: "Revoke an API token, at once and for good", tag: "people" },
      idempotent: true,
      reply: z.strictObject({ revoked: z.boolean() }),
      handle: async ({ caller, params }) => ({
        revoked: await revokeApiToken(parts, caller, params["id"] ?? ""),
      }),
    }),
  ];
}

import { z } from "zod";
import { personRoute, type HubRoute } from "../../api/hub-route.ts";
import { listCursor, pageOf, pageQuery, pageSchema } from "../../api/pages.ts";
import { grantSchema, personNameSchema, scopeOf } from "../../people/accounts.ts";
import { type HubParts } from "../../room.ts";
import { createWorkKey, revokeWorkKey } from "./work-keys.ts";

const workKeySchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  stores: z.array(z.string()).nullable(),
  tasks: z.array(z.string()).nullable(),
  madeMs: z.number(),
  madeBy: z.string(),
  usedMs: z.number().nullable(),
  revokedMs: z.number().nullable(),
});

const newWorkKeySchema = z.strictObject({
  name: personNameSchema,
  stores: grantSchema.shape.stores.default(null),
  tasks: grantSchema.shape.tasks.default(null),
});

const tag = "work";
const cursors = listCursor("work-keys", z.string());

/** Access keys, as admins see and make them. */
export function workKeyRoutes(parts: HubParts): readonly HubRoute[] {
  return [
    personRoute("people.write", {
      ...{ method: "POST", path: "/v1/work-keys" },
      operation: {
        id: "createWorkKey",
        summary: "Make an access key for an AWS client; its secret is shown this once",
        tag,
      },
      secret: true,
      body: newWorkKeySchema,
      reply: z.strictObject({ accessKeyId: z.string(), secretAccessKey: z.string() }),
      examples: { body: { name: "A2I client", stores: ["store_1"] } },
      handle: ({ caller, body }) => createWorkKey(parts, caller, body),
    }),
    personRoute("people.read", {
      ...{ method: "GET", path: "/v1/work-keys" },
      operation: { id: "listWorkKeys", summary: "The access keys, without their secrets", tag },
      query: pageQuery({}),
      reply: pageSchema(workKeySchema),
      handle: async ({ query: { cursor, limit } }) => {
        const after = cursors.read(cursor);
        const rows = await parts.database.read((db) => {
          const all = db
            .selectFrom("work_keys")
            .selectAll()
            .orderBy("key_id")
            .limit(limit + 1);
          return (after === null ? all : all.where("key_id", ">", after)).execute();
        });
        const items = rows.map((row) => ({
          ...{ id: row.key_id, name: row.name, stores: scopeOf(row.stores), tasks: scopeOf(row.tasks) },
          ...{ madeMs: row.made_ms, madeBy: row.made_by, usedMs: row.used_ms, revokedMs: row.revoked_ms },
        }));
        return pageOf(items, limit, ({ id }) => cursors.write(id));
      },
    }),
    personRoute("people.write", {
      ...{ method: "DELETE", path: "/v1/work-keys/:id" },
      operation: { id: "revokeWorkKey", summary: "Revoke an access key, at once and for good", tag },
      idempotent: true,
      reply: z.strictObject({ revoked: z.boolean() }),
      handle: async ({ caller, params }) => ({ revoked: await revokeWorkKey(parts, caller, params["id"] ?? "") }),
    }),
  ];
}

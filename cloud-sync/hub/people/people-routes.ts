import { z } from "zod";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { listCursor, pageOf, pageQuery, pageSchema } from "../api/pages.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import {
  actorOf,
  addPerson,
  changePerson,
  checkGrant,
  findPerson,
  grantSchema,
  loginSchema,
  personChangeSchema,
  personNameSchema,
  personOf,
  personSchema,
  skillsSchema,
  type Giver,
} from "./accounts.ts";
import { invite, type Invitation } from "./invitations.ts";

export interface PeopleRoutesParts extends HubParts {
  /** The address under which people reach this hub, without a path. */
  readonly publicUrl: string | null;
}

const newPersonSchema = z.strictObject({
  login: loginSchema,
  name: personNameSchema,
  roles: grantSchema.shape.roles,
  stores: grantSchema.shape.stores.optional(),
  tasks: grantSchema.shape.tasks.optional(),
  skills: skillsSchema.optional(),
});

/** Shown once. `url` where the hub knows its own address; else the page's own address and `path` make it. */
const invitationSchema = z.strictObject({
  token: z.string(),
  path: z.string(),
  url: z.string().nullable(),
  expiresMs: z.number(),
});

const examplePerson = {
  ...{ id: "019a9f3e-7a10-7c3e-9d55-0242ac120002", login: "ada", name: "Ada Lovelace", roles: ["reviewer" as const] },
  ...{
    stores: ["store_1"],
    tasks: null,
    skills: ["produce"],
    disabled: false,
    hasPassword: true,
    madeMs: 1795000000000,
  },
};

const cursors = listCursor("people", z.string());

/** Accounts, as admins see and change them. */
export function peopleRoutes(parts: PeopleRoutesParts): readonly HubRoute[] {
  const { database } = parts;
  return [
    personRoute("people.read", {
      ...{ method: "GET", path: "/v1/people" },
      operation: { id: "listPeople", summary: "The accounts, by login", tag: "people" },
      query: pageQuery({}),
      reply: pageSchema(personSchema),
      examples: { reply: { items: [examplePerson], cursor: null } },
      handle: async ({ query: { cursor, limit } }) => {
        const after = cursors.read(cursor);
        const rows = await database.read((db) => {
          const all = db
            .selectFrom("people")
            .selectAll()
            .orderBy("login")
            .limit(limit + 1);
          return (after === null ? all : all.where("login", ">", after)).execute();
        });
        return pageOf(rows.map(personOf), limit, ({ login }) => cursors.write(login));
      },
    }),
    personRoute("people.write", {
      ...{ method: "POST", path: "/v1/people" },
      operation: { id: "addPerson", summary: "Add an account and make its invitation", tag: "people" },
      secret: true,
      body: newPersonSchema,
      reply: z.strictObject({ person: personSchema, invitation: invitationSchema }),
      examples: { body: { login: "ada", name: "Ada Lovelace", roles: ["reviewer"], stores: ["store_1"] } },
      handle: ({ caller, body }) =>
        database.write(async (trx) => {
          const person = await addPerson(parts, trx, caller, body);
          return { person, invitation: shown(await invite(parts, trx, caller, person.id), parts.publicUrl) };
        }),
    }),
    ...onePersonRoutes(parts),
  ];
}

function onePersonRoutes(parts: PeopleRoutesParts): readonly HubRoute[] {
  const { database } = parts;
  return [
    personRoute("people.read", {
      ...{ method: "GET", path: "/v1/people/:id" },
      operation: { id: "getPerson", summary: "One account", tag: "people" },
      reply: personSchema,
      examples: { reply: examplePerson },
      handle: ({ params }) => database.read((db) => findPerson({ db }, params["id"] ?? "")),
    }),
    personRoute("people.write", {
      ...{ method: "POST", path: "/v1/people/:id" },
      operation: {
        id: "changePerson",
        summary: "Change an account: what is named changes, the rest stays",
        tag: "people",
      },
      body: personChangeSchema,
      reply: personSchema,
      examples: { body: { name: "Ada King", roles: ["reviewer", "lead"] }, reply: examplePerson },
      handle: ({ caller, params, body }) =>
        database.write((trx) => changePerson(parts, trx, caller, params["id"] ?? "", body)),
    }),
    personRoute("people.write", {
      ...{ method: "POST", path: "/v1/people/:id/invitation" },
      operation: {
        ...{ id: "invitePerson", tag: "people" },
        summary: "Make a new invitation, with which the person sets a new password",
      },
      secret: true,
      reply: invitationSchema,
      handle: ({ caller, params }) =>
        database.write(async (trx) => shown(await invite(parts, trx, caller, params["id"] ?? ""), parts.publicUrl)),
    }),
    personRoute("people.write", {
      ...{ method: "DELETE", path: "/v1/people/:id/sessions" },
      operation: { id: "signPersonOut", summary: "End every session of a person", tag: "people" },
      idempotent: true,
      reply: z.strictObject({ ended: z.number() }),
      handle: ({ caller, params }) =>
        database.write(async (trx) => ({ ended: await endSessions(parts, trx, caller, params["id"] ?? "") })),
    }),
  ];
}

/** As an admin is shown it. */
function shown(invitation: Invitation, publicUrl: string | null): z.input<typeof invitationSchema> {
  return { ...invitation, url: publicUrl === null ? null : `${publicUrl}${invitation.path}` };
}

async function endSessions(parts: HubParts, trx: HubTransaction, by: Giver, id: string): Promise<number> {
  checkGrant(by, await findPerson(trx, id));
  const rows = await trx.db.deleteFrom("sessions").where("person_id", "=", id).returning("session_id").execute();
  const entry = { actor: actorOf(by), action: "session.ended", subject: `person:${id}` };
  await parts.audit.record(trx, { ...entry, detail: { sessions: rows.length } });
  trx.tell({ kind: "people", personId: id });
  return rows.length;
}

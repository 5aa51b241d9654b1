import { z } from "zod";
import { HoldpointError, namePattern, newId } from "../../../protocol/index.ts";
import { inScope, permissionsOf, roles, type PersonCaller, type Role, type Scope } from "../api/caller.ts";
import { type HubReader, type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { type PeopleTables } from "./people-tables.ts";

/** Accounts: who may do what, where. Passwords and sessions have files of their own. */

/** Those that turn the direction of writing as well: with them "nimdA" reads as another person's name. */
const controlCharacters = /[\p{Cc}\p{Bidi_Control}]/u;
const listMax = 1_000;

/** A name as people write it. Any character that prints is kept as it came; pages show it as text. */
export const personNameSchema = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .refine((text) => !controlCharacters.test(text), { error: "may not contain control characters" });

export const loginSchema = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^[a-z0-9][a-z0-9._@+-]{0,127}$/, { error: "must be letters, digits and . _ @ + -, at most 128" });

/** No store is not every store: an empty list would read as blank, and blank is every store. */
const scopeSchema = z.array(z.string().regex(namePattern)).min(1).max(listMax).nullable();

/** What may be given to a person or a token. */
export const grantSchema = z.strictObject({
  roles: z
    .array(z.enum(roles))
    .min(1)
    .max(roles.length)
    .refine((given) => new Set(given).size === given.length, { error: "names a role twice" }),
  /** Null: every store. */
  stores: scopeSchema,
  /** Null: every task. */
  tasks: scopeSchema,
});

export const skillsSchema = z.array(z.string().regex(namePattern)).max(listMax);

export const personSchema = z.strictObject({
  id: z.string(),
  login: z.string(),
  name: z.string(),
  roles: z.array(z.enum(roles)),
  stores: z.array(z.string()).nullable(),
  tasks: z.array(z.string()).nullable(),
  skills: z.array(z.string()),
  disabled: z.boolean(),
  /** False until an invitation was taken up. */
  hasPassword: z.boolean(),
  madeMs: z.number(),
});
export type Person = z.output<typeof personSchema>;

export interface NewPerson {
  readonly login: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly stores?: Scope | undefined;
  readonly tasks?: Scope | undefined;
  readonly skills?: readonly string[] | undefined;
}

export const personChangeSchema = z.strictObject({
  login: loginSchema.optional(),
  name: personNameSchema.optional(),
  ...grantSchema.partial().shape,
  skills: skillsSchema.optional(),
  disabled: z.boolean().optional(),
});
export type PersonChange = z.output<typeof personChangeSchema>;

/** What work on accounts needs of the hub; the command line has it without a hub that runs. */
export type AccountParts = Pick<HubParts, "clock" | "random" | "hasher" | "audit">;

/** Who may give: null is the hub itself (its command line, its first start). */
export type Giver = PersonCaller | null;

export function actorOf(by: Giver): string {
  return by === null ? "hub" : `${by.kind}:${by.id}`;
}

/** Nobody gives what they do not have: a role with more permissions, or a store outside of their own. HP_FORBIDDEN. */
export function checkGrant(
  by: Giver,
  grant: { readonly roles: readonly Role[]; readonly stores: Scope; readonly tasks: Scope },
): void {
  if (by === null) return;
  const missing = grant.roles.flatMap((role) => permissionsOf[role]).find((one) => !by.permissions.has(one));
  const isWider = (own: Scope, given: Scope): boolean =>
    own !== null && (given === null || given.some((name) => !inScope(own, name)));
  if (missing === undefined && !isWider(by.stores, grant.stores) && !isWider(by.tasks, grant.tasks)) return;
  throw new HoldpointError("HP_FORBIDDEN", "nobody can give away more than they may do themselves", {
    hint: "Ask an admin of the whole hub.",
  });
}

/** Adds an account without a password. Errors: HP_CONFLICT (the login is taken), HP_FORBIDDEN. */
export async function addPerson(
  { clock, random, audit }: AccountParts,
  trx: HubTransaction,
  by: Giver,
  { login, name, roles: given, stores = null, tasks = null, skills = [] }: NewPerson,
): Promise<Person> {
  checkGrant(by, { roles: given, stores, tasks });
  const id = newId(clock, random);
  const row = await trx.db
    .insertInto("people")
    .values({
      ...{ person_id: id, login, name, roles: JSON.stringify(given), skills: JSON.stringify(skills) },
      ...{ stores: scopeText(stores), tasks: scopeText(tasks), password: null, disabled_ms: null },
      ...{ made_ms: Math.round(clock.wallMs()), made_by: actorOf(by) },
    })
    .onConflict((conflict) => conflict.column("login").doNothing())
    .returningAll()
    .executeTakeFirst();
  if (!row) throw loginTaken(login);
  const detail = { login, name, roles: given, stores, tasks, skills };
  await audit.record(trx, { actor: actorOf(by), action: "person.added", subject: `person:${id}`, detail });
  trx.tell({ kind: "people", personId: id });
  return personOf(row);
}

/**
 * Changes an account. A person that is disabled is signed out everywhere. Errors: HP_NOT_FOUND, HP_CONFLICT (the login
 * is taken, or nobody would be left who can manage people), HP_FORBIDDEN.
 */
export async function changePerson(
  { clock, audit }: AccountParts,
  trx: HubTransaction,
  by: Giver,
  id: string,
  change: PersonChange,
): Promise<Person> {
  const before = await lockPerson(trx, id);
  // Whoever is above the caller is not the caller's to change.
  checkGrant(by, before);
  const after = { ...before, ...defined(change) };
  checkGrant(by, after);
  // The entry comes first: its lock puts changes of people in order, and the look at who is left sees them all.
  await audit.record(trx, {
    ...{ actor: actorOf(by), action: "person.changed", subject: `person:${id}` },
    detail: changesOf(before, after),
  });
  if (after.login !== before.login && (await isTaken(trx, after.login))) throw loginTaken(after.login);
  const disabledMs = after.disabled ? Math.round(clock.wallMs()) : null;
  await trx.db
    .updateTable("people")
    .set({
      ...{ login: after.login, name: after.name, roles: JSON.stringify(after.roles) },
      ...{ stores: scopeText(after.stores), tasks: scopeText(after.tasks), skills: JSON.stringify(after.skills) },
      ...(after.disabled === before.disabled ? {} : { disabled_ms: disabledMs }),
    })
    .where("person_id", "=", id)
    .execute();
  if (after.disabled) {
    for (const table of ["sessions", "known_browsers", "invitations"] as const) {
      await trx.db.deleteFrom(table).where("person_id", "=", id).execute();
    }
  }
  if (isAdmin(before) && !isAdmin(after)) await checkAdminIsLeft(trx);
  trx.tell({ kind: "people", personId: id });
  return after;
}

export async function findPerson({ db }: HubReader, id: string): Promise<Person> {
  const row = await db.selectFrom("people").selectAll().where("person_id", "=", id).executeTakeFirst();
  if (!row) throw noSuchPerson();
  return personOf(row);
}

/** The same, held until the commit: two changes at once must not undo each other. */
async function lockPerson({ db }: HubTransaction, id: string): Promise<Person> {
  const row = await db
    .updateTable("people")
    .set({ person_id: id })
    .where("person_id", "=", id)
    .returningAll()
    .executeTakeFirst();
  if (!row) throw noSuchPerson();
  return personOf(row);
}

function noSuchPerson(): HoldpointError {
  return new HoldpointError("HP_NOT_FOUND", "there is no such person");
}

export function personOf(row: PeopleTables["people"]): Person {
  return {
    id: row.person_id,
    login: row.login,
    name: row.name,
    ...grantOf(row),
    skills: JSON.parse(row.skills) as string[],
    disabled: row.disabled_ms !== null,
    hasPassword: row.password !== null,
    madeMs: row.made_ms,
  };
}

/** Roles and scope of a row, of people or of API tokens. */
export function grantOf(row: Pick<PeopleTables["people"], "roles" | "stores" | "tasks">): z.output<typeof grantSchema> {
  return { roles: JSON.parse(row.roles) as Role[], stores: scopeOf(row.stores), tasks: scopeOf(row.tasks) };
}

export function scopeText(scope: Scope): string | null {
  return scope === null ? null : JSON.stringify(scope);
}

/** The scope of such a text. */
export function scopeOf(text: string | null): string[] | null {
  return text === null ? null : (JSON.parse(text) as string[]);
}

function isAdmin({ roles: given, stores, tasks, disabled }: Person): boolean {
  return given.includes("admin") && stores === null && tasks === null && !disabled;
}

async function checkAdminIsLeft({ db }: HubTransaction): Promise<void> {
  const rows = await db.selectFrom("people").selectAll().where("disabled_ms", "is", null).execute();
  if (rows.some((row) => isAdmin(personOf(row)))) return;
  throw new HoldpointError("HP_CONFLICT", "this is the last admin of the whole hub", {
    hint: "Add another one first.",
  });
}

async function isTaken({ db }: HubTransaction, login: string): Promise<boolean> {
  return (await db.selectFrom("people").select("login").where("login", "=", login).executeTakeFirst()) !== undefined;
}

function loginTaken(login: string): HoldpointError {
  return new HoldpointError("HP_CONFLICT", `there is an account ${login} already`, { hint: "Choose another login." });
}

function defined(change: PersonChange): Partial<Person> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

/** What is different, for the audit log. */
function changesOf(before: Person, after: Person): Record<string, unknown> {
  const keys = (Object.keys(after) as (keyof Person)[]).filter(
    (key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]),
  );
  return Object.fromEntries(keys.map((key) => [key, { from: before[key], to: after[key] }]));
}

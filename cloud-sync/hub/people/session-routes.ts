import { z } from "zod";
import { HoldpointError, jsonResponse, type Exchange } from "../../../protocol/index.ts";
import { permissions } from "../api/caller.ts";
import { publicRoute, type HubRoute } from "../api/hub-route.ts";
import { personSchema } from "./accounts.ts";
import { invited, takeInvitation } from "./invitations.ts";
import { checkPassword, passwordCharactersMax } from "./passwords.ts";
import { type Cookies } from "./session-cookie.ts";
import { sessionLimits, sessionOf, type OpenSession } from "./sessions.ts";
import { changePassword, enter, signIn, type SignedIn, type SignInFrom, type SignInParts } from "./sign-in.ts";
import { tokenHash } from "./tokens.ts";

export interface SessionParts extends SignInParts {
  readonly cookies: Cookies;
  /** Where a call comes from, behind the proxies that are ours. */
  readonly addressOf: (exchange: Exchange) => string;
  /** The provider that people may sign in with, as the page names it; null where there is none. */
  readonly oidcName: string | null;
}

const signedInSchema = z.strictObject({
  person: personSchema.extend({ permissions: z.array(z.enum(permissions)) }),
  openedMs: z.number(),
  /** The session ends then in any case. */
  endsMs: z.number(),
  /** It ends earlier where nobody calls for so long, milliseconds. */
  idleMs: z.number(),
});
const sessionSchema = z.strictObject({
  /** Null: nobody is signed in. */
  signedIn: signedInSchema.nullable(),
  /** How one may sign in here. `oidc` is what to write on the button that leads to `/v1/oidc/start`. */
  methods: z.strictObject({ password: z.literal(true), oidc: z.string().nullable() }),
});

const password = z.string().max(passwordCharactersMax * 2);
const token = z.string().max(128);
const signInSchema = z.strictObject({ login: z.string().max(128), password });
const doneSchema = z.strictObject({ done: z.literal(true) });

/** Signing in and out, and what a person does with their own account. */
export function sessionRoutes(parts: SessionParts): readonly HubRoute[] {
  return [
    publicRoute({
      ...{ method: "GET", path: "/v1/session" },
      operation: { id: "getSession", summary: "Who is signed in here, and how one may sign in", tag: "session" },
      reply: sessionSchema,
      handle: async ({ exchange }) => sessionReply(parts, await sessionOf(parts, parts.cookies, exchange)),
    }),
    publicRoute({
      ...{ method: "POST", path: "/v1/session" },
      operation: { id: "signIn", summary: "Sign in with login and password", tag: "session" },
      body: signInSchema,
      reply: sessionSchema,
      handle: async ({ body, exchange }) => signedInResponse(parts, await signIn(parts, body, fromOf(parts, exchange))),
    }),
    publicRoute({
      ...{ method: "DELETE", path: "/v1/session" },
      operation: { id: "signOut", summary: "Sign out here", tag: "session" },
      idempotent: true,
      reply: doneSchema,
      handle: ({ exchange }) => signOut(parts, exchange),
    }),
    publicRoute({
      ...{ method: "POST", path: "/v1/session/password" },
      operation: { id: "changePassword", summary: "Change the own password; every other session ends", tag: "session" },
      idempotent: true,
      body: z.strictObject({ current: password, next: password }),
      reply: doneSchema,
      handle: async ({ body, exchange }) => {
        const session = await sessionOf(parts, parts.cookies, exchange);
        if (!session) throw new HoldpointError("HP_UNAUTHORIZED", "nobody is signed in", { hint: "Sign in first." });
        await changePassword(parts, session, body, fromOf(parts, exchange));
        return { done: true as const };
      },
    }),
    ...invitationRoutes(parts),
  ];
}

function invitationRoutes(parts: SessionParts): readonly HubRoute[] {
  return [
    publicRoute({
      ...{ method: "POST", path: "/v1/invitation/person" },
      operation: { id: "lookAtInvitation", summary: "Whom an invitation is for; it stays good", tag: "session" },
      idempotent: true,
      body: z.strictObject({ token }),
      reply: z.strictObject({ login: z.string(), name: z.string() }),
      handle: async ({ body }) => {
        const { login, name } = await parts.database.read((db) => invited(parts, { db }, body.token));
        return { login, name };
      },
    }),
    publicRoute({
      ...{ method: "POST", path: "/v1/invitation" },
      operation: {
        id: "takeInvitation",
        summary: "Set a password with an invitation, once, and sign in",
        tag: "session",
      },
      body: z.strictObject({ token, password }),
      reply: sessionSchema,
      handle: async ({ body, exchange }) => {
        const person = await parts.database.read((db) => invited(parts, { db }, body.token));
        checkPassword(body.password, person);
        const hash = await parts.passwords.hash(body.password);
        await parts.database.write((trx) => takeInvitation(parts, trx, body.token, hash));
        const entered = await enter(parts, person, fromOf(parts, exchange), { by: "invitation" }, hash);
        return signedInResponse(parts, entered);
      },
    }),
  ];
}

async function signOut(parts: SessionParts, exchange: Exchange): Promise<Response> {
  const { database, hasher, audit, cookies } = parts;
  const given = cookies.session.read(exchange);
  if (given !== null) {
    await database.write(async (trx) => {
      const row = await trx.db
        .deleteFrom("sessions")
        .where("token_hash", "=", tokenHash(hasher, given))
        .returning("person_id")
        .executeTakeFirst();
      if (!row) return;
      const subject = `person:${row.person_id}`;
      await audit.record(trx, { actor: subject, action: "session.closed", subject });
    });
  }
  return jsonResponse({ done: true }, 200, { ...privateHeaders, "set-cookie": cookies.session.set("", 0) });
}

export function fromOf({ cookies, addressOf }: SessionParts, exchange: Exchange): SignInFrom {
  return { address: addressOf(exchange), browser: cookies.browser.read(exchange) };
}

/** The cookies of somebody who has just signed in. */
export function signedInCookies({ cookies }: SessionParts, { token: session, browser }: SignedIn): readonly string[] {
  return [cookies.session.set(session, sessionLimits.wholeMs), cookies.browser.set(browser, sessionLimits.browserMs)];
}

function signedInResponse(parts: SessionParts, entered: SignedIn): Response {
  const response = jsonResponse(sessionReply(parts, entered.session), 200, privateHeaders);
  for (const line of signedInCookies(parts, entered)) response.headers.append("set-cookie", line);
  return response;
}

function sessionReply({ oidcName }: SessionParts, session: OpenSession | null): z.input<typeof sessionSchema> {
  const methods = { password: true as const, oidc: oidcName };
  if (!session) return { signedIn: null, methods };
  const { person, caller, openedMs, endsMs } = session;
  const signedIn = { person: { ...person, permissions: [...caller.permissions] }, openedMs, endsMs };
  return { signedIn: { ...signedIn, idleMs: sessionLimits.idleMs }, methods };
}

const privateHeaders = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

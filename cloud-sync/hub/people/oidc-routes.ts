import { sql } from "kysely";
import { z } from "zod";
import { HoldpointError, type Exchange } from "../../../protocol/index.ts";
import { personRoute, publicRoute, type HubRoute } from "../api/hub-route.ts";
import { listCursor, pageOf, pageQuery, pageSchema } from "../api/pages.ts";
import { link, personOfClaims, type DomainRule } from "./identities.ts";
import { type OidcFlow, type OidcProvider } from "./oidc-provider.ts";
import { fromOf, signedInCookies, type SessionParts } from "./session-routes.ts";
import { enter } from "./sign-in.ts";
import { newToken, tokenHash } from "./tokens.ts";

export interface OidcRoutesParts extends SessionParts {
  readonly provider: OidcProvider;
  readonly rule: DomainRule | null;
}

/** Somebody who has not come back from the provider by then begins again. */
const flowMs = 10 * 60_000;

const identitySchema = z.strictObject({
  issuer: z.string(),
  subject: z.string(),
  /** Null: waits for an admin's decision. */
  personId: z.string().nullable(),
  email: z.string().nullable(),
  name: z.string().nullable(),
  seenMs: z.number(),
});
/** Two providers may know different people by one subject. */
const cursors = listCursor("identities", z.tuple([z.string(), z.string()]));
const linkSchema = z.strictObject({
  issuer: z.string().max(512),
  subject: z.string().max(512),
  personId: z.string().max(128).nullable(),
});

/** Signing in with an OpenID Connect provider: authorization code with PKCE, state and nonce. */
export function oidcRoutes(parts: OidcRoutesParts): readonly HubRoute[] {
  return [
    publicRoute({
      ...{ method: "GET", path: "/v1/oidc/start" },
      operation: { id: "startOidc", summary: "Go to the provider to sign in there", tag: "session" },
      reply: z.undefined(),
      statuses: [303],
      handle: () => begin(parts),
    }),
    publicRoute({
      ...{ method: "GET", path: "/v1/oidc/callback" },
      operation: { id: "finishOidc", summary: "Come back from the provider; leads to the page", tag: "session" },
      reply: z.undefined(),
      statuses: [303],
      handle: ({ exchange }) => finish(parts, exchange),
    }),
    personRoute("people.read", {
      ...{ method: "GET", path: "/v1/identities" },
      operation: { id: "listIdentities", summary: "Who came from the provider, with their accounts", tag: "people" },
      query: pageQuery({}),
      reply: pageSchema(identitySchema),
      handle: async ({ query: { cursor, limit } }) => {
        const after = cursors.read(cursor);
        const rows = await parts.database.read((db) => {
          const all = db
            .selectFrom("identities")
            .selectAll()
            .orderBy("subject")
            .orderBy("issuer")
            .limit(limit + 1);
          if (after === null) return all.execute();
          return all.where(sql<boolean>`(subject, issuer) > (${after[0]}, ${after[1]})`).execute();
        });
        const items = rows.map(({ person_id: personId, seen_ms: seenMs, ...rest }) => ({ ...rest, personId, seenMs }));
        return pageOf(items, limit, ({ subject, issuer }) => cursors.write([subject, issuer]));
      },
    }),
    personRoute("people.write", {
      ...{ method: "POST", path: "/v1/identities" },
      operation: { id: "linkIdentity", summary: "Decide whose account an identity is", tag: "people" },
      body: linkSchema,
      reply: z.strictObject({ done: z.literal(true) }),
      handle: async ({ caller, body }) => {
        await parts.database.write((trx) => link(parts, trx, caller, body, body.personId));
        return { done: true as const };
      },
    }),
  ];
}

async function begin({ provider, database, random, hasher, clock, cookies }: OidcRoutesParts): Promise<Response> {
  const { url, state, nonce, verifier } = await provider.begin();
  const token = newToken(random, "hpf_");
  const nowMs = Math.round(clock.wallMs());
  await database.write(async ({ db }) => {
    await db.deleteFrom("oidc_flows").where("expires_ms", "<=", nowMs).execute();
    const row = { token_hash: tokenHash(hasher, token), state, nonce, verifier, expires_ms: nowMs + flowMs };
    await db.insertInto("oidc_flows").values(row).execute();
  });
  return leadTo(url, [cookies.flow.set(token, flowMs)]);
}

/** The answer is good once, and only in the browser that began: nobody is signed in as somebody else by a link. */
async function finish(parts: OidcRoutesParts, exchange: Exchange): Promise<Response> {
  const gone = parts.cookies.flow.set("", 0);
  try {
    const flow = await takeFlow(parts, exchange);
    const claims = await parts.provider.finish(`?${exchange.query.toString()}`, flow);
    const person = await parts.database.write((trx) => personOfClaims(parts, trx, claims, parts.rule));
    if (!person) throw new HoldpointError("HP_FORBIDDEN", "this identity waits for an admin's decision");
    const entered = await enter(parts, person, fromOf(parts, exchange), { by: "oidc", issuer: claims.issuer });
    return leadTo("/", [gone, ...signedInCookies(parts, entered)]);
  } catch (cause) {
    if (!(cause instanceof HoldpointError)) throw cause;
    parts.logger.info("hub_oidc_refused", { code: cause.code, cause });
    return leadTo(`/?sign-in=${cause.code}`, [gone]);
  }
}

async function takeFlow({ database, hasher, clock, cookies }: OidcRoutesParts, exchange: Exchange): Promise<OidcFlow> {
  const token = cookies.flow.read(exchange);
  const row =
    token === null
      ? undefined
      : await database.write(({ db }) =>
          db
            .deleteFrom("oidc_flows")
            .where("token_hash", "=", tokenHash(hasher, token))
            .returningAll()
            .executeTakeFirst(),
        );
  if (row && row.expires_ms > clock.wallMs()) return row;
  throw new HoldpointError("HP_UNAUTHORIZED", "this sign-in was not begun in this browser, or too long ago");
}

function leadTo(location: string, cookies: readonly string[]): Response {
  const headers = new Headers({ location, "cache-control": "no-store", "referrer-policy": "no-referrer" });
  for (const cookie of cookies) headers.append("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
}

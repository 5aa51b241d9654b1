import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { permissionsOf, type PersonCaller, type Role } from "../../cloud-sync/hub/api/caller.ts";
import { gatewayRoutes, type Repeat } from "../../cloud-sync/hub/api/gateway.ts";
import { agentRoute, personRoute, publicRoute } from "../../cloud-sync/hub/api/hub-route.ts";
import { HoldpointError, jsonReply, silentLogger, type Logger, type Reply } from "../../protocol/index.ts";
import { serveHttp, type RunningHttpServer } from "../../protocol/platform/http-server.node.ts";

function person(role: Role): PersonCaller {
  return {
    kind: "person",
    id: `id of ${role}`,
    name: role,
    roles: [role],
    permissions: new Set(permissionsOf[role]),
    stores: null,
    tasks: null,
    skills: [],
    sessionId: "s",
  };
}

let runs = 0;
const routes = [
  publicRoute({
    method: "GET",
    path: "/v1/about",
    operation: { id: "about", summary: "What this is", tag: "hub" },
    reply: z.object({ name: z.string() }),
    handle: () => Promise.resolve({ name: "hub" }),
  }),
  personRoute("config.write", {
    method: "POST",
    path: "/v1/things",
    operation: { id: "makeThing", summary: "Make a thing", tag: "things" },
    query: z.strictObject({ size: z.coerce.number().int().optional() }),
    body: z.strictObject({ label: z.string().max(20) }),
    bodyBytesMax: 200,
    reply: z.object({ label: z.string(), by: z.string(), size: z.number().nullable(), run: z.number() }),
    handle: ({ caller, body, query }) => {
      runs += 1;
      return Promise.resolve({ label: body.label, by: caller.name, size: query.size ?? null, run: runs });
    },
  }),
  agentRoute({
    method: "POST",
    path: "/v1/signed",
    operation: { id: "signed", summary: "For agents", tag: "agents" },
    reply: z.object({ store: z.string() }),
    handle: ({ caller }) => Promise.resolve({ store: caller.store }),
  }),
  personRoute("config.write", {
    method: "DELETE",
    path: "/v1/things",
    operation: { id: "dropThings", summary: "Drop them all", tag: "things" },
    reply: z.undefined(),
    handle: () => Promise.resolve(undefined),
  }),
  publicRoute({
    method: "GET",
    path: "/v1/text",
    operation: { id: "text", summary: "A text", tag: "hub" },
    reply: { contentType: "text/plain" },
    handle: () => Promise.resolve({ status: 200, headers: { "content-type": "text/plain" }, body: "a" }),
  }),
  publicRoute({
    method: "GET",
    path: "/v1/kept",
    operation: { id: "kept", summary: "A text that may be kept", tag: "hub" },
    reply: { contentType: "text/plain" },
    handle: () => Promise.resolve({ status: 200, headers: { "cache-control": "no-cache" }, body: "a" }),
  }),
  publicRoute({
    method: "GET",
    path: "/v1/response",
    operation: { id: "response", summary: "The web's own answer", tag: "hub" },
    reply: { contentType: "text/plain" },
    handle: () => Promise.resolve(new Response("a")),
  }),
  publicRoute({
    method: "GET",
    path: "/v1/stream",
    operation: { id: "stream", summary: "It never ends", tag: "hub" },
    reply: { contentType: "text/plain" },
    handle: () => Promise.resolve(new Response(new ReadableStream({ cancel: () => void (cancelled += 1) }))),
  }),
  publicRoute({
    method: "GET",
    path: "/v1/away",
    operation: { id: "away", summary: "The database is away", tag: "hub" },
    reply: z.object({}),
    handle: () =>
      Promise.reject(new HoldpointError("HP_DATABASE", "connect ECONNREFUSED 10.1.2.3:5432", { retryAfterMs: 1000 })),
  }),
  publicRoute({
    method: "GET",
    path: "/v1/broken",
    operation: { id: "broken", summary: "It has a fault", tag: "hub" },
    reply: z.object({}),
    handle: () => Promise.reject(new TypeError("/secret/path is not a function")),
  }),
  publicRoute({
    method: "GET",
    path: "/foreign/broken",
    operation: { id: "foreignBroken", summary: "It has a fault, in another protocol", tag: "hub" },
    reply: z.object({}),
    refusal: (error) => jsonReply({ Message: error.message }, 500),
    handle: () => Promise.reject(new TypeError("/secret/path is not a function")),
  }),
];

const failures: unknown[] = [];
let cancelled = 0;
const logger: Logger = { ...silentLogger, error: (event, fields) => failures.push([event, fields]) };
const told: [status: number, code: string | null][] = [];

describe("the gateway", () => {
  let server: RunningHttpServer;
  const repeats = new Map<string, Reply>();
  beforeAll(async () => {
    const served = gatewayRoutes(routes, {
      bodyBytesMax: 1000,
      logger,
      observe: () => (status, code) => told.push([status, code]),
      isOwnHost: (host) => host === "127.0.0.1",
      doors: {
        agent: (exchange) => {
          if (exchange.header("x-agent") === null) throw new HoldpointError("HP_UNAUTHORIZED", "not signed");
          return Promise.resolve({ kind: "agent", agentId: "a", store: "store_1", name: "box" });
        },
        person: (exchange) => {
          const cookie = exchange.header("cookie");
          const token = exchange.header("authorization");
          const role = (cookie ?? token) as Role | null;
          return Promise.resolve(role && { caller: person(role), isBrowser: cookie !== null });
        },
      },
      repeats: {
        run: async ({ caller, key }: Repeat, work) => {
          const known = repeats.get(`${caller} ${key}`);
          const answer = known ?? (await work());
          repeats.set(`${caller} ${key}`, answer);
          return answer;
        },
      },
    });
    server = await serveHttp({
      routes: served,
      host: "127.0.0.1",
      port: 0,
      bodyBytesMax: 1000,
      connectionsMax: 20,
      logger: silentLogger,
    });
  });
  afterAll(() => server.close());

  async function call(method: string, path: string, headers: Readonly<Record<string, string>> = {}, body?: unknown) {
    const answer = await fetch(`${server.url}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
  }
  const own = () => ({ origin: server.url, "sec-fetch-site": "same-origin" });

  test("a public route answers everybody", async () => {
    expect(await call("GET", "/v1/about")).toEqual({ status: 200, json: { name: "hub" } });
  });

  test("what an operation does not know is refused: it would mean something that does not happen", async () => {
    const operator = { authorization: "operator" };
    const answer = await call("DELETE", "/v1/things?dry-run=1", operator);
    expect(answer).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });
    expect(answer.json["message"]).toContain("dry-run");
    expect(await call("GET", "/v1/about?x=1")).toMatchObject({ status: 200 });
  });

  test("an answer that a handler makes itself is for nobody else either, and may say another thing", async () => {
    const headersOf = async (path: string): Promise<readonly (string | null)[]> => {
      const { headers } = await fetch(`${server.url}${path}`);
      return [headers.get("cache-control"), headers.get("x-content-type-options")];
    };
    for (const path of ["/v1/text", "/v1/response", "/v1/nothing-here", "/v1/about"]) {
      expect([path, await headersOf(path)]).toEqual([path, ["no-store", "nosniff"]]);
    }
    expect(await headersOf("/v1/kept")).toEqual(["no-cache", "nosniff"]);
  });

  test("a database's trouble is told without the database's words", async () => {
    const answer = await fetch(`${server.url}/v1/away`);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ code: "HP_DATABASE", retryAfterMs: 1000 });
    expect(text).not.toContain("10.1.2.3");
  });

  test("what was sent is quoted in a refusal up to a bound", async () => {
    const answer = await fetch(`${server.url}/v1/${"x".repeat(8_000)}`);
    const text = await answer.text();
    expect([answer.status, text.length < 5_000]).toEqual([404, true]);
    expect(JSON.parse(text)).toMatchObject({ message: expect.stringMatching(/^there is nothing at .*…$/) as string });
  });

  test("a method that is not allowed is told which ones are", async () => {
    const answer = await fetch(`${server.url}/v1/about`, { method: "POST" });
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await fetch(`${server.url}/v1/about`, { method: "HEAD" })).status).toBe(200);
  });

  test("a stream that only its headers were asked of is not kept open", async () => {
    const before = cancelled;
    expect((await fetch(`${server.url}/v1/stream`, { method: "HEAD" })).status).toBe(200);
    await expect.poll(() => cancelled).toBe(before + 1);
  });

  test("a fault of the hub is told as one, to be tried again; its words are in the log and nowhere else", async () => {
    const answer = await fetch(`${server.url}/v1/broken`);
    expect(answer.status).toBe(500);
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const text = await answer.text();
    expect(text).not.toContain("secret");
    expect(JSON.parse(text)).toMatchObject({ status: 500, code: "HP_INTERNAL", retry: "backoff", retryAfterMs: 1000 });
    const foreign = await fetch(`${server.url}/foreign/broken`);
    expect(await foreign.json()).toEqual({ Message: "the server failed with this request" });
    expect(told.slice(-2)).toEqual([
      [500, "HP_INTERNAL"],
      [500, "HP_INTERNAL"],
    ]);
    const cause = expect.objectContaining({ message: "/secret/path is not a function" }) as unknown;
    expect(failures).toEqual([
      ["hub_handler_failed", { operation: "broken", cause }],
      ["hub_handler_failed", { operation: "foreignBroken", cause }],
    ]);
  });

  test("a person without the permission is told which one is missing, nobody at all is asked to sign in", async () => {
    const reviewer = await call("POST", "/v1/things", { authorization: "reviewer" }, { label: "x" });
    expect(reviewer).toMatchObject({ status: 403, json: { code: "HP_FORBIDDEN" } });
    expect(reviewer.json["title"]).toContain("config.write");
    expect(await call("POST", "/v1/things", {}, { label: "x" })).toMatchObject({
      status: 401,
      json: { code: "HP_UNAUTHORIZED" },
    });
  });

  test("body and query are held against their schemas before the handler sees them", async () => {
    const operator = { authorization: "operator" };
    expect(await call("POST", "/v1/things?size=3", operator, { label: "x" })).toMatchObject({
      status: 200,
      json: { size: 3, by: "operator" },
    });
    for (const [path, body] of [
      ["/v1/things?size=big", { label: "x" }],
      ["/v1/things?other=1", { label: "x" }],
      ["/v1/things", { label: "x", more: 1 }],
      ["/v1/things", '{"label":"x","__proto__":{"a":1}}'],
    ] as const) {
      expect(await call("POST", path, operator, body)).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });
    }
    expect(await call("POST", "/v1/things", operator, { label: "y".repeat(300) })).toMatchObject({
      status: 413,
      json: { code: "HP_TOO_LARGE" },
    });
  });

  test("a call that a browser makes for another site is refused, also where that site sends JSON", async () => {
    const headers = { cookie: "operator", origin: "http://evil.example", "sec-fetch-site": "cross-site" };
    expect(await call("POST", "/v1/things", headers, { label: "x" })).toMatchObject({
      status: 403,
      json: { code: "HP_FORBIDDEN" },
    });
    expect(await call("POST", "/v1/things", { cookie: "operator" }, { label: "x" })).toMatchObject({ status: 403 });
    expect(await call("POST", "/v1/things", { cookie: "operator", ...own() }, { label: "x" })).toMatchObject({
      status: 200,
    });
  });

  test("a repeated call with one Idempotency-Key runs once", async () => {
    const headers = { authorization: "admin", "idempotency-key": "k-1" };
    const first = await call("POST", "/v1/things", headers, { label: "x" });
    expect(await call("POST", "/v1/things", headers, { label: "x" })).toEqual(first);
    expect(
      (await call("POST", "/v1/things", { ...headers, "idempotency-key": "k-2" }, { label: "x" })).json["run"],
    ).not.toBe(first.json["run"]);
  });

  test("a route for agents takes no session", async () => {
    expect(await call("POST", "/v1/signed", { authorization: "admin" })).toMatchObject({ status: 401 });
    expect(await call("POST", "/v1/signed", { "x-agent": "1" })).toEqual({ status: 200, json: { store: "store_1" } });
  });
});

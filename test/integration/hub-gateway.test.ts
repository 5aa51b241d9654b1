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

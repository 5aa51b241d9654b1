import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type RunningHub } from "../../cloud-sync/hub/hub.node.ts";
import { callHub } from "../support/hub-agent.ts";
import { enterPerson, type TestPerson } from "../support/hub-people.ts";
import { beginHub, overBothDatabases, type StartHub } from "../support/hub-start.ts";

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly operationId: string }>>>>;
}

overBothDatabases("the programming interface", bodies);

function bodies(start: StartHub): void {
  let hub: RunningHub;
  let token: string;
  beforeAll(async () => {
    ({ hub, token } = await start());
  });
  afterAll(() => hub.close());
  const headers = (more: Readonly<Record<string, string>> = {}) => ({
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    ...more,
  });

  const strange = [
    "<script>alert(1)</script>",
    `"><img src=x onerror=alert(1)>`,
    "'; drop table people; --",
    "gnp.exe — 名前 🍏",
    "${7*7} {{7*7}} %s %n",
  ];
  test.for(strange)("what somebody writes into a text field is kept as text: %s", async (text) => {
    const login = `strange-${strange.indexOf(text)}`;
    const added = await callHub(hub.url, token, "POST", "/v1/people", { login, name: text, roles: ["reviewer"] });
    expect(added).toMatchObject({ status: 200, json: { person: { name: text } } });
    const answer = await fetch(`${hub.url}/v1/people?limit=200`, { headers: headers() });
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const { items } = (await answer.json()) as { items: { login: string; name: string }[] };
    expect(items.find((item) => item.login === login)?.name).toBe(text);
    const made = await callHub(hub.url, token, "POST", "/v1/tokens", { name: text, roles: ["auditor"] });
    expect(made.status).toBe(200);
    expect(await callHub(hub.url, token, "GET", `/v1/people/${encodeURIComponent(text)}`)).toMatchObject({
      status: 404,
    });
  });

  test("a name with control characters, a login with others than allowed, and an unknown role are refused", async () => {
    for (const body of [
      { login: "x", name: "a\u0000b", roles: ["reviewer"] },
      { login: "x", name: "a\nb", roles: ["reviewer"] },
      { login: "x", name: "\u202enimdA", roles: ["reviewer"] },
      { login: "x", name: "x", roles: ["reviewer", "reviewer"] },
      { login: "x", name: "x", roles: ["reviewer"], stores: [] },
      { login: "<x>", name: "x", roles: ["reviewer"] },
      { login: "x", name: "x", roles: ["root"] },
      { login: "x", name: "x".repeat(101), roles: ["reviewer"] },
      { login: "x", name: "x", roles: ["reviewer"], stores: ["../.."] },
      { login: "x", name: "x", roles: ["reviewer"], more: 1 },
    ]) {
      const answer = await callHub(hub.url, token, "POST", "/v1/people", body);
      expect(answer).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });
    }
  });

  test("the character U+0000 is the caller's fault on every database, and no trouble of the hub's", async () => {
    const paths = ["cases/%00", "cases?store=%00", "people?cursor=%00", "stores?q=%00", "audit?actor=%00", "gates/%00"];
    const asked = ["audit.csv?actor=%00", "audit?actor=%00", "stores?q=%00", "cases?store=%00", "stores.csv?q=a%00b"];
    for (const path of asked) {
      const answer = await fetch(`${hub.url}/v1/${path}`, { headers: headers({}) });
      expect([path, answer.status, ((await answer.json()) as { code: string }).code]).toEqual([path, 400, "HP_SCHEMA"]);
    }
    for (const path of [...paths, "gate-labels?task=x&model=%00"]) {
      const answer = await fetch(`${hub.url}/v1/${path}`, { headers: headers({}) });
      expect([200, 400, 404], path).toContain(answer.status);
      await answer.text();
    }
    for (const [path, body] of [
      ["session", { login: "\u0000", password: "\u0000" }],
      ["cases/%00/erase", { why: "x" }],
    ] as const) {
      const answer = await callHub(hub.url, token, "POST", `/v1/${path}`, body);
      expect([400, 401, 404], path).toContain(answer.status);
    }
  });

  test("a body that is too large, cut off, no JSON, too deep or poisoned is refused with a problem+json", async () => {
    const post = (body: string, more: Readonly<Record<string, string>> = {}) =>
      fetch(`${hub.url}/v1/people`, { method: "POST", headers: headers(more), body });
    const whole = { login: "x", name: "x", roles: ["reviewer"] };
    for (const [body, status, code] of [
      [JSON.stringify({ ...whole, name: "y".repeat(300_000) }), 413, "HP_TOO_LARGE"],
      [JSON.stringify(whole).slice(0, -5), 400, "HP_ENCODING"],
      ["", 400, "HP_ENCODING"],
      ["[]", 400, "HP_ENCODING"],
      [`{"login":${"[".repeat(5_000)}${"]".repeat(5_000)}}`, 400, null],
      ['{"login":"x","name":"x","roles":["reviewer"],"__proto__":{"admin":true}}', 400, "HP_SCHEMA"],
    ] as const) {
      const answer = await post(body);
      expect([answer.status, answer.headers.get("content-type")]).toEqual([status, "application/problem+json"]);
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
      const problem = (await answer.json()) as Record<string, unknown>;
      if (code !== null) expect(problem["code"]).toBe(code);
    }
  });

  test("a wild caller is slowed down and told for how long; another one is not", async () => {
    const made = await callHub(hub.url, token, "POST", "/v1/tokens", { name: "wild", roles: ["auditor"] });
    const wild = String(made.json["token"]);
    let refused: Awaited<ReturnType<typeof callHub>> | undefined;
    for (let round = 0; round < 40 && refused === undefined; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => callHub(hub.url, wild, "GET", "/v1/people/nobody")),
      );
      refused = answers.find(({ status }) => status === 429);
    }
    expect(refused?.json).toMatchObject({ code: "HP_RATE", retry: "backoff" });
    expect(Number(refused?.json["retryAfterMs"])).toBeLessThanOrEqual(1000);
    expect(await callHub(hub.url, token, "GET", "/v1/people/nobody")).toMatchObject({ status: 404 });
  });

  test("an answer with a secret is given once, also under an Idempotency-Key", async () => {
    const body = JSON.stringify({ login: "once", name: "Once", roles: ["reviewer"] });
    const post = () =>
      fetch(`${hub.url}/v1/people`, { method: "POST", headers: headers({ "idempotency-key": "once-1" }), body });
    expect((await post()).status).toBe(200);
    const again = await post();
    expect(again.status).toBe(409);
    expect(await again.text()).not.toContain("hpi_");
  });
}

describe("the reference", () => {
  const undo: (() => Promise<void>)[] = [];
  let hub: RunningHub;
  let admin: TestPerson;
  let document: Document;
  beforeAll(async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "holdpoint-hub-"));
    const started = await beginHub({ dataDir });
    hub = started.hub;
    undo.push(async () => {
      await hub.close();
      rmSync(dataDir, { recursive: true, force: true });
    });
    admin = await enterPerson(hub.url, started.token, "admin");
    document = (await (await fetch(`${hub.url}/openapi.json`)).json()) as Document;
  });
  afterAll(async () => {
    for (const close of undo) await close();
  });

  test("is a valid OpenAPI 3.1 document", async () => {
    const result = await new Validator().validate(structuredClone(document) as unknown as Record<string, unknown>);
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
    expect(document.openapi).toMatch(/^3\.1\./);
  });

  test("has every operation of the hub once, and nothing else", () => {
    const told = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => `${method.toUpperCase()} ${path} ${operationId}`),
    );
    const served = hub.operations.map(
      ({ method, path, operation }) => `${method} ${path.replaceAll(/:([A-Za-z0-9_]+)/g, "{$1}")} ${operation.id}`,
    );
    expect(told.sort()).toEqual([...served].sort());
    const ids = hub.operations.map(({ operation }) => operation.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { operation } of hub.operations) {
      expect(operation.id).toMatch(/^[a-z][A-Za-z0-9]+$/);
      expect(operation.summary).not.toMatch(/\.$/);
    }
  });

  test("gives examples that its own schemas accept", () => {
    let held = 0;
    for (const { operation, examples = {}, query, body, reply } of hub.operations) {
      for (const [example, schema] of [
        [examples.query, query],
        [examples.body, body],
        [examples.reply, reply],
      ] as const) {
        if (example === undefined) continue;
        if (!(schema instanceof z.ZodType)) throw new Error(`${operation.id} has an example and no schema`);
        expect(schema.safeParse(JSON.parse(JSON.stringify(example))), operation.id).toMatchObject({ success: true });
        held += 1;
      }
    }
    expect(held).toBeGreaterThan(5);
  });

  test("every operation refuses a stranger, a wrong method and an unknown token with a problem+json", async () => {
    for (const { method, path, access } of hub.operations) {
      if (access === "public") continue;
      const url = `${hub.url}${path.replaceAll(/:[A-Za-z0-9_]+/g, "x")}`;
      for (const headers of [{}, { authorization: `Bearer hpt_${"0".repeat(64)}` }]) {
        const answer = await fetch(url, {
          method,
          headers: { ...headers, "content-type": "application/json" },
          ...(method === "GET" || method === "DELETE" ? {} : { body: "{}" }),
        });
        expect([answer.status, answer.headers.get("content-type")], `${method} ${path}`).toEqual([
          401,
          "application/problem+json",
        ]);
        await answer.arrayBuffer();
      }
    }
  });

  test("no operation that changes something takes a browser's call from another site", async () => {
    for (const { method, path, access } of hub.operations) {
      if (access === "agent" || method === "GET") continue;
      const url = path.replaceAll(/:[A-Za-z0-9_]+/g, "x");
      const evil = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
      const answer = await admin.browser.call(method, url, method === "DELETE" ? undefined : {}, evil);
      expect([answer.status, answer.json["code"]], `${method} ${path}`).toEqual([403, "HP_FORBIDDEN"]);
    }
  });

  test("is a page without any script, under a policy that allows none, with every text escaped", async () => {
    const answer = await fetch(`${hub.url}/docs/api`);
    const html = await answer.text();
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(html).not.toMatch(/<script|javascript:|\son[a-z]+=|https?:\/\/(?!127)/i);
    for (const { operation } of hub.operations) expect(html).toContain(`id="${operation.id}"`);
    const style = await fetch(`${hub.url}/docs/api.css`);
    expect(style.headers.get("content-type")).toBe("text/css; charset=utf-8");
  });
});

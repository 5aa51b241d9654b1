import { afterAll, beforeAll, expect, test } from "vitest";
import { listCursor } from "../../cloud-sync/hub/api/pages.ts";
import { type RunningHub } from "../../cloud-sync/hub/hub.node.ts";
import { z } from "zod";
import { callHub, enrolAgent, type TestAgent } from "../support/hub-agent.ts";
import { overBothDatabases, type StartHub } from "../support/hub-start.ts";

interface Operation {
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema?: Schema }>> }>>;
}
interface Schema {
  readonly properties?: Readonly<Record<string, unknown>>;
}

overBothDatabases("every list of the hub", lists);

function lists(start: StartHub): void {
  let hub: RunningHub;
  let token: string;
  let agent: TestAgent;
  let webhook: string;
  let paths: readonly (readonly [path: string, operation: Operation])[];
  beforeAll(async () => {
    ({ hub, token } = await start({ allowedWebhookHosts: ["127.0.0.1"] }));
    agent = await enrolAgent(hub.url, token, "store_1");
    const made = await callHub(hub.url, token, "POST", "/v1/webhooks", {
      url: "http://127.0.0.1:9/",
      events: ["case.opened"],
    });
    webhook = String(made.json["id"]);
    const document = (await (await fetch(`${hub.url}/openapi.json`)).json()) as {
      paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
    };
    paths = Object.entries(document.paths).flatMap(([path, { get }]) => (get ? [[path, get] as const] : []));
  });
  afterAll(() => hub.close());

  const withCursor = () => paths.filter(([, { parameters }]) => parameters.some(({ name }) => name === "cursor"));
  const addressOf = (path: string, cursor: string): string => {
    const own = path.startsWith("/v1/label-studio/") ? "task=cart&" : "";
    return `${path.replace("{id}", webhook)}?${own}cursor=${encodeURIComponent(cursor)}`;
  };
  const ask = (path: string, cursor: string) =>
    path === "/v1/feed"
      ? agent.call("GET", addressOf(path, cursor))
      : callHub(hub.url, token, "GET", addressOf(path, cursor));

  const elsewhere = listCursor("another list", z.string()).write("a");
  const truncated = elsewhere.slice(0, -3);
  const nonsense = ["nonsense", "7", "-1", "a.5b", "a.b.c", "019a9f3e-7a10-7c3e-9d55-0242ac120002", "%00", "\u0000"];
  test.for([...nonsense, elsewhere, truncated, "x".repeat(9000)])(
    "refuses a cursor that it did not give, and names it (%#)",
    async (cursor) => {
      expect(withCursor().length).toBeGreaterThanOrEqual(16);
      for (const [path] of withCursor()) {
        const answer = await ask(path, cursor);
        expect([path, answer.status, answer.json["code"]]).toEqual([path, 400, "HP_SCHEMA"]);
        expect([path, answer.json["message"]]).toEqual([path, expect.stringContaining("cursor")]);
      }
    },
  );

  test("that answers with a cursor can be asked with one, or refuses one", async () => {
    for (const [path, { responses }] of paths) {
      const schema = responses["200"]?.content?.["application/json"]?.schema;
      if (schema?.properties?.["cursor"] === undefined) continue;
      if (withCursor().some(([known]) => known === path)) continue;
      const answer = await callHub(hub.url, token, "GET", `${path}?cursor=x&from=0&to=3600000&step=hour`);
      expect([path, answer.status, answer.json["message"]]).toEqual([path, 400, expect.stringContaining("cursor")]);
    }
  });

  test("goes on where its own cursor says, with names that no address may have as they are", async () => {
    const names = ["ä+/?&=%", "名前 🍏", "plain", "zz"];
    for (const name of names) {
      const made = await callHub(hub.url, token, "POST", "/v1/tokens", { name, roles: ["auditor"] });
      expect(made.status).toBe(200);
    }
    const seen: string[] = [];
    for (let cursor = ""; ;) {
      const { json } = await callHub(hub.url, token, "GET", `/v1/tokens?limit=1${cursor && `&cursor=${cursor}`}`);
      const { items, cursor: next } = json as { items: { name: string }[]; cursor: string | null };
      seen.push(...items.map(({ name }) => name));
      if (next === null) break;
      cursor = next;
    }
    expect(seen.slice(0, 4)).toEqual(names.toReversed());
    expect(new Set(seen).size).toBe(seen.length);
  });
}

import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveConfig } from "../../config/index.ts";
import { configBundleBytes, configBundleSchema, fromBase64, type ConfigBundle } from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createSigningKey, signatureVerifier } from "../../protocol/platform/signing.node.ts";
import { callHub, enrolAgent, type TestAgent } from "../support/hub-agent.ts";
import { overBothDatabases, type StartedHub, type StartHub } from "../support/hub-start.ts";

overBothDatabases("config from the hub", configSuite);

function configSuite(start: StartHub): void {
  let started: StartedHub;
  let north: TestAgent;
  let south: TestAgent;
  beforeAll(async () => {
    started = await start();
    north = await enrolAgent(started.hub.url, started.token, "store_n");
    south = await enrolAgent(started.hub.url, started.token, "store_s");
  });
  afterAll(() => started.hub.close());

  const call = (method: string, path: string, body?: unknown) =>
    callHub(started.hub.url, started.token, method, path, body);
  const put = (path: string, text: string, revision: number) =>
    call("PUT", `/v1/config/layers/${path}`, { text, revision, why: "test" });
  const bundle = async (agent: TestAgent): Promise<ConfigBundle> =>
    configBundleSchema.parse((await agent.call("GET", "/v1/config")).json);
  const feedOf = async (agent: TestAgent) =>
    (await agent.call("GET", "/v1/feed")).json["items"] as { kind: string; seq: number; version: number }[];

  test("a change reaches the agents that it is for, and no others", async () => {
    expect(await put("fleet/-", "thresholds: { shelf: 0.9 }\n", 0)).toMatchObject({
      status: 200,
      json: { layer: "fleet", scope: "-", revision: 1, agents: 2 },
    });
    expect(await put("store/store_n", "thresholds: { shelf: 0.8 }\n", 0)).toMatchObject({ json: { agents: 1 } });
    const [one, other] = [await bundle(north), await bundle(south)];
    expect(one).toMatchObject({ version: 2, agentId: north.agentId });
    expect(one.layers.map(({ layer, revision }) => [layer, revision])).toEqual([
      ["fleet", 1],
      ["store", 1],
    ]);
    expect(other).toMatchObject({ version: 1, layers: [{ layer: "fleet", text: "thresholds: { shelf: 0.9 }\n" }] });
    expect(await feedOf(north)).toMatchObject([
      { kind: "config", seq: 1, version: 1 },
      { kind: "config", seq: 2, version: 2 },
    ]);
    expect(await feedOf(south)).toMatchObject([{ kind: "config", seq: 1, version: 1 }]);
  });

  test("a bundle is signed by the hub for one agent, and any change of it shows", async () => {
    const made = await call("POST", "/v1/fleet/tokens", { store: "store_n", agent: "second" });
    const enrolled = await callHub(started.hub.url, started.token, "POST", "/v1/enrol", {
      ...{ v: 1, token: made.json["token"], publicKey: createSigningKey().publicKey },
      ...{ agent: "second", store: "store_n", software: "t" },
    });
    const { publicKey } = enrolled.json["hub"] as { publicKey: string };
    const verify = signatureVerifier(publicKey);
    const signed = await bundle(north);
    const isGood = (changed: ConfigBundle) => verify?.(configBundleBytes(changed), fromBase64(changed.signature));
    expect(isGood(signed)).toBe(true);
    expect(isGood({ ...signed, version: signed.version + 1 })).toBe(false);
    expect(isGood({ ...signed, agentId: south.agentId })).toBe(false);
    expect(isGood({ ...signed, layers: [] })).toBe(false);
  });

  test("an agent that enrols where there are layers already is told so by its first heartbeat's answer", async () => {
    const late = await enrolAgent(started.hub.url, started.token, "store_late");
    expect(await bundle(late)).toMatchObject({ version: 1, layers: [{ layer: "fleet" }] });
  });

  test("of two who edit one revision, one is told that the other was first", async () => {
    const both = await Promise.all([
      put("region/west", "thresholds: { shelf: 0.7 }", 0),
      put("region/west", "thresholds: { shelf: 0.6 }", 0),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(both.find(({ status }) => status === 409)?.json).toMatchObject({ code: "HP_CONFLICT" });
    const { json } = await call("GET", "/v1/config/layers/region/west");
    expect(json).toMatchObject({ revision: 1 });
    expect(await put("region/west", String(json["text"]), 1)).toMatchObject({ json: { revision: 1, agents: 0 } });
  });

  test("a text with faults is refused with its lines, and nothing changes", async () => {
    const text = "thresholds:\n  shelf: 2\ntask: {}\n";
    expect(await put("fleet/-", text, 1)).toMatchObject({ status: 422, json: { code: "HP_CONFIG" } });
    const checked = await call("POST", "/v1/config/check", { layer: "fleet", scope: "-", text });
    expect(checked.json).toMatchObject({ ok: false, changes: [] });
    const faults = checked.json["faults"] as { line: number; file: string }[];
    expect(faults.map(({ file, line }) => [file, line])).toEqual([
      ["fleet", 2],
      ["fleet", 3],
    ]);
    expect((await call("GET", "/v1/config/layers/fleet/-")).json).toMatchObject({ revision: 1 });
    for (const [layer, scope, ok] of [
      ["fleet", "-", false],
      ["store", "store_n", false],
      ["store", "store_9", true],
    ] as const) {
      const named = await call("POST", "/v1/config/check", { layer, scope, text: "store_id: store_9" });
      expect(named.json["ok"]).toBe(ok);
    }
  });

  test("a check says what would change, store by store, and locks count", async () => {
    const text = "thresholds: { shelf: 0.95 }\nlocked: [thresholds.shelf]\n";
    const checked = await call("POST", "/v1/config/check", { layer: "fleet", scope: "-", text });
    expect(checked.json).toMatchObject({ ok: true, faults: [], more: 0 });
    const changes = checked.json["changes"] as {
      stores: string[];
      keys: { key: string; from: number; to: number }[];
    }[];
    const ofStore = (store: string) => changes.find(({ stores }) => stores.includes(store))?.keys;
    expect(ofStore("store_n")).toEqual([{ key: "thresholds.shelf", from: 0.8, to: 0.95 }]);
    expect(ofStore("store_s")).toEqual([{ key: "thresholds.shelf", from: 0.9, to: 0.95 }]);
    expect(ofStore("store_late")).toEqual(ofStore("store_s"));
  });

  test("a check says which keys count nothing, because a layer above has locked them", async () => {
    const { json } = await call("GET", "/v1/config/layers/fleet/-");
    const [before, revision] = [String(json["text"]), Number(json["revision"])];
    expect(await put("fleet/-", `${before}\nlocked: [thresholds.shelf]\n`, revision)).toMatchObject({ status: 200 });
    const text = "tasks: { shelf: { review_within: 4m } }\nthresholds:\n  shelf: 0.97\n";
    const checked = await call("POST", "/v1/config/check", { layer: "store", scope: "store_n", text });
    expect(await put("fleet/-", before, revision + 1)).toMatchObject({ status: 200 });
    const free = await call("POST", "/v1/config/check", { layer: "store", scope: "store_n", text });
    const locked = [{ key: "thresholds.shelf", line: 3, by: "fleet", stores: 1 }];
    expect([checked.json["locked"], free.json["locked"]]).toEqual([locked, []]);
    const keysOf = ({ json: said }: typeof checked) =>
      (said["changes"] as { keys: { key: string }[] }[])[0]?.keys.map(({ key }) => key);
    expect(keysOf(checked)).not.toContain("thresholds.shelf");
    expect(keysOf(free)).toContain("thresholds.shelf");
  });

  test("a check of a new task says what was written and not every default", async () => {
    const text = "thresholds: { shelf: 0.95, fresh: { max_error: 0.02 } }\ntasks: { fresh: { audit_share: 0.3 } }\n";
    const checked = await call("POST", "/v1/config/check", { layer: "fleet", scope: "-", text });
    const [change] = checked.json["changes"] as { keys: { key: string; to: unknown }[] }[];
    expect(change?.keys.filter(({ key }) => key.includes("fresh"))).toEqual([
      { key: "thresholds.fresh", to: { max_error: 0.02, delta: 0.05 } },
      { key: "tasks.fresh.audit_share", to: 0.3 },
    ]);
  });

  test("a store that moves to a region gets that region's layer, and loses it when it leaves", async () => {
    const before = (await bundle(south)).version;
    expect(await call("PUT", "/v1/stores/store_s", { region: "west", why: "opened" })).toMatchObject({
      json: { region: "west", agents: 1 },
    });
    const moved = await bundle(south);
    expect(moved.version).toBe(before + 1);
    expect(moved.layers.map(({ layer }) => layer)).toEqual(["fleet", "region"]);
    expect(moved.region).toBe("west");
    expect(await put("region/west", "thresholds: { shelf: 0.5 }", 1)).toMatchObject({ json: { agents: 1 } });
    await call("PUT", "/v1/stores/store_s", { region: null, why: "closed" });
    expect((await bundle(south)).layers.map(({ layer }) => layer)).toEqual(["fleet"]);
    // A region without a layer changes nothing for anybody.
    expect(await call("PUT", "/v1/stores/store_s", { region: "empty", why: "x" })).toMatchObject({
      json: { agents: 0 },
    });
  });

  test("a revert is a new revision with the old text, and the history tells who, what and why", async () => {
    await put("store/store_h", "thresholds: { shelf: 0.1 }", 0);
    await put("store/store_h", "thresholds: { shelf: 0.2 }", 1);
    const reverted = await call("POST", "/v1/config/revert", {
      ...{ layer: "store", scope: "store_h", to: 1, revision: 2, why: "too low" },
    });
    expect(reverted).toMatchObject({ status: 200, json: { revision: 3 } });
    const { json } = await call("GET", "/v1/config/history?layer=store&scope=store_h&limit=2");
    expect(json["items"]).toMatchObject([
      { revision: 3, revertOf: 1, why: "too low", by: "admin" },
      { revision: 2, revertOf: null },
    ]);
    const rest = await call("GET", `/v1/config/history?layer=store&scope=store_h&cursor=${String(json["cursor"])}`);
    expect(rest.json).toMatchObject({ items: [{ revision: 1 }], cursor: null });
    const [newest] = json["items"] as { change: number }[];
    expect((await call("GET", `/v1/config/history/${newest?.change}`)).json).toMatchObject({
      ...{ text: "thresholds: { shelf: 0.1 }", before: "thresholds: { shelf: 0.2 }" },
    });
    expect(
      await call("POST", "/v1/config/revert", { layer: "store", scope: "store_h", to: 9, revision: 3, why: "x" }),
    ).toMatchObject({ status: 404 });
  });

  test("who does not say why changes nothing", async () => {
    const answer = await call("PUT", "/v1/config/layers/fleet/-", { text: "", revision: 1, why: " " });
    expect(answer).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });
    expect(await call("GET", "/v1/config/layers/planet/x")).toMatchObject({ status: 404 });
    expect(await call("GET", "/v1/config/layers/fleet/x")).toMatchObject({ status: 404 });
  });

  test("what the agent resolves from its bundle is what the hub said that it would be", async () => {
    const { layers } = await bundle(north);
    const own = { layer: "device" as const, file: "box", text: "store_id: store_n" };
    const resolved = resolveConfig([...layers.map((layer) => ({ ...layer, file: layer.layer })), own], nodeHasher);
    expect(resolved.ok && resolved.value.config.tasks["shelf"]?.gate.target).toEqual({
      kind: "number",
      gateThreshold: 0.8,
    });
  });

  test("the schema that a form is made of names every key with its meaning", async () => {
    const { json } = await call("GET", "/v1/config/schema");
    expect(Object.keys((json["schema"] as { properties: object }).properties)).toContain("thresholds");
    expect((json["keys"] as { key: string }[]).map(({ key }) => key)).toContain("tasks.<task>.review_within");
  });

  test("many agents at once: each is told once, in its own order", async () => {
    const agents = await Promise.all(
      Array.from({ length: 8 }, (_, index) => enrolAgent(started.hub.url, started.token, "store_many", `box-${index}`)),
    );
    const edits = await Promise.all([
      put("store/store_many", "thresholds: { shelf: 0.3 }", 0),
      put("store/store_s", "thresholds: { shelf: 0.3 }", 0),
      call("GET", "/v1/config/layers").then(({ json }) => ({ status: 200, json })),
    ]);
    expect(edits.map(({ status }) => status)).toEqual([200, 200, 200]);
    for (const agent of agents) {
      const told = (await feedOf(agent)).filter(({ kind }) => kind === "config");
      expect(told.map(({ version }) => version)).toEqual([2]);
    }
  });

  test("what an agent has said to have is not kept for it", async () => {
    const agent = await enrolAgent(started.hub.url, started.token, "store_f");
    await put("store/store_f", "thresholds: { shelf: 0.3 }", 0);
    const { json } = await agent.call("GET", "/v1/feed");
    expect(json["items"]).toHaveLength(1);
    const cursor = String(json["cursor"]);
    expect((await agent.call("GET", `/v1/feed?cursor=${cursor}`)).json["items"]).toEqual([]);
    await expect.poll(async () => feedOf(agent), { timeout: 10_000 }).toEqual([]);
    await put("store/store_f", "thresholds: { shelf: 0.4 }", 1);
    expect((await agent.call("GET", `/v1/feed?cursor=${cursor}`)).json["items"]).toMatchObject([
      { seq: 2, kind: "config" },
    ]);
  });
}

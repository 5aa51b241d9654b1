import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentReport } from "../../cloud-sync/hub/fleet/agent-report.ts";
import { type Heartbeat } from "../../protocol/index.ts";
import { callHub, enrolAgent, type TestAgent } from "../support/hub-agent.ts";
import { escalation, heldDecision } from "../support/hub-items.ts";
import { overBothDatabases, type StartedHub, type StartHub } from "../support/hub-start.ts";

overBothDatabases("the fleet's pages", fleetSuite);

const hour = 3_600_000;

function heartbeat(store: string, more: Partial<Heartbeat> = {}): Heartbeat {
  return {
    v: 1,
    software: "test",
    bootId: "boot-1",
    status: {
      ...{ v: 1, agent: "box", store, state: "ready", reasons: [], inFlight: 0, waiting: 2, unsent: 1 },
      ...{ safeToPowerOff: false, config: { revision: 1, digest: "sha256:00" }, models: [], at: 1 },
    },
    outbox: { epoch: "e1", lastSeq: 3, watermark: 2 },
    tasks: [],
    hubConfig: null,
    ...more,
  };
}

const counted = (task: string, accepted: number, escalated: number, abstained = 0): Heartbeat["tasks"][number] => ({
  ...{ task, accepted, escalated, abstained, labelsDigest: null, question: null },
});

function fleetSuite(start: StartHub): void {
  let started: StartedHub;
  let agent: TestAgent;
  beforeAll(async () => {
    started = await start();
    agent = await enrolAgent(started.hub.url, started.token, "store_1");
  });
  afterAll(() => started.hub.close());
  const call = (method: string, path: string, body?: unknown, token = started.token) =>
    callHub(started.hub.url, token, method, path, body);
  const beat = (of: TestAgent, body: Heartbeat) => of.call("POST", "/v1/heartbeat", body);
  const steps = async (more: string) => {
    const now = Date.now();
    return (await call("GET", `/v1/stats/decisions?from=${now - hour}&to=${now + hour}${more}`)).json["items"] as {
      group: string | null;
      accepted: number;
      escalated: number;
      abstained: number;
    }[];
  };

  test("a store's page says what is online, what is owed and what waits", async () => {
    expect(await call("GET", "/v1/stores/store_1")).toMatchObject({
      json: { online: 0, agents: [{ state: "never", config: { drift: "unknown" } }] },
    });
    const rows = { v: 1, epoch: "e1", from: 1, items: [escalation(1), escalation(2)], lastSeq: 3 };
    await agent.call("POST", "/v1/ingest", rows);
    await beat(agent, heartbeat("store_1", { tasks: [counted("shelf", 3, 1)] }));
    const { json } = await call("GET", "/v1/stores/store_1");
    expect(json).toMatchObject({
      ...{ store: "store_1", region: null, online: 1, degraded: 0, pending: 1, waiting: 2, casesWaiting: 2 },
      coverage: [{ task: "shelf", accepted: 3, escalated: 1, abstained: 0, share: 0.75 }],
      agents: [
        {
          ...{ id: agent.agentId, state: "online", health: "ready", safeToPowerOff: false },
          backlog: { received: 2, written: 3, pending: 1, text: "2 of 3 received, 1 pending" },
          config: { wanted: 0, applied: null, drift: "none" },
        },
      ],
    });
    expect(Number(json["oldestMs"])).toBeGreaterThan(Date.now() - hour);
  });

  test("a box that is enrolled anew goes on where its journal is, and another box of the store does not", async () => {
    const before = await enrolAgent(started.hub.url, started.token, "store_anew", "till-box");
    const items = [escalation(1), escalation(2)];
    await before.call("POST", "/v1/ingest", { v: 1, epoch: "e1", from: 1, items, lastSeq: 2 });
    await call("POST", `/v1/agents/${before.agentId}/revoke`, { why: "its disk went to another box" });
    const anew = await enrolAgent(started.hub.url, started.token, "store_anew", "till-box");
    await beat(anew, heartbeat("store_anew", { outbox: { epoch: "e1", lastSeq: 3, watermark: 2 } }));
    const other = await enrolAgent(started.hub.url, started.token, "store_anew", "other-box");
    await beat(other, heartbeat("store_anew", { outbox: { epoch: "e2", lastSeq: 5, watermark: 0 } }));
    const { json } = await call("GET", "/v1/stores/store_anew");
    const backlogs = (json["agents"] as AgentReport[]).map(({ id, backlog }) => [id, backlog.text]);
    expect(Object.fromEntries(backlogs)).toMatchObject({
      [anew.agentId]: "2 of 3 received, 1 pending",
      [other.agentId]: "0 of 5 received, 5 pending",
    });
    expect(json["pending"]).toBe(6);
  });

  test("decisions are counted from heartbeat to heartbeat, over a restart and over a repeat", async () => {
    const two = await enrolAgent(started.hub.url, started.token, "store_2");
    const tell = (bootId: string, ...tasks: Heartbeat["tasks"]) => beat(two, heartbeat("store_2", { bootId, tasks }));
    await tell("a", counted("shelf", 10, 2), counted("cart", 1, 0));
    await tell("a", counted("shelf", 15, 2), counted("cart", 1, 0));
    await tell("a", counted("shelf", 15, 2), counted("cart", 1, 0));
    await tell("b", counted("shelf", 4, 1, 1));
    await tell("b", counted("shelf", 4, 1, 1));
    expect(await steps("&store=store_2")).toMatchObject([{ group: null, accepted: 20, escalated: 3, abstained: 1 }]);
    expect(await steps("&store=store_2&by=task")).toMatchObject([
      { group: "cart", accepted: 1 },
      { group: "shelf", accepted: 19, escalated: 3, abstained: 1 },
    ]);
    expect((await steps("&by=store")).map(({ group }) => group)).toEqual(["store_1", "store_2"]);
    expect(await call("GET", `/v1/stats/decisions?from=0&to=${Date.now()}`)).toMatchObject({
      ...{ status: 413, json: { code: "HP_TOO_LARGE" } },
    });
  });

  test("heartbeats that come at once count every decision once", async () => {
    const two = await enrolAgent(started.hub.url, started.token, "store_3");
    await Promise.all([1, 2, 3, 4].map(() => beat(two, heartbeat("store_3", { tasks: [counted("shelf", 7, 0)] }))));
    expect(await steps("&store=store_3")).toMatchObject([{ accepted: 7 }]);
  });

  test("what an agent really runs is held against what it should", async () => {
    const three = await enrolAgent(started.hub.url, started.token, "store_4");
    const text = "thresholds: { shelf: 0.9 }";
    await call("PUT", "/v1/config/layers/store/store_4", { text, revision: 0, why: "test" });
    const drift = async () => {
      const { json } = await call("GET", "/v1/stores/store_4");
      return (json["agents"] as { config: { drift: string } }[])[0]?.config.drift;
    };
    await beat(three, heartbeat("store_4", { hubConfig: 0 }));
    expect(await drift()).toBe("behind");
    await beat(three, heartbeat("store_4", { hubConfig: 1 }));
    expect(await drift()).toBe("local");
    expect((await call("GET", "/v1/stores?q=ORE_4")).json).toMatchObject({ items: [{ store: "store_4", behind: 0 }] });
  });

  test("the list goes on where its page ended, and a search for what looks like a pattern finds the text", async () => {
    const first = await call("GET", "/v1/stores?limit=2");
    expect((first.json["items"] as { store: string }[]).map(({ store }) => store)).toEqual(["store_1", "store_2"]);
    const second = await call("GET", `/v1/stores?limit=50&cursor=${String(first.json["cursor"])}`);
    expect((second.json["items"] as { store: string }[])[0]?.store).toBe("store_3");
    expect(second.json["cursor"]).toBeNull();
    expect((await call("GET", "/v1/stores?q=%25")).json["items"]).toEqual([]);
    expect((await call("GET", `/v1/stores?q=${encodeURIComponent("(a+)+$\\")}`)).json["items"]).toEqual([]);
  });

  test("a cloned box is seen, and its counts are not", async () => {
    const cloned = await enrolAgent(started.hub.url, started.token, "store_5");
    await beat(cloned, heartbeat("store_5", { bootId: "one", tasks: [counted("shelf", 1, 0)] }));
    await beat(cloned, heartbeat("store_5", { bootId: "two", tasks: [counted("shelf", 1, 0)] }));
    const answer = await beat(cloned, heartbeat("store_5", { bootId: "one", tasks: [counted("shelf", 50, 0)] }));
    expect(answer).toMatchObject({ status: 409, json: { code: "HP_CLONED" } });
    const { json } = await call("GET", "/v1/stores/store_5");
    const [seen] = json["agents"] as { clonedMs: number | null }[];
    expect(seen?.clonedMs).not.toBeNull();
    expect(json["coverage"]).toMatchObject([{ accepted: 2 }]);
  });

  test("a revoked agent is refused when it returns, and is not counted any more", async () => {
    const gone = await enrolAgent(started.hub.url, started.token, "store_6");
    await beat(gone, heartbeat("store_6"));
    expect(await call("POST", `/v1/agents/${gone.agentId}/revoke`, { why: "stolen" })).toMatchObject({ status: 200 });
    await expect
      .poll(async () => (await beat(gone, heartbeat("store_6"))).json["code"], { timeout: 3000 })
      .toBe("HP_REVOKED");
    expect((await call("GET", "/v1/stores/store_6")).json).toMatchObject({ online: 0, agents: [{ state: "revoked" }] });
    expect(await call("POST", `/v1/agents/${randomUUID()}/revoke`, { why: "x" })).toMatchObject({ status: 404 });
  });

  test("a name is of one agent of a store", async () => {
    const [one] = [
      await enrolAgent(started.hub.url, started.token, "store_7", "left"),
      await enrolAgent(started.hub.url, started.token, "store_7", "right"),
    ];
    expect(await call("POST", `/v1/agents/${one.agentId}/rename`, { name: "right" })).toMatchObject({
      ...{ status: 409, json: { code: "HP_CONFLICT" } },
    });
    expect(await call("POST", `/v1/agents/${one.agentId}/rename`, { name: "till" })).toMatchObject({ status: 200 });
    const { agents } = (await call("GET", "/v1/stores/store_7")).json as { agents: { name: string }[] };
    expect(agents.map(({ name }) => name).sort()).toEqual(["right", "till"]);
  });

  test("who is of one store sees and changes that store, and finds no other", async () => {
    const made = await call("POST", "/v1/tokens", { name: "s1", roles: ["operator"], stores: ["store_1"] });
    const mine = (method: string, path: string, body?: unknown) => call(method, path, body, String(made.json["token"]));
    expect(((await mine("GET", "/v1/stores")).json["items"] as { store: string }[]).map(({ store }) => store)).toEqual([
      "store_1",
    ]);
    const { agents } = (await call("GET", "/v1/stores/store_2")).json as { agents: { id: string }[] };
    const foreign = agents[0]?.id ?? "";
    const why = "test";
    const refusals = await Promise.all([
      mine("GET", "/v1/stores/store_2"),
      mine("POST", `/v1/agents/${foreign}/revoke`, { why }),
      mine("POST", `/v1/agents/${foreign}/rename`, { name: "mine" }),
      mine("GET", "/v1/config/layers/store/store_2"),
      mine("PUT", "/v1/config/layers/store/store_2", { text: "{}", revision: 0, why }),
    ]);
    expect(refusals.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404]);
    expect(await mine("PUT", "/v1/config/layers/fleet/-", { text: "{}", revision: 0, why })).toMatchObject({
      ...{ status: 403, json: { code: "HP_FORBIDDEN" } },
    });
    expect(await mine("PUT", "/v1/config/layers/store/store_1", { text: "{}", revision: 0, why })).toMatchObject({
      status: 200,
    });
    const now = Date.now();
    const stats = await mine("GET", `/v1/stats/decisions?from=${now - hour}&to=${now + hour}&by=store`);
    expect((stats.json["items"] as { group: string }[]).map(({ group }) => group)).toEqual(["store_1"]);
    expect(((await mine("GET", "/v1/config/layers")).json["items"] as { scope: string }[]).map((l) => l.scope)).toEqual(
      ["store_1"],
    );
  });

  test("the exports are CSV", async () => {
    const answer = await fetch(`${started.hub.url}/v1/stores.csv`, {
      headers: { authorization: `Bearer ${started.token}` },
    });
    expect(answer.headers.get("content-disposition")).toContain("attachment");
    const [header, first] = (await answer.text()).split("\r\n");
    expect(header).toBe("store,region,agents,online,degraded,pending,waiting,oldest,coverage,behind");
    expect(first).toMatch(/^store_1,,1,1,0,1,2,20\d\d-.*Z,0\.75,/);
  });

  test("an audit sample does not count as waiting, and a final case waits no more", async () => {
    const other = await enrolAgent(started.hub.url, started.token, "store_8");
    const decision = heldDecision();
    const audit = { ...escalation(1), kind: "audit" as const };
    await other.call("POST", "/v1/ingest", {
      ...{ v: 1, epoch: "e1", from: 1, lastSeq: 2, items: [audit, escalation(2, decision)] },
    });
    expect((await call("GET", "/v1/stores/store_8")).json).toMatchObject({ casesWaiting: 1 });
  });

  test("a live view hears that a store's agent reported, and not what another store does", async () => {
    const made = await call("POST", "/v1/tokens", { name: "live", roles: ["operator"], stores: ["store_1"] });
    const stop = new AbortController();
    const answer = await fetch(`${started.hub.url}/v1/live`, {
      headers: { authorization: `Bearer ${String(made.json["token"])}` },
      signal: stop.signal,
    });
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const foreign = await enrolAgent(started.hub.url, started.token, "store_9");
    await beat(foreign, heartbeat("store_9"));
    await beat(agent, heartbeat("store_1"));
    let heard = "";
    const decoder = new TextDecoder();
    for await (const chunk of answer.body ?? []) {
      heard += decoder.decode(chunk, { stream: true });
      if (heard.includes("event: agents")) break;
    }
    stop.abort();
    expect(heard.startsWith("retry: 1000\nevent: resync\n")).toBe(true);
    expect(heard).toContain('data: {"stores":["store_1"]}');
    expect(heard).not.toContain("store_9");
  });
}

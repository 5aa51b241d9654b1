import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { callHub } from "../support/hub-agent.ts";
import { edgeHub, hubbedAgent, quickPace, until, type EdgeHub, type HubbedAgent } from "../support/edge-agent-hub.ts";
import { faultProxy, type Fault } from "../support/fault-proxy.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startedHub(): Promise<EdgeHub> {
  const hub = await edgeHub();
  closers.push(() => hub.close());
  return hub;
}

async function startedAgent(...[hub, dataDir]: Parameters<typeof hubbedAgent>): Promise<HubbedAgent> {
  const agent = await hubbedAgent(hub, dataDir);
  closers.push(() => agent.close());
  return agent;
}

const decisions = (hub: EdgeHub) => hub.rows("SELECT decision_id AS id FROM cases ORDER BY rowid").map(({ id }) => id);
const answer = { kind: "label" as const, label: "pear" };

describe("an agent whose way to the hub is bad", () => {
  test("through drops, delays, cut calls and lost answers every case arrives once and in order, and every answer comes back", async () => {
    const hub = await startedHub();
    const proxy = await faultProxy(() => hub.started.hub.port);
    closers.push(() => proxy.close());
    const agent = await startedAgent({ url: `http://127.0.0.1:${proxy.port}`, token: await hub.enrolToken() });
    await until(() => agent.agentId() !== "");
    const kinds: readonly Fault[] = ["drop", "cut_request", "cut_answer", "delay", "cut_answer", "none"];
    let turn = 0;
    proxy.choose = () => kinds[(turn += 1) % kinds.length] ?? "none";
    const held: string[] = [];
    for (let made = 0; made < 36; made += 1) {
      held.push(await agent.hold());
      if (made % 5 === 0) proxy.hangUp();
    }
    for (const id of held) {
      const review = { kind: "review" as const, id, reviewId: `r-${id}`, reviewer: "Ada", tookMs: 1, atMs: 1, answer };
      hub.tell(agent.agentId(), review);
    }
    for (const id of held) expect(await agent.agent.service.wait("camera-1", id, "final", 30_000)).not.toBeNull();
    await until(async () => (await agent.agent.status()).unsent === 0, 30_000);
    expect(decisions(hub)).toEqual(held);
    expect(hub.rows("SELECT 1 FROM quarantine")).toEqual([]);
    expect(hub.rows("SELECT 1 FROM cases WHERE state != 'final'")).toEqual([]);
    const known = await Promise.all(held.map((id) => agent.agent.service.decision("camera-1", id)));
    expect(known.filter((one) => one?.revisions.length !== 2 || one.reviews.length !== 1)).toEqual([]);
    expect(proxy.faults.cut_answer).toBeGreaterThan(1);
  }, 60_000);

  test("without a network an agent starts, decides and says so; it enrols and sends when there is one", async () => {
    const hub = await startedHub();
    const proxy = await faultProxy(() => hub.started.hub.port);
    closers.push(() => proxy.close());
    proxy.choose = () => "drop";
    const agent = await startedAgent({ url: `http://127.0.0.1:${proxy.port}`, token: await hub.enrolToken() });
    const id = await agent.hold();
    await until(async () => (await agent.agent.status()).hub?.state === "unreachable");
    const offline = await agent.agent.status();
    expect(offline).toMatchObject({ state: "ready", unsent: 1, safeToPowerOff: false });
    expect(offline.hub).toMatchObject({ error: { code: "HP_UNREACHABLE" } });
    expect(offline.hub?.sinceMs).toBeGreaterThan(Date.now() - 60_000);
    proxy.choose = () => "none";
    await until(() => decisions(hub).includes(id));
    const key = join(agent.dataDir, "hub");
    expect(existsSync(join(key, "hub.json"))).toBe(true);
    expect(statSync(join(key, "hub.json")).mode & 0o077).toBe(0);
  }, 30_000);

  test("being out of reach for longer than the budget is a reason to be degraded", async () => {
    const agent = await startedAgent({ url: "http://127.0.0.1:1", token: "hpe_none", offlineMsMax: 200 });
    await until(async () => (await agent.agent.status()).state === "degraded");
    expect((await agent.agent.status()).reasons).toEqual([expect.objectContaining({ code: "HP_UNREACHABLE" })]);
  });
});

describe("an agent that its hub will not have", () => {
  test("a used token, and none at all, are said and not tried for ever", async () => {
    const hub = await startedHub();
    const token = await hub.enrolToken();
    await startedAgent({ url: hub.url, token });
    await until(() => hub.rows("SELECT 1 FROM agents").length === 1);
    const late = await startedAgent({ url: hub.url, token });
    const none = await startedAgent({ url: hub.url });
    for (const agent of [late, none]) {
      await until(async () => (await agent.agent.status()).state === "degraded");
      expect((await agent.agent.status()).reasons[0]).toMatchObject({ code: "HP_TOKEN" });
    }
  }, 30_000);

  test("a revoked agent says why, keeps what it has, calls no more, and sends it when it is enrolled anew", async () => {
    const hub = await startedHub();
    const first = await hubbedAgent({ url: hub.url, token: await hub.enrolToken() });
    await until(() => hub.rows("SELECT heartbeat FROM agents WHERE heartbeat IS NOT NULL").length === 1);
    await first.close(true);
    hub.database.prepare("UPDATE agents SET state = 'revoked'").run();
    await hub.started.hub.close();
    const again = await edgeHub(hub.started.dataDir, hub.started.hub.port);
    closers.push(() => again.close());
    const out = await hubbedAgent({ url: hub.url }, first.dataDir);
    const id = await out.hold();
    await until(async () => (await out.agent.status()).state === "degraded");
    expect(await out.agent.status()).toMatchObject({
      hub: { state: "shut_out", error: { code: "HP_REVOKED" } },
      unsent: 1,
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const metrics = await (await fetch(`${out.agent.http?.url ?? ""}/metrics`)).text();
    expect(metrics).toContain('holdpoint_hub_calls_total{call="heartbeat",outcome="refused"} 1');
    await out.close(true);
    const made = await callHub(hub.url, hub.started.token, "POST", "/v1/fleet/tokens", {
      store: "store_1",
      agent: "b",
    });
    await startedAgent({ url: hub.url, token: String(made.json["token"]) }, first.dataDir);
    await until(() => decisions(again).includes(id));
  }, 30_000);

  test("of two boxes with one key the one that started first is stopped, and sends nothing more", async () => {
    const hub = await startedHub();
    const first = await startedAgent({ url: hub.url, token: await hub.enrolToken(), pace: { ...quickPace } });
    await until(() => hub.rows("SELECT heartbeat FROM agents WHERE heartbeat IS NOT NULL").length === 1);
    const copy = mkdtempSync(join(tmpdir(), "holdpoint-edge-copy-"));
    cpSync(join(first.dataDir, "hub"), join(copy, "hub"), { recursive: true });
    await startedAgent({ url: hub.url }, copy);
    await until(() => hub.rows("SELECT boot_before FROM agents WHERE boot_before IS NOT NULL").length === 1);
    // What changes is reported before long; a config that cannot be read is such a change.
    writeFileSync(join(first.dataDir, "store.yaml"), "store_id: [\n");
    await until(async () => (await first.agent.status()).hub?.state === "shut_out", 20_000);
    expect((await first.agent.status()).reasons.map(({ code }) => code)).toContain("HP_CLONED");
    const id = await first.hold();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(decisions(hub)).not.toContain(id);
  }, 40_000);
});

describe("an agent that is killed", () => {
  test("killed while it sends, again and again, it loses no acknowledged case and doubles none", async () => {
    const hub = await startedHub();
    const token = await hub.enrolToken();
    const dataDir = mkdtempSync(join(tmpdir(), "holdpoint-edge-killed-"));
    closers.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const script = fileURLToPath(new URL("../support/edge-killed.node.ts", import.meta.url));
    const held: string[] = [];
    for (let life = 0; life < 3; life += 1) {
      const child = spawn(process.execPath, [script, hub.url, token, dataDir, "400"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = new Promise((resolve) => child.once("exit", resolve));
      const killAt = 20 + 17 * life;
      let seen = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        if (!line.startsWith("held ")) continue;
        held.push(line.slice(5));
        seen += 1;
        if (seen === killAt) child.kill("SIGKILL");
      }
      await ended;
    }
    const last = await startedAgent({ url: hub.url, token }, dataDir);
    await until(async () => (await last.agent.status()).unsent === 0, 30_000);
    const arrived = decisions(hub);
    expect(held.filter((id) => !arrived.includes(id))).toEqual([]);
    expect(new Set(arrived).size).toBe(arrived.length);
    expect(arrived.filter((id) => held.includes(id ?? ""))).toEqual(held);
    expect(hub.rows("SELECT 1 FROM quarantine")).toEqual([]);
    expect(hub.rows("SELECT 1 FROM cases WHERE picture_state != 'kept'")).toEqual([]);
    expect(hub.rows("SELECT agent_id FROM agents")).toHaveLength(1);
  }, 90_000);

  test("a backlog of days drains completely and in order", async () => {
    const hub = await startedHub();
    const proxy = await faultProxy(() => hub.started.hub.port);
    closers.push(() => proxy.close());
    proxy.choose = () => "drop";
    const agent = await startedAgent({ url: `http://127.0.0.1:${proxy.port}`, token: await hub.enrolToken() });
    const held: string[] = [];
    for (let made = 0; made < 24; made += 1)
      held.push(...(await Promise.all(Array.from({ length: 50 }, () => agent.hold()))));
    expect((await agent.agent.status()).unsent).toBe(1200);
    proxy.choose = () => "none";
    await until(async () => (await agent.agent.status()).unsent === 0, 40_000);
    const stored = decisions(hub);
    expect(stored.length).toBe(1200);
    expect(new Set(stored)).toEqual(new Set(held));
    // In the order in which the store held them: fifty at a time came at once.
    const place = new Map(stored.map((id, at) => [id, at]));
    for (const [at, id] of held.entries()) expect(Math.floor((place.get(id) ?? -1) / 50)).toBe(Math.floor(at / 50));
    const [stream] = hub.rows("SELECT watermark, last_seq FROM ingest_streams");
    expect(stream).toEqual({ watermark: 1200, last_seq: 1200 });
  }, 90_000);
});

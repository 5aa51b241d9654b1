import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { pullConfig, type ConfigPullOptions } from "../../cloud-sync/edge/config-pull.ts";
import { configBundleBytes, HoldpointError, silentLogger, toBase64, type ConfigBundle } from "../../protocol/index.ts";
import { systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { createSigningKey, signatureVerifier } from "../../protocol/platform/signing.node.ts";
import { callHub } from "../support/hub-agent.ts";
import {
  edgeHub,
  heldConfig,
  hubbedAgent,
  quickPace,
  until,
  type EdgeHub,
  type HubbedAgent,
} from "../support/edge-agent-hub.ts";

describe("config from the hub", () => {
  let hub: EdgeHub;
  let box: HubbedAgent;
  let revision = 0;
  const open: HubbedAgent[] = [];
  beforeAll(async () => {
    hub = await edgeHub();
    // The usual long poll: what the hub says comes at once and not with the next question.
    const pace = { ...quickPace, feedWaitMs: 20_000 };
    box = await hubbedAgent({ url: hub.url, token: await hub.enrolToken(), pace });
    await until(() => box.agent.hub?.().feedFreshAtMs !== undefined && box.agent.hub().state.kind === "connected");
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });
  afterAll(async () => {
    await box.close();
    await hub.close();
  });

  const put = async (text: string): Promise<number> => {
    const body = { text, revision, why: "test" };
    const answer = await callHub(hub.url, hub.started.token, "PUT", "/v1/config/layers/fleet/-", body);
    expect(answer).toMatchObject({ status: 200 });
    revision += 1;
    return Date.now();
  };
  const gateOf = async (agent: HubbedAgent): Promise<number> => {
    const id = await agent.hold();
    return (await agent.agent.service.decision("camera-1", id))?.decision?.gateThreshold ?? 0;
  };

  test("a change at the hub is in force on a connected agent, and the hub hears that it is", async () => {
    const before = (await box.agent.status()).config.revision;
    const changedMs = await put("thresholds:\n  people_only: 0.7\n");
    await until(async () => (await box.agent.status()).config.revision > before);
    // A loose bound: the promise of two seconds is measured by the benchmark, not here.
    expect(Date.now() - changedMs).toBeLessThan(10_000);
    expect(await gateOf(box)).toBe(0.7);
    await until(() =>
      hub.rows("SELECT heartbeat FROM agents").some(({ heartbeat }) => heartbeat?.includes('"hubConfig":1')),
    );
    const link = join(box.dataDir, "hub", "config");
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(link, "fleet.yaml"), "utf8")).toContain("0.7");
  });

  test("a local file says more than the hub, but for what the hub has locked", async () => {
    const local = `${heldConfig}thresholds:\n  people_only: 0.99\n`;
    const other = await hubbedAgent(
      { url: hub.url, token: await hub.enrolToken("store_1", "box-2") },
      undefined,
      local,
    );
    open.push(other);
    await until(() => other.agent.hub?.().configVersion !== null);
    expect(await gateOf(other)).toBe(0.99);
    await put("thresholds:\n  people_only: 0.8\nlocked: [thresholds.people_only]\n");
    await until(async () => (await gateOf(other)) === 0.8);
  });

  test("what the hub said last is in force from the first decision after a restart without a network", async () => {
    const first = await hubbedAgent({ url: hub.url, token: await hub.enrolToken("store_1", "box-3") });
    await until(() => first.agent.hub?.().configVersion !== null);
    await first.close(true);
    const again = await hubbedAgent({ url: "http://127.0.0.1:1" }, first.dataDir);
    open.push(again);
    expect(await gateOf(again)).toBe(0.8);
  });

  test("a box that was enrolled anew takes its config, whatever number the one before had", async () => {
    const first = await hubbedAgent({ url: hub.url, token: await hub.enrolToken("store_1", "box-5") });
    await until(() => first.agent.hub?.().configVersion === 1);
    for (const number of [0.81, 0.82]) await put(`thresholds:\n  people_only: ${number}\n`);
    await until(() => first.agent.hub?.().configVersion === 3);
    await first.close(true);
    const token = await hub.enrolToken("store_1", "box-6");
    const again = await hubbedAgent({ url: hub.url, token }, first.dataDir);
    open.push(again);
    await until(() => again.agent.hub?.().configVersion === 1);
    expect(await gateOf(again)).toBe(0.82);
    // The third is of the number that the box had in force, and its folder is another.
    for (const number of [0.83, 0.8]) {
      await put(`thresholds:\n  people_only: ${number}\nlocked: [thresholds.people_only]\n`);
      await until(async () => (await gateOf(again)) === number);
    }
    // What the hub is told follows what is in force.
    await until(() => again.agent.hub?.().configVersion === 3);
  });

  test("a config that this agent cannot run is refused and said, and the last one stays in force", async () => {
    // Good by itself: beside this box's own file, which alone says what store this is, it is not.
    const other = await hubbedAgent({ url: hub.url, token: await hub.enrolToken("store_1", "box-4") });
    open.push(other);
    await until(() => other.agent.hub?.().configVersion !== null);
    await put("thresholds:\n  people_only: 0.6\nlocked: [store_id]\n");
    await until(async () => (await other.agent.status()).state === "degraded");
    expect((await other.agent.status()).reasons).toEqual([expect.objectContaining({ code: "HP_CONFIG" })]);
    expect(await gateOf(other)).toBe(0.8);
  });
});

describe("a bundle that is not the hub's word", () => {
  const key = createSigningKey();
  const bundle = (more: Partial<ConfigBundle> = {}, by = key): ConfigBundle => {
    const signed = {
      v: 1 as const,
      hub: "h",
      agentId: "a",
      version: 4,
      issuedAtMs: 1,
      layers: [],
      certificates: [],
      ...more,
    };
    return { ...signed, signature: toBase64(by.sign(configBundleBytes(signed))) };
  };

  /** `next`: what the hub announces and answers once `answer` is done with. */
  async function pulled(
    answer: ConfigBundle,
    heldVersion: number,
    adopt?: () => Promise<void>,
    heldBy = "a",
    next?: ConfigBundle,
  ) {
    const problems: (string | null)[] = [];
    const adopted: number[] = [];
    let calls = 0;
    const target = {
      held: heldVersion === 0 ? null : { hub: "h", agentId: heldBy, version: heldVersion },
      adopt: async (one: ConfigBundle) => {
        await adopt?.();
        adopted.push(one.version);
        target.held = { hub: one.hub, agentId: one.agentId, version: one.version };
      },
    };
    const options: ConfigPullOptions = {
      exchange: {
        call: (call) => {
          calls += 1;
          return Promise.resolve({ ok: true, value: call.reply.parse(problems.length > 0 && next ? next : answer) });
        },
      },
      target,
      ...{ hubId: "h", agentId: "a", verify: signatureVerifier(key.publicKey) ?? (() => false) },
      ...{ timers: systemTimers, random: systemRandom, logger: silentLogger },
      pace: { baseMs: 5, capMs: 5, retryAfterMsMax: 5 },
      onProblem: (error) => problems.push(error && `${error.code} ${error.message}`),
      onAdopted: () => undefined,
    };
    const pull = pullConfig(options);
    pull.announced(4);
    await until(() => problems.length > 0);
    if (next) pull.announced(next.version);
    if (next) await until(() => problems.length > 1);
    await new Promise((resolve) => setTimeout(resolve, 40));
    pull.close();
    return { problems, adopted, calls };
  }

  test("signed by the hub for this agent and newer, it is adopted once", async () => {
    expect(await pulled(bundle(), 3)).toEqual({ problems: [null], adopted: [4], calls: 1 });
    // What the box held before it was enrolled anew is another agent's, and says nothing of this one's versions.
    for (const held of [4, 10]) {
      expect(await pulled(bundle(), held, undefined, "b")).toEqual({ problems: [null], adopted: [4], calls: 1 });
    }
  });

  test("changed on the way, signed by another, for another agent, or older, it is refused and not asked for again", async () => {
    const changed = { ...bundle(), layers: [{ layer: "fleet" as const, text: "locked: []", revision: 1 }] };
    const wrong = [
      changed,
      bundle({}, createSigningKey()),
      bundle({ agentId: "b" }),
      bundle({ hub: "i" }),
      bundle({ version: 3 }),
    ];
    for (const one of wrong) {
      const seen = await pulled(one, 3);
      expect(seen).toMatchObject({ adopted: [], calls: 1 });
      expect(seen.problems[0]).toContain("HP_CONFIG");
    }
  });

  test("the number of one that is not the hub's keeps no later one out", async () => {
    const forged = bundle({ version: 1_000_000 }, createSigningKey());
    expect(await pulled(forged, 3, undefined, "a", bundle({ version: 5 }))).toMatchObject({ adopted: [5], calls: 2 });
  });

  test("a full disk is tried again until it is not", async () => {
    let left = 2;
    const seen = await pulled(bundle(), 3, () => {
      left -= 1;
      return left < 0 ? Promise.resolve() : Promise.reject(new HoldpointError("HP_DISK_FULL", "full"));
    });
    expect(seen.adopted).toEqual([4]);
    expect(seen.problems.at(-1)).toBeNull();
  });
});

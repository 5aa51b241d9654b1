import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodeMessage, HoldpointError, parseOutcome, type Decision, type Input } from "../../protocol/index.ts";
import { type Client } from "../../sdk/client/index.ts";
import { cart, clientOf, eventually, quickPolicy, recordRevisions, type Way } from "../support/client-fixtures.ts";
import { makeDecision, ScriptedAgent } from "../support/scripted-agent.ts";

const id = (n: number): string => `0193a5f0-0000-7000-8000-${String(n).padStart(12, "0")}`;

for (const way of ["mqtt", "http"] as const satisfies readonly Way[]) {
  describe(`a client over ${way}`, () => {
    let agent: ScriptedAgent;
    let client: Client;

    beforeEach(async () => {
      agent = await new ScriptedAgent().start();
      client = clientOf(agent, way);
    });
    afterEach(async () => {
      await client.close();
      await agent.stop();
    });

    it("gets a decision for a request, and the same by final()", async () => {
      const decision = await client.decide("cart", cart(1), { context: { basket: "b-17" } });
      expect(decision).toMatchObject({ status: "final", revision: 1, task: "cart" });
      expect(agent.cases.get(decision.id)?.request).toMatchObject({ context: { basket: "b-17" } });
      expect(await client.final(decision.id)).toEqual(decision);
      await eventually(() => client.status().outstanding === 0, "the outbox is empty");
    });

    it("gets the provisional decision first and the person's as final, each shown once", async () => {
      agent.script = { verdict: () => "pending" };
      const { keys } = recordRevisions(client);
      const first = await client.decide("cart", cart(1), { id: id(1) });
      expect(first.status).toBe("pending");
      const final = client.final(id(1));
      agent.finish(id(1), "Oatly-Oat-Milk");
      expect(await final).toMatchObject({ revision: 2, decidedBy: "reviewer", answer: { label: "Oatly-Oat-Milk" } });
      expect(keys()).toEqual([`${id(1)}/1`, `${id(1)}/2`]);
    });

    it("loses and doubles nothing when the agent restarts in the middle", async () => {
      agent.script = { verdict: ({ id: asked }) => (asked.endsWith("7") ? "pending" : "final") };
      const { keys } = recordRevisions(client);
      const decisions: Promise<Decision>[] = [];
      for (let n = 0; n < 120; n += 1) {
        decisions.push(client.decide("cart", cart(n), { id: id(n) }));
        if (n === 30 || n === 80) await agent.restart();
        if (n === 50) agent.cut();
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      const answers = await Promise.all(decisions);
      expect(answers.map((decision) => decision.id)).toEqual(Array.from({ length: 120 }, (_, n) => id(n)));
      for (const { id: asked, status } of answers) if (status === "pending") agent.finish(asked);
      await Promise.all(answers.map(({ id: asked }) => client.final(asked)));
      await eventually(() => client.status().outstanding === 0, "the outbox is empty");
      expect(agent.cases.size).toBe(120);
      expect(keys().length).toBe(new Set(keys()).size);
      expect(keys().length).toBe(120 + 12);
    });

    it("asks before the agent is there, and is answered when it comes", async () => {
      await agent.stop();
      const decided = client.decide("cart", cart(1));
      await eventually(() => client.status().outstanding === 1, "it waits");
      await eventually(() => client.status().link.error?.code === "HP_UNREACHABLE", "the link is down");
      await agent.start();
      expect((await decided).status).toBe("final");
    });

    it("waits as a busy agent asks, and then sends the same request again", async () => {
      agent.script = { intake: (_request, time) => (time <= 2 ? "busy" : "take"), retryAfterMs: 50 };
      const startedAt = performance.now();
      const decision = await client.decide("cart", cart(1));
      expect(decision.status).toBe("final");
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(95);
      expect(agent.heard).toEqual([decision.id, decision.id, decision.id]);
    });

    it("rejects a refused request and no other", async () => {
      agent.script = {
        intake: ({ task }) => (task === "unknown" ? new HoldpointError("HP_UNKNOWN_TASK", "no such task") : "take"),
      };
      const [good, bad, alsoGood] = await Promise.allSettled([
        client.decide("cart", cart(1)),
        client.decide("unknown", cart(2)),
        client.decide("cart", cart(3)),
      ]);
      expect(bad).toMatchObject({ status: "rejected", reason: { code: "HP_UNKNOWN_TASK", retry: "after-change" } });
      expect([good.status, alsoGood.status]).toEqual(["fulfilled", "fulfilled"]);
      await eventually(() => client.status().outstanding === 0, "the outbox is empty");
    });

    it("gives the same answer to the same id and body, and HP_CONFLICT to another body", async () => {
      const first = await client.decide("cart", cart(1), { id: id(1) });
      expect(await client.decide("cart", cart(1), { id: id(1), at: 5 })).toEqual(first);
      await expect(client.decide("cart", cart(2), { id: id(1) })).rejects.toMatchObject({ code: "HP_CONFLICT" });
    });

    it("finds a conflict among its own requests without asking, and joins equal ones", async () => {
      agent.script = { verdict: () => "pending" };
      const [one, two] = await Promise.all([
        client.decide("cart", cart(1), { id: id(1) }),
        client.decide("cart", cart(1), { id: id(1) }),
      ]);
      expect(two).toEqual(one);
      await expect(client.decide("cart", cart(2), { id: id(1) })).rejects.toMatchObject({ code: "HP_CONFLICT" });
      expect(agent.heard).toEqual([id(1)]);
    });

    it("refuses what is no request before anything is sent", async () => {
      const nan: Input = { kind: "tensor", dtype: "float32", shape: [1], data: new Uint8Array([0, 0, 0xc0, 0x7f]) };
      await expect(client.decide("cart", nan)).rejects.toMatchObject({ code: "HP_NOT_FINITE" });
      await expect(client.decide("no task!", cart(1))).rejects.toMatchObject({ code: "HP_SCHEMA" });
      await expect(client.decide("cart", cart(1), { id: "mine" })).rejects.toMatchObject({ code: "HP_SCHEMA" });
      expect(client.status().outstanding).toBe(0);
    });

    it("says HP_TIMEOUT when its patience ends, and still answers by final()", async () => {
      await client.close();
      client = clientOf(agent, way, { policy: { ...quickPolicy, graceMs: 50 } });
      agent.script = { verdict: () => "undecided" };
      const slow = client.decide("cart", cart(1), { id: id(1), deadlineMs: 50 });
      await expect(slow).rejects.toMatchObject({ code: "HP_TIMEOUT", retry: "backoff" });
      await eventually(() => agent.cases.has(id(1)), "the agent has it");
      agent.decide(id(1));
      expect(await client.final(id(1), { waitMs: 5_000 })).toMatchObject({ id: id(1), status: "final" });
    });

    it("says what a busy agent is short of when its patience ends", async () => {
      await client.close();
      const policy = { ...quickPolicy, patienceMs: 1_000, graceMs: 50 };
      client = clientOf(agent, way, { policy });
      agent.script = { intake: () => "busy", retryAfterMs: 50 };
      const error = (await client.decide("cart", cart(1)).catch((cause: unknown) => cause)) as HoldpointError;
      const cause = error.cause as HoldpointError;
      expect([error.code, cause.code, error.hint]).toEqual(["HP_TIMEOUT", "HP_BUSY", cause.hint]);
      expect(error.message).toContain(`the agent has not decided (${cause.message})`);
    });

    it("waits for ever where it was told to", async () => {
      await client.close();
      client = clientOf(agent, way, { onTimeout: "wait", policy: { ...quickPolicy, patienceMs: 20, graceMs: 20 } });
      agent.script = { verdict: () => "undecided" };
      const slow = client.decide("cart", cart(1), { id: id(1) });
      await new Promise((resolve) => setTimeout(resolve, 120));
      agent.decide(id(1));
      expect((await slow).id).toBe(id(1));
    });

    it("says HP_UNAUTHORIZED for a wrong secret, keeps the request, and goes on trying", async () => {
      await client.close();
      // Patience enough to be refused on a busy machine; without the refusal this would be HP_TIMEOUT.
      const policy = { ...quickPolicy, patienceMs: 1000, graceMs: 50 };
      client = clientOf(agent, way, { secret: "wrong", policy });
      await expect(client.decide("cart", cart(1))).rejects.toMatchObject({ code: "HP_UNAUTHORIZED" });
      expect(client.status().outstanding).toBe(1);
      expect(agent.heard).toEqual([]);
    });

    it("ends the waiting but not the request when the signal fires", async () => {
      agent.script = { verdict: () => "undecided" };
      const abort = new AbortController();
      const decided = client.decide("cart", cart(1), { id: id(1), signal: abort.signal });
      await eventually(() => agent.cases.has(id(1)), "the agent has it");
      abort.abort();
      await expect(decided).rejects.toMatchObject({ name: "AbortError" });
      agent.decide(id(1));
      expect((await client.final(id(1))).id).toBe(id(1));
    });

    it("refuses more than its outbox may hold, and takes again when there is room", async () => {
      await client.close();
      client = clientOf(agent, way, { policy: { ...quickPolicy, outstandingMax: 2 } });
      agent.script = { verdict: () => "undecided" };
      await client.submit("cart", cart(1), { id: id(1) });
      await client.submit("cart", cart(2), { id: id(2) });
      await expect(client.submit("cart", cart(3))).rejects.toMatchObject({ code: "HP_OUTBOX_FULL", retry: "backoff" });
      await eventually(() => agent.cases.size === 2, "the agent has both");
      agent.decide(id(1));
      await client.final(id(1));
      await client.submit("cart", cart(3));
    });

    it("counts bytes as well", async () => {
      await client.close();
      client = clientOf(agent, way, { policy: { ...quickPolicy, outboxBytesMax: 1_000 } });
      const picture = { kind: "image", encoding: "jpeg", data: new Uint8Array(2_000) } as const;
      await expect(client.decide("cart", picture)).rejects.toMatchObject({ code: "HP_OUTBOX_FULL" });
    });

    it("tells outcomes and events, and forgets them when they are acknowledged", async () => {
      const { id: asked } = await client.decide("cart", cart(1));
      await client.outcome({ id: asked, correct: true, source: "pos" });
      await client.observe("shopper-201", { cartAdds: 3 });
      await eventually(() => agent.outcomes.length === 1 && agent.events.length === 1, "both came");
      expect(parseOutcome(agent.outcomes[0] as Uint8Array)).toMatchObject({ ok: true, value: { id: asked } });
      await eventually(() => client.status().outstanding === 0, "the outbox is empty");
    });

    it("rejects what waits when it is closed, and everything after", async () => {
      agent.script = { verdict: () => "undecided" };
      const decided = client.decide("cart", cart(1));
      const refused = expect(decided).rejects.toMatchObject({ code: "HP_CLOSED" });
      await eventually(() => agent.cases.size === 1, "the agent has it");
      await client.close();
      await client.close();
      await refused;
      await expect(client.decide("cart", cart(1))).rejects.toMatchObject({ code: "HP_CLOSED" });
    });

    it("does not know an id that nobody asked", async () => {
      await expect(client.final(id(99), { waitMs: 3_000 })).rejects.toMatchObject({ code: "HP_NOT_FOUND" });
    });

    it("keeps what the agent has not acknowledged to a window, and the rest to itself", async () => {
      agent.script = { intake: () => "ignore" };
      for (let n = 0; n < 200; n += 1) await client.submit("cart", cart(n), { id: id(n) });
      const windowMax = way === "mqtt" ? 64 : 16;
      await eventually(() => agent.heard.length >= windowMax, "the window is full");
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(agent.heard.length).toBe(windowMax);
      expect(client.status().outstanding).toBe(200);
    });

    it("speaks JSON where it is told to", async () => {
      await client.close();
      client = clientOf(agent, way, { encoding: "json" });
      const data = new Uint8Array(12).fill(7);
      const decision = await client.decide("cart", { kind: "pixels", width: 2, height: 2, channels: 3, data });
      expect(agent.cases.get(decision.id)?.request.input).toMatchObject({ data });
    });
  });
}

describe("over MQTT in particular, a client", () => {
  let agent: ScriptedAgent;
  let client: Client;

  beforeEach(async () => {
    agent = await new ScriptedAgent().start();
    client = clientOf(agent, "mqtt");
  });
  afterEach(async () => {
    await client.close();
    await agent.stop();
  });

  it("shows a decision once although it is sent five times", async () => {
    agent.script = { copies: 5, verdict: () => "pending" };
    const { keys } = recordRevisions(client);
    await client.decide("cart", cart(1), { id: id(1) });
    agent.finish(id(1));
    await client.final(id(1));
    await eventually(() => agent.undelivered === 0, "every copy is acknowledged");
    expect(keys()).toEqual([`${id(1)}/1`, `${id(1)}/2`]);
  });

  it("acknowledges a decision only after the listener's promise: a crash before that brings it again", async () => {
    let taken: () => void = () => undefined;
    let calls = 0;
    client.on("revision", () => {
      calls += 1;
      return calls > 1 ? undefined : new Promise<void>((resolve) => (taken = resolve));
    });
    await client.decide("cart", cart(1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(agent.undelivered).toBe(1);
    taken();
    await eventually(() => agent.undelivered === 0, "it is acknowledged");
  });

  it("does not let one stuck listener stop every decision", async () => {
    await client.close();
    client = clientOf(agent, "mqtt", { policy: { ...quickPolicy, handOverMsMax: 50 } });
    client.on("revision", () => new Promise(() => undefined));
    client.on("revision", () => {
      throw new Error("a listener's own bug");
    });
    await client.decide("cart", cart(1));
    await client.decide("cart", cart(2));
    await eventually(() => agent.undelivered === 0, "both are acknowledged");
  });

  it("asks again when an acknowledged request stays without an answer, as behind an external broker", async () => {
    agent.script = { forgetful: true, intake: (_request, time) => (time <= 1 ? "ignore" : "take") };
    const decision = await client.decide("cart", cart(1));
    expect(agent.heard).toEqual([decision.id, decision.id]);
  });

  it("shows a correction of a final decision, and decisions that another life of this device asked for", async () => {
    const { keys } = recordRevisions(client);
    const { id: asked } = await client.decide("cart", cart(1));
    agent.publishRaw("decision", encodeMessage(makeDecision({ id: asked, task: "cart" }, 2, "final"), "json"));
    agent.publishRaw("decision", encodeMessage(makeDecision({ id: id(5), task: "cart" }, 1, "final"), "json"));
    await eventually(() => keys().length === 3, "three revisions");
    expect(keys()).toEqual([`${asked}/1`, `${asked}/2`, `${id(5)}/1`]);
    expect((await client.final(asked)).revision).toBe(2);
  });

  it("survives rubbish on every topic of its own", async () => {
    for (const channel of ["decision", "error", "received"] as const) {
      agent.publishRaw(channel, new Uint8Array([1, 2, 3]));
      agent.publishRaw(channel, encodeMessage({ id: 7, ids: [7, null], code: "HP_NEW", message: "?" }, "json"));
    }
    expect((await client.decide("cart", cart(1))).status).toBe("final");
  });

  it("reports a refusal that belongs to no promise", async () => {
    const refusals: unknown[] = [];
    client.on("refused", (refusal) => refusals.push(refusal));
    await client.decide("cart", cart(1));
    const error = new HoldpointError("HP_SCHEMA", "values: too many features");
    agent.publishRaw("error", encodeMessage(error.body(null), "json"));
    await eventually(() => refusals.length === 1, "the refusal came");
    expect(refusals).toMatchObject([{ id: null, error: { code: "HP_SCHEMA", message: "values: too many features" } }]);
  });

  it("tells of its link", async () => {
    await client.close();
    client = clientOf(agent, "mqtt");
    const phases: string[] = [];
    client.on("link", ({ phase }) => phases.push(phase));
    await client.decide("cart", cart(1));
    agent.cut();
    await eventually(() => phases.filter((phase) => phase === "up").length === 2, "it is up again");
    expect(phases).toEqual(["opening", "up", "waiting", "opening", "up"]);
  });
});

describe("over HTTP in particular, a client", () => {
  it("does not follow a redirect with the secret, and says what is wrong with the url", async () => {
    const agent = await new ScriptedAgent().start();
    const calls: string[] = [];
    const client = clientOf(agent, "http", {
      policy: { ...quickPolicy, patienceMs: 50, graceMs: 50 },
      fetch: (address) => {
        calls.push(address instanceof Request ? address.url : address.toString());
        return Promise.resolve(new Response(null, { status: 302, headers: { location: "https://elsewhere.example" } }));
      },
    });
    await expect(client.decide("cart", cart(1))).rejects.toMatchObject({ message: /redirects/ });
    expect(calls.every((address) => address.startsWith(agent.httpUrl))).toBe(true);
    await client.close();
    await agent.stop();
  });

  it("follows a hundred pending cases over three connections, and looks up an id that it never asked", async () => {
    const agent = await new ScriptedAgent().start();
    agent.script = { verdict: () => "pending" };
    const client = clientOf(agent, "http");
    const ids = Array.from({ length: 100 }, (_, n) => id(n));
    await Promise.all(ids.map((asked, n) => client.decide("cart", cart(n), { id: asked })));
    const finals = Promise.all(ids.map((asked) => client.final(asked)));
    for (const asked of ids) agent.finish(asked);
    expect((await finals).every(({ decidedBy }) => decidedBy === "reviewer")).toBe(true);
    const other = clientOf(agent, "http");
    expect(await other.final(id(7))).toMatchObject({ id: id(7), revision: 2 });
    await Promise.all([client.close(), other.close()]);
    await agent.stop();
  });
});

import { describe, expect, it } from "vitest";
import { resolveConfig, type EffectiveConfig } from "../../config/index.ts";
import { HoldpointError, silentLogger, universalHasher, type Decision, type Input } from "../../protocol/index.ts";
import { createDecider, createPipeline, wantedModels, type DeciderOptions } from "../../sdk/index.ts";
import { ambientClock, ambientTimers } from "../../sdk/ambient.ts";
import { requestOf } from "../support/requests.ts";
import { scriptedHost } from "../support/scripted-host.ts";

const input: Input = { kind: "pixels", width: 1, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3) };
const task = "product_identification";
const store = {
  store_id: "store_1",
  models: { product_identification: { model: "scripted@1" } },
  thresholds: { product_identification: 0.9 },
  tasks: { product_identification: { review_within: "15m", safe_action: { label: "ask-shopper" }, audit_share: 0 } },
};
const open = (probability: number | null, options: Partial<DeciderOptions> = {}) =>
  createDecider({ config: store, models: () => scriptedHost(probability), ...options });

const codeOf = (error: unknown): string => (error instanceof HoldpointError ? error.code : String(error));

describe("the embedded decider", () => {
  it("accepts what the model is sure of, and says that nothing survives the process", async () => {
    const decider = await open(0.97);
    const decision = await decider.decide(task, input);
    expect(decision).toMatchObject({ verdict: "accept", answer: { label: "Satsuma" }, gateThreshold: 0.9 });
    expect(decider.durable).toBe(false);
    expect(await decider.final(decision.id)).toEqual(decision);
    await decider.close();
  });

  it("takes the safe action where no person can be asked", async () => {
    const decider = await open(0.6);
    expect(await decider.decide(task, input)).toMatchObject({
      verdict: "abstain",
      answer: { label: "ask-shopper" },
      reasons: ["below_gate", "no_reviewer", "safe_action"],
    });
    await decider.close();
  });

  it("is not disturbed by a listener or a way to people that fails, at once or later", async () => {
    const logged: string[] = [];
    const logger = { ...silentLogger, error: (event: string) => void logged.push(event) };
    const decider = await open(0.6, {
      logger,
      escalateTo: () => {
        throw new Error("the pager is down");
      },
    });
    const heard: number[] = [];
    decider.on("revision", () => {
      throw new Error("a listener's own fault");
    });
    const failsLater: () => unknown = () => Promise.reject(new Error("another's"));
    decider.on("revision", failsLater);
    decider.on("revision", ({ revision }) => heard.push(revision));
    expect(await decider.decide(task, input)).toMatchObject({ status: "pending", verdict: "escalate" });
    expect(heard).toEqual([1]);
    await expect.poll(() => logged.sort()).toEqual(["escalation_failed", "listener_failed", "listener_failed"]);
    await decider.close();
  });

  it("leaves no model host behind where it cannot begin", async () => {
    let closed = 0;
    const models = () => ({
      ...scriptedHost(0.97),
      apply: () => Promise.reject(new Error("no room")),
      close: () => Promise.resolve(void (closed += 1)),
    });
    await expect(open(0.97, { models })).rejects.toThrow("no room");
    expect(closed).toBe(1);
  });

  it("asks a person, and the final decision is theirs", async () => {
    const asked: Decision[] = [];
    const decider = await open(0.6, {
      escalateTo: (decision) => {
        asked.push(decision);
        return Promise.resolve({ reviewer: "Kim", answer: { kind: "label", label: "Orange" } });
      },
    });
    const revisions: number[] = [];
    decider.on("revision", ({ revision }) => revisions.push(revision));
    const decision = await decider.decide(task, input);
    expect(decision).toMatchObject({ status: "pending", verdict: "escalate", answer: { label: "Satsuma" } });
    expect(await decider.final(decision.id)).toMatchObject({
      revision: 2,
      decidedBy: "reviewer",
      answer: { label: "Orange" },
    });
    expect(asked).toEqual([decision]);
    expect(revisions).toEqual([1, 2]);
    await decider.close();
  });

  it("ends in the fallback when the person does not come in time, and a late answer changes nothing", async () => {
    let answerLate = (): void => undefined;
    const late = new Promise<void>((resolve) => (answerLate = resolve));
    const tasks = { product_identification: { ...store.tasks.product_identification, review_within: "60ms" } };
    const decider = await open(0.6, {
      config: { ...store, tasks },
      escalateTo: async () => {
        await late;
        return { reviewer: "Kim", answer: { kind: "label", label: "Orange" } };
      },
    });
    const { id } = await decider.decide(task, input);
    const final = await decider.final(id);
    expect(final).toMatchObject({ decidedBy: "fallback", answer: { label: "ask-shopper" } });
    expect(final.reasons[0]).toBe("review_expired");
    answerLate();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await decider.final(id)).toEqual(final);
    await decider.close();
  });

  it("escalates with reason timeout when the model does not answer within the patience", async () => {
    const decider = await open(null, { escalateTo: () => new Promise(() => undefined) });
    expect(await decider.decide(task, input, { deadlineMs: 30 })).toMatchObject({
      verdict: "escalate",
      reasons: ["timeout"],
      answer: null,
    });
    await decider.close();
  });

  it("gives the same id and body the same answer, once, and refuses another body", async () => {
    const decider = await open(0.97);
    const id = "0193a3f2-7d1c-7abc-8def-0123456789ab";
    const [first, second] = await Promise.all([
      decider.decide(task, input, { id }),
      decider.decide(task, input, { id, at: 5, deadlineMs: 9 }),
    ]);
    expect(second).toEqual(first);
    await expect(decider.decide(task, input, { id, context: { basket: "b" } })).rejects.toMatchObject({
      code: "HP_CONFLICT",
    });
    await decider.close();
  });

  it("refuses what is no request, and a closed decider refuses everything", async () => {
    const decider = await open(0.97);
    const nan = new Uint8Array(Float32Array.of(Number.NaN).buffer);
    const codes = await Promise.all(
      [
        decider.decide("no_such_task", input),
        decider.decide(task, { kind: "tensor", dtype: "float32", shape: [1], data: nan }),
        decider.decide(task, { kind: "pixels", width: 2, height: 2, channels: 3, data: new Uint8Array(1) }),
        decider.final("0193a3f2-7d1c-7abc-8def-0123456789ab", { waitMs: 10 }),
      ].map((promise) => promise.then(() => "decided", codeOf)),
    );
    expect(codes).toEqual(["HP_UNKNOWN_TASK", "HP_NOT_FINITE", "HP_SCHEMA", "HP_NOT_FOUND"]);
    await decider.close();
    await expect(decider.decide(task, input)).rejects.toMatchObject({ code: "HP_CLOSED" });
  });

  it("ends the wait for a person when it closes, and closing twice is closing once", async () => {
    const decider = await open(0.6, { escalateTo: () => new Promise(() => undefined) });
    const { id } = await decider.decide(task, input);
    const waiting = decider.final(id).catch(codeOf);
    await Promise.all([decider.close(), decider.close()]);
    expect(await waiting).toBe("HP_CLOSED");
  });

  it("is not touched by what its caller does with the request's objects afterwards", async () => {
    const asked: unknown[] = [];
    const decider = await open(0.6, {
      escalateTo: (_decision, request) => {
        asked.push(request.context, request.input.kind === "pixels" && request.input.width);
        return new Promise(() => undefined);
      },
    });
    const given = { ...input };
    const context = { basket: "b-17" };
    const deciding = decider.decide(task, given, { context });
    Object.assign(given, { width: 9 });
    Object.assign(context, { basket: "b-18" });
    await deciding;
    expect(asked).toEqual([{ basket: "b-17" }, 1]);
    await decider.close();
  });

  it("refuses a config that does not hold, with the line", async () => {
    await expect(open(0.9, { config: "store_id: s\nthreshold: {}\n" })).rejects.toMatchObject({ code: "HP_CONFIG" });
  });
});

describe("a config change", () => {
  const configOf = (spec: string, gateThreshold: number, revision: number): EffectiveConfig => {
    const text = JSON.stringify({
      ...store,
      models: { [task]: { model: spec } },
      thresholds: { [task]: gateThreshold },
    });
    const resolved = resolveConfig([{ layer: "store", file: "s", text }], universalHasher);
    if (!resolved.ok) throw resolved.error;
    return { ...resolved.value.config, revision };
  };

  it("never mixes: a prediction under way is ruled by the config that its model belongs to", async () => {
    const host = scriptedHost(null);
    const [first, second] = [configOf("scripted@1", 0.5, 1), configOf("scripted@2", 0.99, 2)];
    await host.apply(wantedModels(first));
    const pipeline = createPipeline({
      config: first,
      host,
      secret: new Uint8Array(32),
      hasher: universalHasher,
      clock: ambientClock,
      timers: ambientTimers,
    });
    const request = requestOf({ input });
    const underWay = pipeline.find(request);
    await host.apply(wantedModels(second));
    pipeline.adopt(second);
    const next = pipeline.find(request);
    host.release(0.9);
    const situation = { reviewer: true, storage: true };
    const before = pipeline.rule(request, await underWay, situation).decision;
    const after = pipeline.rule(request, await next, situation).decision;
    expect([before.config.revision, before.model?.version, before.gateThreshold]).toEqual([1, "scripted@1", 0.5]);
    expect([after.config.revision, after.model?.version, after.gateThreshold]).toEqual([2, "scripted@2", 0.99]);
  });
});

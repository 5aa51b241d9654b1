import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decide, idleLoad, reviewBurst, reviewPrice, reviewPriceMax, replay, toldUnder } from "../../sdk/index.ts";
import { answeredUnder, answerP95Ms } from "../../sdk/capacity.ts";
import { TaskMemory } from "../../sdk/task-memory.ts";
import { decideInputs, evidence, gateOf, policyOf } from "../support/policies.ts";

const clock = { wallMs: () => 0, monotonicMs: () => 0 };
const capacity = fc.record({
  per1000: fc.oneof(fc.constantFrom(0, 0.5, 1, 50, 1000), fc.double({ min: 0, max: 1000, noNaN: true })),
  answerWithinMs: fc.constant(30_000),
});
const confidence = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 0.5, 0.89, 0.95, 1));
const costs = fc.constantFrom(null, { review: 0.1, wrongAccept: 3.5, currency: "USD" });

/** Decides them one after the other; the loads are the pipeline's own. */
function run(policy: ReturnType<typeof policyOf>, confidences: readonly number[]) {
  const loads = new TaskMemory(clock);
  return confidences.map((given) => {
    const inputs = decideInputs({ policy, finding: evidence(given), ...loads.of(policy) });
    const decided = decide(inputs);
    loads.decided(policy, decided);
    return { inputs, decided };
  });
}

describe("reviewers' capacity", () => {
  test("the share that goes to people stays within per_1000, plus the burst", () => {
    fc.assert(
      fc.property(capacity, costs, fc.array(confidence, { maxLength: 400 }), (given, money, confidences) => {
        const policy = policyOf({ gate: gateOf(0.9), reviewCapacity: given, costs: money });
        const went = run(policy, confidences).filter(({ decided }) => decided.spent).length;
        expect(went).toBeLessThanOrEqual((given.per1000 / 1000) * confidences.length + reviewBurst(given));
      }),
    );
  });

  test("a restart forgets nothing: what was kept decides as if there had been none", () => {
    const some = fc.array(confidence, { maxLength: 60 });
    fc.assert(
      fc.property(capacity, costs, some, some, (given, money, before, after) => {
        const rest = {
          gate: gateOf(0.9),
          reviewCapacity: given,
          costs: money,
          escalationsPerHour: 20,
          auditShare: 0.1,
        };
        const policy = policyOf(rest);
        const step = (memory: TaskMemory, one: number) => {
          const decided = decide(decideInputs({ policy, finding: evidence(one), ...memory.of(policy) }));
          memory.decided(policy, decided);
          return decided;
        };
        const whole = new TaskMemory(clock);
        for (const one of before) step(whole, one);
        const tasks = JSON.parse(JSON.stringify(whole.remains())) as ReturnType<TaskMemory["remains"]>;
        const restarted = new TaskMemory(clock, { tasks, agoMs: 0 });
        for (const one of after) expect(step(restarted, one)).toEqual(step(whole, one));
      }),
    );
  });

  test("the escalation budget fills up while nobody runs, to an hour's worth and never less", () => {
    const policy = policyOf({ escalationsPerHour: 10 });
    const after = (budgetTokens: number, agoMs: number) => {
      const remains = { budgetTokens, auditScale: null, reviewLoad: null };
      return new TaskMemory(clock, { tasks: { [policy.task]: remains }, agoMs }).of(policy).budget;
    };
    expect(after(0, 0)).toBe(0);
    expect(after(0, 1_800_000)).toBeCloseTo(5, 9);
    expect(after(4, 86_400_000)).toBe(10);
    expect(after(4, -1)).toBe(4);
    expect(after(1e9, 0)).toBe(10);
  });

  test("of two cases at one moment, the one with the higher expected loss is never passed over for the other", () => {
    fc.assert(
      fc.property(
        capacity,
        costs,
        fc.array(confidence, { maxLength: 200 }),
        confidence,
        confidence,
        (given, money, before, a, b) => {
          const policy = policyOf({ gate: gateOf(0.9), reviewCapacity: given, costs: money });
          const loads = new TaskMemory(clock);
          for (const one of before) {
            const finding = evidence(one);
            loads.decided(policy, decide(decideInputs({ policy, finding, ...loads.of(policy) })));
          }
          const { reviewPrice } = loads.of(policy);
          const verdict = (one: number) =>
            decide(decideInputs({ policy, finding: evidence(one), reviewPrice })).decision.verdict;
          const [surer, unsurer] = [Math.max(a, b), Math.min(a, b)];
          if (verdict(surer) === "escalate") expect(verdict(unsurer)).toBe("escalate");
        },
      ),
    );
  });

  test("what is turned away takes the declared fallback, says so, and replays", () => {
    const policy = policyOf({ gate: gateOf(0.9), reviewCapacity: { per1000: 50, answerWithinMs: 30_000 } });
    const decisions = run(
      policy,
      Array.from({ length: 2000 }, (_, n) => 0.4 + (0.4 * ((n * 7919) % 1000)) / 1000),
    );
    const turned = decisions.filter(({ decided }) => decided.decision.reasons.includes("capacity_exhausted"));
    expect(turned.length).toBeGreaterThan(1500);
    for (const { inputs, decided } of turned.slice(0, 50)) {
      const { decision, trace } = decided;
      expect(decision).toMatchObject({ verdict: "abstain", answer: policy.safeAction });
      expect(decision.reasons).toEqual(["below_gate", "capacity_exhausted", "safe_action"]);
      const again = { finding: inputs.finding, runtime: "stub", provider: "cpu" };
      expect(replay({ decision, context: {}, trace, policy, again }).kind).toBe("exact");
    }
    // In the long run people get the least sure ones: a twentieth of all is a twentieth of these.
    const went = decisions.slice(1000).filter(({ decided }) => decided.spent);
    const worst = went.map(({ decided }) => decided.decision.confidence);
    expect(went.length).toBeGreaterThanOrEqual(45);
    expect(went.length).toBeLessThanOrEqual(55);
    expect(worst.filter((one) => one < 0.45).length).toBeGreaterThan(0.9 * worst.length);
  });

  test("without a shortage nobody is turned away", () => {
    const policy = policyOf({ gate: gateOf(0.9), reviewCapacity: { per1000: 200, answerWithinMs: 30_000 } });
    const decisions = run(
      policy,
      Array.from({ length: 2000 }, (_, n) => (n % 10 === 0 ? 0.5 : 0.99)),
    );
    expect(decisions.filter(({ decided }) => decided.held).every(({ decided }) => decided.spent)).toBe(true);
  });

  test("people who are slower than stated get less, and more again when they are quick", () => {
    const given = { per1000: 50, answerWithinMs: 30_000 };
    let load = idleLoad(given);
    for (let n = 0; n < 60; n += 1) load = answeredUnder(load, given, n % 10 === 0 ? 60_000 : 5_000);
    expect(answerP95Ms(load)).toBe(60_000);
    expect(load.pace).toBeLessThan(0.1);
    for (let n = 0; n < 200; n += 1) load = answeredUnder(load, given, 5_000);
    expect(load.pace).toBe(1);
    // The hub's people count as well, and a few answers say nothing.
    expect(toldUnder(idleLoad(given), given, 90_000).pace).toBe(0.9);
    expect(answeredUnder(idleLoad(given), given, 90_000).pace).toBe(1);
  });

  test("an audit takes of what people can do, and is never turned away", () => {
    const policy = policyOf({ reviewCapacity: { per1000: 1, answerWithinMs: 30_000 }, auditShare: 1 });
    const decisions = run(
      policy,
      Array.from({ length: 20 }, () => 0.99),
    );
    expect(decisions.every(({ decided }) => decided.audit)).toBe(true);
    expect(decisions.at(-1)?.inputs.reviewPrice).toBe(reviewPriceMax);
    expect(reviewPrice(idleLoad({ per1000: 1, answerWithinMs: 1 }), { per1000: 1, answerWithinMs: 1 }, policy)).toBe(0);
  });
});

import { errorBound } from "../../../models/measure/e-process.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type CertificateEffect,
  type CertificateEvent,
  type CertificateLabel,
  startCertificate,
  transition,
} from "../../../models/measure/certificate-machine.ts";
import {
  type CertificateKind,
  type CertificateRules,
  type CertificateState,
  defaultLaunchLabels,
} from "../../../models/measure/certificate-state.ts";

const day = 24 * 3600 * 1000;
const rules: CertificateRules = {
  ...{ maxError: 0.05, delta: 0.1, launchLabels: 90 },
  ...{ gateThresholds: [0.9, 0.7, 0.5], lapseAfterMs: 14 * day, lapseAccepts: 5000 },
};
const identity = { model: "sha256:one", calibration: "none" };

const label = (atMs: number, change: Partial<CertificateLabel> = {}): CertificateEvent => ({
  type: "label",
  atMs,
  label: {
    ...identity,
    ...{ confidence: 0.95, isWrong: false, propensity: 1, propensityMin: 1, decidedAtMs: atMs, previous: null },
    ...change,
  },
});
const audit = { propensity: 0.02, propensityMin: 0.02 };
const tick = (atMs: number, accepted = 0): CertificateEvent => ({ type: "tick", atMs, accepted });

/** The state after events, and the effects of the last of them. */
function run(state: CertificateState, events: readonly CertificateEvent[]) {
  let effects: readonly CertificateEffect[] = [];
  for (const event of events) ({ state, effects } = transition(state, event));
  return { state, effects };
}

const start = startCertificate(rules, identity, 0);
const launched = run(
  start,
  Array.from({ length: 90 }, (_, i) => label(i + 1)),
);
const states: Readonly<Record<CertificateKind, CertificateState>> = {
  collecting: start,
  certified: launched.state,
  lapsed: run(launched.state, [tick(20 * day)]).state,
  alarmed: run(
    launched.state,
    Array.from({ length: 9 }, (_, i) => label(1000 + i, { ...audit, isWrong: true })),
  ).state,
};

describe("the life of a certificate, state by event", () => {
  const at = 21 * day;
  const events = {
    "a right label": label(at),
    "a wrong label": label(at, { isWrong: true }),
    "a right audit": label(at, audit),
    "a label below the gate": label(at, { confidence: 0.1 }),
    "a duplicate": label(at, { previous: "right" }),
    "a second opinion for the better": label(at, { previous: "wrong" }),
    "a contradiction": label(at, { previous: "right", isWrong: true }),
    "a label of another model": label(at, { model: "sha256:two" }),
    "a label of another calibration": label(at, { calibration: "sha256:c" }),
    "a label that is none": label(at, { confidence: Number.NaN }),
    "the same model": { type: "model", atMs: at, identity },
    "another model": { type: "model", atMs: at, identity: { ...identity, model: "sha256:two" } },
    "another calibration": { type: "model", atMs: at, identity: { ...identity, calibration: "sha256:c" } },
    "the same contract": { type: "contract", atMs: at, rules: { ...rules } },
    "a tighter contract": { type: "contract", atMs: at, rules: { ...rules, maxError: 0.01 } },
    "a looser contract": { type: "contract", atMs: at, rules: { ...rules, maxError: 0.2 } },
    "another lapse": { type: "contract", atMs: at, rules: { ...rules, lapseAccepts: 9 } },
    "other decisions": { type: "population", atMs: at },
    "a raise": { type: "raise", atMs: at, gateThreshold: 0.99 },
    "a raise to people": { type: "raise", atMs: at, gateThreshold: "people" },
    "a raise below what is proved": { type: "raise", atMs: at, gateThreshold: 0.2 },
    "a raise taken back": { type: "raise", atMs: at, gateThreshold: null },
    "a tick": tick(at),
    "many accepted": tick(at, 6000),
  } as const satisfies Readonly<Record<string, CertificateEvent>>;

  /** The state after it, and what the world is told. A certified one is 21 days old here, so any tick makes it lapse. */
  const table: Readonly<Record<keyof typeof events, Readonly<Record<CertificateKind, string>>>> = {
    "a right label": same(""),
    "a wrong label": same(""),
    "a right audit": same(""),
    "a label below the gate": same(""),
    "a duplicate": same("refused duplicate"),
    "a second opinion for the better": same("refused duplicate"),
    "a contradiction": same(""),
    "a label of another model": same("refused other_model"),
    "a label of another calibration": same("refused other_model"),
    "a label that is none": same("refused invalid"),
    "the same model": same(""),
    "another model": all("collecting: epoch model, publish null collecting"),
    "another calibration": all("collecting: epoch model, publish null collecting"),
    "the same contract": same(""),
    "a tighter contract": all("collecting: epoch contract, publish null collecting"),
    "a looser contract": all("collecting: epoch contract, publish null collecting"),
    "another lapse": { ...same(""), certified: "lapsed: lapse age, publish null lapsed" },
    "other decisions": {
      ...all("collecting: epoch population, publish null collecting"),
      alarmed: "alarmed: epoch population, publish null alarm",
    },
    "a raise": { ...same(""), certified: "certified: publish 0.99 raised" },
    "a raise to people": { ...same(""), certified: "certified: publish null raised" },
    "a raise below what is proved": same(""),
    "a raise taken back": same(""),
    "a tick": { ...same(""), certified: "lapsed: lapse age, publish null lapsed" },
    "many accepted": { ...same(""), certified: "lapsed: lapse age, publish null lapsed" },
  };

  function same(told: string): Record<CertificateKind, string> {
    const kinds: readonly CertificateKind[] = ["collecting", "certified", "lapsed", "alarmed"];
    return Object.fromEntries(kinds.map((kind) => [kind, `${kind}: ${told}`])) as Record<CertificateKind, string>;
  }
  function all(cell: string): Record<CertificateKind, string> {
    return { collecting: cell, certified: cell, lapsed: cell, alarmed: cell };
  }

  const cells = Object.entries(events).flatMap(([name, event]) =>
    Object.entries(states).map(([kind, state]) => [name, kind, state, event] as const),
  );
  test.each(cells)("%s, while %s", (name, kind, state, event) => {
    const step = transition(state, event);
    const told = step.effects.map((effect) => words(effect)).join(", ");
    const wanted = table[name as keyof typeof events][kind as CertificateKind];
    expect(`${step.state.kind}: ${told}`).toBe(wanted);
  });

  test("begins as the table says", () => {
    expect(Object.entries(states).every(([kind, state]) => state.kind === kind)).toBe(true);
  });
});

function words(effect: CertificateEffect): string {
  switch (effect.type) {
    case "publish":
      return `${effect.isRenewal ? "renew" : "publish"} ${effect.gate.gateThreshold} ${effect.gate.basis}`;
    case "alarm":
      return "alarm";
    default:
      return `${effect.type} ${effect.reason}`;
  }
}

describe("a certificate", () => {
  test("is launched at the count that was fixed, from the labels alone", () => {
    const before = run(
      start,
      Array.from({ length: 89 }, (_, i) => label(i + 1)),
    );
    expect([before.state.kind, before.effects]).toEqual(["collecting", []]);
    expect(launched.effects).toMatchObject([{ type: "publish", gate: { gateThreshold: 0.95, basis: "launch" } }]);
    expect(launched.state.proved).toMatchObject({ labels: 90, accepted: 90, errors: 0, level: 0.05, coverage: 1 });
    expect(launched.state.launch).toEqual({ isDone: true, confidence: [], correct: [] });
  });

  test("goes lower on evidence: audits of what it accepts and labels of what it holds", () => {
    const held = Array.from({ length: 200 }, (_, i) => label(1000 + i, { confidence: 0.6, propensityMin: 0.02 }));
    const audited = Array.from({ length: 150 }, (_, i) => label(2000 + i, { ...audit, confidence: 0.99 }));
    const lower = run(launched.state, [...held, ...audited]);
    expect(lower.state.published).toMatchObject({
      gateThreshold: 0.5,
      basis: "evidence",
      proved: { method: "e_process" },
    });
    expect(lower.state.proved?.accepted).toBeGreaterThan(90 + 200);
    expect(lower.state.proved?.coverage).toBeCloseTo(1, 10);
    // Of labels that were drawn only this much is proved.
    expect(lower.state.proved?.upperBound).toBe(rules.maxError);
  });

  test("is launched once an epoch: labels after a failed launch prove something by evidence only", () => {
    const wrong = run(
      start,
      Array.from({ length: 90 }, (_, i) => label(i + 1, { isWrong: i % 4 === 0 })),
    );
    expect(wrong.state).toMatchObject({ kind: "collecting", launch: { isDone: true } });
    const later = run(
      wrong.state,
      Array.from({ length: 2000 }, (_, i) => label(1000 + i)),
    );
    const { method, errors = 0, accepted = 0, level = 1, upperBound } = later.state.proved ?? {};
    expect(method).toBe("e_process");
    expect(upperBound).toBe(errorBound(errors, accepted, level, rules.maxError));
    expect(upperBound).toBeLessThanOrEqual(rules.maxError);
  });

  test("alarms when what it accepted turns out wrong, and counts nothing from before", () => {
    const { alarmed } = states;
    expect(alarmed).toMatchObject({ epoch: 2, proved: null, published: { gateThreshold: null, basis: "alarm" } });
    const late = transition(alarmed, label(2000, { decidedAtMs: alarmed.countedFromMs - 1 }));
    expect(late.effects).toEqual([{ type: "refused", reason: "before_epoch" }]);
    const again = run(
      alarmed,
      Array.from({ length: 90 }, (_, i) => label(3000 + i)),
    );
    expect(again.state).toMatchObject({ kind: "certified", epoch: 2, published: { gateThreshold: 0.95 } });
  });

  test("lapses without labels, by age or by use, and lives again after thirty fresh ones", () => {
    expect(run(launched.state, [tick(14 * day)]).state.kind).toBe("certified");
    expect(run(launched.state, [tick(day, 5001)]).effects[0]).toEqual({ type: "lapse", reason: "accepted" });
    const at = 20 * day;
    const nearly = run(
      states.lapsed,
      Array.from({ length: 29 }, (_, i) => label(at + i)),
    );
    expect(nearly.state.kind).toBe("lapsed");
    // Labels of decisions from before the lapse are no news.
    expect(run(nearly.state, [label(at + 40, { decidedAtMs: 1000 })]).state.kind).toBe("lapsed");
    const alive = run(nearly.state, [label(at + 50)]);
    expect(alive.effects).toMatchObject([{ type: "publish", gate: { basis: "evidence" }, isRenewal: false }]);
  });

  test("is renewed while fresh labels come, before an agent would take it for lapsed", () => {
    const idle = run(launched.state, [tick(4 * day)]);
    expect(idle.effects).toEqual([]);
    const fresh = run(launched.state, [label(day, audit), tick(4 * day)]);
    expect(fresh.effects).toMatchObject([{ type: "publish", renewal: 2, isRenewal: true }]);
    const used = run(launched.state, [tick(3000, 700), label(4000, audit), tick(5000, 700)]);
    expect(used.effects).toMatchObject([{ type: "publish", renewal: 2, isRenewal: true }]);
    expect(run(used.state, [tick(5001)]).effects).toEqual([]);
  });

  test("does not live longer by a clock that runs ahead", () => {
    const ahead = run(launched.state, [label(day, { ...audit, decidedAtMs: 300 * day }), tick(16 * day)]);
    expect(ahead.state.kind).toBe("lapsed");
  });

  test("keeps a raise over epochs until it is taken back, and takes nonsense for people", () => {
    const raised = run(launched.state, [{ type: "raise", atMs: 200, gateThreshold: 0.97 }]);
    const other = { ...identity, model: "sha256:two" };
    const swapped = run(raised.state, [{ type: "model", atMs: 300, identity: other }]);
    const again = run(
      swapped.state,
      Array.from({ length: 90 }, (_, i) => label(400 + i, other)),
    );
    expect(again.state.published).toMatchObject({ gateThreshold: 0.97, basis: "raised" });
    const back = run(again.state, [{ type: "raise", atMs: 900, gateThreshold: null }]);
    expect(back.state.published.gateThreshold).toBe(0.95);
    const nonsense = run(again.state, [{ type: "raise", atMs: 900, gateThreshold: Number.NaN }]);
    expect(nonsense.state.published.gateThreshold).toBeNull();
  });

  test("takes a contradiction for a wrong answer, also among the labels of the launch", () => {
    const almost = run(
      start,
      Array.from({ length: 89 }, (_, i) => label(i + 1)),
    );
    const contradicted = run(almost.state, [label(200, { previous: "right", isWrong: true })]);
    expect(contradicted.state.launch.correct.filter((right) => right === 0)).toHaveLength(1);
    expect(contradicted.state.grid.points[0]).toMatchObject({ labels: 89, errors: 1 });
  });

  test("refuses rules that no certificate could keep, and a time that is none", () => {
    for (const change of [
      { maxError: 0 },
      { maxError: 1 },
      { delta: 0 },
      { delta: 1 },
      { launchLabels: 0 },
      { launchLabels: 1e9 },
      { lapseAfterMs: 0 },
      { gateThresholds: [] },
      { gateThresholds: [2] },
    ]) {
      expect(() => startCertificate({ ...rules, ...change }, identity, 0)).toThrow(RangeError);
    }
    expect(() => transition(start, tick(Number.NaN))).toThrow(RangeError);
    expect(defaultLaunchLabels({ maxError: 0.01, delta: 0.05 })).toBe(1104);
  });
});

describe("whatever happens", () => {
  const some = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("label" as const),
        times: fc.integer({ min: 1, max: 80 }),
        confidence: fc.constantFrom(0.2, 0.6, 0.8, 0.95, Number.NaN, 1.5),
        isWrong: fc.constantFrom(false, false, false, true),
        propensity: fc.constantFrom(1, 0.1),
        propensityMin: fc.constantFrom(1, 0.05),
        previous: fc.constantFrom(null, null, null, "right" as const, "wrong" as const),
        model: fc.constantFrom("sha256:one", "sha256:one", "sha256:two"),
        age: fc.constantFrom(0, 0, 5 * day),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("raise" as const),
        to: fc.constantFrom(0.6, 0.99, null, "people" as const),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("model" as const), model: fc.constantFrom("sha256:one", "sha256:two") }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("contract" as const), maxError: fc.constantFrom(0.05, 0.1) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("tick" as const),
        days: fc.constantFrom(1, 20),
        accepted: fc.constantFrom(0, 100, 9000),
      }),
    },
  );
  const histories = fc.array(some, { minLength: 1, maxLength: 25 }).map((steps): CertificateEvent[] => {
    let atMs = 0;
    return steps.flatMap((step): CertificateEvent[] => {
      switch (step.kind) {
        case "label": {
          const { confidence, isWrong, propensity, propensityMin, previous, model } = step;
          const rest = { confidence, isWrong, propensity, propensityMin, previous, model };
          return Array.from({ length: step.times }, () =>
            label((atMs += 1000), { ...rest, decidedAtMs: atMs - step.age }),
          );
        }
        case "raise":
          return [{ type: "raise", atMs: (atMs += 1000), gateThreshold: step.to }];
        case "model":
          return [{ type: "model", atMs: (atMs += 1000), identity: { ...identity, model: step.model } }];
        case "contract":
          return [{ type: "contract", atMs: (atMs += 1000), rules: { ...rules, maxError: step.maxError } }];
        case "tick":
          return [tick((atMs += step.days * day), step.accepted)];
      }
    });
  });
  const height = (state: CertificateState): number => state.published.gateThreshold ?? 2;

  test("a gate threshold falls only with a right label of this model, or a raise that is taken back", () => {
    fc.assert(
      fc.property(histories, (events) => {
        let state = start;
        for (const event of events) {
          const next = transition(state, event).state;
          if (height(next) < height(state)) {
            const isEvidence =
              event.type === "label" && event.label.previous === null && event.label.model === state.identity.model;
            expect(isEvidence || event.type === "raise").toBe(true);
          }
          if (event.type === "label" && event.label.isWrong) expect(height(next)).toBeGreaterThanOrEqual(height(state));
          // Nothing is ever accepted below what this epoch has proved.
          expect(height(next)).toBeGreaterThanOrEqual(next.proved?.gateThreshold ?? 2);
          if (next.kind === "lapsed" || next.kind === "alarmed") expect(next.published.gateThreshold).toBeNull();
          state = next;
        }
      }),
      { numRuns: 60 },
    );
  });

  test("what is refused changes nothing, the told gate is the state's, and states survive JSON", () => {
    fc.assert(
      fc.property(histories, (events) => {
        let state = start;
        for (const event of events) {
          const step = transition(state, event);
          if (step.effects.some((effect) => effect.type === "refused")) expect(step.state).toBe(state);
          const told = step.effects.findLast((effect) => effect.type === "publish");
          if (told === undefined) expect(step.state.published).toEqual(state.published);
          else expect(told.gate).toEqual(step.state.published);
          state = step.state;
        }
        expect(JSON.parse(JSON.stringify(state))).toEqual(state);
      }),
      { numRuns: 40 },
    );
  });

  test("the same events give the same state, also from a state that was stored in between", () => {
    fc.assert(
      fc.property(histories, fc.nat(), (events, cut) => {
        const at = cut % events.length;
        const stored = JSON.parse(JSON.stringify(run(start, events.slice(0, at)).state)) as CertificateState;
        expect(run(stored, events.slice(at)).state).toEqual(run(start, events).state);
      }),
      { numRuns: 30 },
    );
  });
});

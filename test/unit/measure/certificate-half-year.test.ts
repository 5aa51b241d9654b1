import { describe, expect, test } from "vitest";
import { auditPropensity, auditPropensityMin, errorSpread } from "../../../models/measure/inverse-propensity.ts";
import { startCertificate, transition } from "../../../models/measure/certificate-machine.ts";
import { type CertificateState } from "../../../models/measure/certificate-state.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

const day = 24 * 3600 * 1000;
const auditShare = 0.1;
const identity = { model: "sha256:m", calibration: "none" };

/** What decides and errs: confidences of a day, and how often an answer of such a confidence is wrong. */
interface World {
  readonly maxError: number;
  readonly delta: number;
  readonly perDay: number;
  readonly confidence: (u: number) => number;
  readonly risk: (confidence: number, atDay: number) => number;
}

/** A task's life: decisions by the gate of the day, audits by the coin, labels handed in once a week. */
function live(world: World, days: number, random: () => number) {
  const { maxError, delta, perDay } = world;
  let state: CertificateState = startCertificate(
    {
      ...{ maxError, delta, launchLabels: 300, gateThresholds: [0.99, 0.95, 0.9, 0.8, 0.6] },
      ...{ lapseAfterMs: 14 * day, lapseAccepts: 1e6 },
    },
    identity,
    0,
  );
  let [spread, accepted, audits, lowest] = [0, 0, 0, 2];
  const alarms: { atDay: number; audits: number }[] = [];
  let waiting: Parameters<typeof transition>[1][] = [];
  for (let today = 0; today < days; today += 1) {
    const gateThreshold = state.published.gateThreshold ?? 2;
    lowest = Math.min(lowest, gateThreshold);
    for (let i = 0; i < perDay; i += 1) {
      const atMs = today * day + i;
      const confidence = world.confidence(random());
      const isWrong = random() < world.risk(confidence, today);
      const isAccepted = confidence >= gateThreshold;
      let propensity = 1;
      if (isAccepted) {
        accepted += 1;
        spread += errorSpread(confidence);
        propensity = auditPropensity(confidence, spread / accepted, auditShare);
        if (random() >= propensity) continue;
      }
      const propensityMin = gateThreshold > 1 ? 1 : auditPropensityMin(auditShare);
      const label = { ...identity, confidence, isWrong, propensity, propensityMin, decidedAtMs: atMs, previous: null };
      waiting.push({ type: "label", atMs, label });
    }
    if (today % 7 !== 6) continue;
    for (const event of waiting) {
      if (event.type === "label" && event.label.propensity < 1) audits += 1;
      const step = transition(state, event);
      if (step.effects.some((effect) => effect.type === "alarm")) alarms.push({ atDay: today, audits });
      state = step.state;
    }
    waiting = [];
  }
  return { state, lowest, alarms, audits, coverage: accepted / (days * perDay) };
}

describe("half a year with weekly looks", () => {
  test("ever violates in at most delta of the lives, where every gate threshold would be a violation", () => {
    const random = seededDraw(101);
    const flat: World = {
      ...{ maxError: 0.1, delta: 0.2, perDay: 12 },
      confidence: (u) => 0.5 + u / 2,
      risk: () => 0.1001,
    };
    const lives = 80;
    let violations = 0;
    for (let i = 0; i < lives; i += 1) violations += live(flat, 182, random).lowest < 2 ? 1 : 0;
    expect(violations / lives).toBeLessThan(0.2 + 3 * Math.sqrt(0.16 / lives));
  });

  test("opens where the risk is low, and hardly ever alarms while nothing has changed", () => {
    const random = seededDraw(102);
    const steep: World = {
      ...{ maxError: 0.1, delta: 0.1, perDay: 20 },
      confidence: (u) => 0.5 + u / 2,
      risk: (confidence) => 0.3 * (1 - confidence),
    };
    const lives = Array.from({ length: 20 }, () => live(steep, 182, random));
    // Some launches prove little on 300 labels, and the evidence has to do the rest; all of them open.
    expect(Math.min(...lives.map(({ coverage }) => coverage))).toBeGreaterThan(0.2);
    expect(lives.reduce((sum, { coverage }) => sum + coverage / 20, 0)).toBeGreaterThan(0.55);
    expect(lives.flatMap(({ alarms }) => alarms).length).toBeLessThanOrEqual(1);
  });

  test("sends everything to people when the world turns, after as many audits as were promised", () => {
    const random = seededDraw(103);
    const turning: World = {
      ...{ maxError: 0.05, delta: 0.1, perDay: 40 },
      confidence: (u) => 0.9 + u / 10,
      risk: (_, atDay) => (atDay < 91 ? 0.005 : 0.25),
    };
    const lives = Array.from({ length: 12 }, () => live(turning, 182, random));
    for (const { state, alarms } of lives) {
      expect(alarms.length).toBeGreaterThan(0);
      expect(alarms[0]?.atDay).toBeGreaterThanOrEqual(91);
      // Within five weeks: about four audits a day, five times the tolerated error.
      expect(alarms[0]?.atDay).toBeLessThan(91 + 35);
      expect(state).toMatchObject({ epoch: 2, kind: "alarmed", published: { gateThreshold: null } });
    }
  });
});

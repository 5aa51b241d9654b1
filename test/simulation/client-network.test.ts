import { describe, expect, it } from "vitest";
import { defaultPolicy } from "../../sdk/client/client-policy.ts";
import { seededRandom } from "../support/requests.ts";
import { simulate, type Faults, type SimulationReport } from "../support/client-simulation.ts";

/** Seeds that once failed stay here by name. */
const keptSeeds: readonly number[] = [];
const seeds = [...keptSeeds, ...Array.from({ length: 120 }, (_, n) => n + 1)];

/** Every seed has weather of its own. */
function weather(seed: number): Faults {
  const random = seededRandom(seed * 7919);
  const upTo = (most: number): number => random.uniform() * most;
  return {
    loss: upTo(0.4),
    duplication: upTo(0.5),
    delayMaxMs: upTo(3_000),
    busy: upTo(0.4),
    forgets: upTo(0.3),
    cutEveryMs: 500 + upTo(20_000),
    crashEveryMs: 2_000 + upTo(30_000),
  };
}

describe("a client in a bad network", () => {
  it("has every request answered finally, shows each revision once a life, and forgets nothing that it acknowledged", async () => {
    let asked = 0;
    for (const seed of seeds) {
      const report = await simulate(seed, weather(seed));
      asked += report.asked;
      const { forgotten, doubled, rejected, wrong, left, inOutbox } = report;
      expect({ seed, forgotten, doubled, rejected, wrong, left, inOutbox }).toEqual({
        seed,
        forgotten: [],
        doubled: [],
        rejected: [],
        wrong: [],
        left: 0,
        inOutbox: 0,
      });
      // Persistent, but no storm.
      expect(report.sendsMax, `seed ${seed}`).toBeLessThan(60);
    }
    expect(asked).toBeGreaterThan(seeds.length * 30);
  });

  it("gives the same run for the same seed", async () => {
    const [one, two]: SimulationReport[] = [await simulate(5, weather(5)), await simulate(5, weather(5))];
    expect(one).toEqual(two);
  });

  it("would lose without asking again after an acknowledgement: the control that shows that the test can fail", async () => {
    const never = { baseMs: 1e9, capMs: 1e9 };
    const request = { ...defaultPolicy.request, askFirst: never, askFinal: never };
    const faults = { ...weather(1), forgets: 0.3, crashEveryMs: Infinity };
    expect((await simulate(1, faults, { request })).forgotten.length).toBeGreaterThan(0);
  });
});

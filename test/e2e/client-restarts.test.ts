import { describe, expect, it } from "vitest";
import { clientRestarts } from "../chaos/client-restarts.ts";
import { seededRandom } from "../support/requests.ts";

// The long form is `npm run chaos -- restart-client`; docs/chaos.md has its result.
describe("a client whose agent is killed again and again", () => {
  it.each(["mqtt", "http"] as const)(
    "over %s answers each decide() exactly once, as the journal has it",
    async (way) => {
      const seed = Number(process.env["CHAOS_SEED"] ?? 3);
      const source = seededRandom(seed);
      const random = (): number => source.uniform();
      const report = await clientRestarts({ way, rounds: 3, seed, random, lifeMs: [200, 900], say: () => undefined });
      expect(report).toMatchObject({ lost: 0, doubled: 0, violations: [] });
      expect(report.acknowledged).toBeGreaterThan(50);
    },
  );
});

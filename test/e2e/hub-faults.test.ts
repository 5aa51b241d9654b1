import { describe, expect, it } from "vitest";
import { databaseAway } from "../chaos/database-away.ts";
import { hubBacklog } from "../chaos/hub-backlog.ts";
import { hubFaults } from "../chaos/hub-faults.ts";
import { twoHubs } from "../chaos/two-hubs.ts";
import { seededRandom } from "../support/requests.ts";

/** The short form of `npm run chaos -- hub-faults`; docs/chaos.md has the results of the long one. */
describe("every case reaches the hub and every answer the device, once", () => {
  it.concurrent.each(["sqlite", "postgres"] as const)(
    "when agent and hub die on %s and the network loses, doubles and cuts",
    async (store) => {
      const source = seededRandom(Number(process.env["CHAOS_SEED"] ?? 1));
      const report = await hubFaults({
        ...{ rounds: 1, seed: 1, random: () => source.uniform(), say: () => undefined, store },
      });
      expect(report).toMatchObject({ lost: 0, doubled: 0, chain: { intact: true }, violations: [] });
    },
    300_000,
  );
});

describe("a database that goes away for a minute", () => {
  it.concurrent(
    "stops no device, and everything is reviewed and answered afterwards",
    async () => {
      const source = seededRandom(Number(process.env["CHAOS_SEED"] ?? 1));
      const options = { rounds: 1, seed: 1, random: () => source.uniform(), say: () => undefined };
      const report = await databaseAway({ ...options, awayMs: 60_000 });
      expect(report).toMatchObject({ lost: 0, doubled: 0, chain: { intact: true }, violations: [] });
    },
    300_000,
  );
});

describe("what happened in hours without a hub", () => {
  it("is all at the hub when it is there again, in order, and what still waits is answered", async () => {
    const source = seededRandom(Number(process.env["CHAOS_SEED"] ?? 1));
    const short = { rounds: 3, seed: 1, agents: 2, perHour: 60, kills: 1, store: "sqlite" } as const;
    const report = await hubBacklog({ ...short, random: () => source.uniform(), say: () => undefined });
    expect(report).toMatchObject({ lost: 0, doubled: 0, chain: { intact: true }, violations: [] });
    expect(report.detail).toMatchObject({ cases: 360, answered: 30 });
  }, 300_000);
});

describe("two hub processes on one PostgreSQL", () => {
  it("give no case to two of eight reviewers, while one of the processes dies", async () => {
    const source = seededRandom(Number(process.env["CHAOS_SEED"] ?? 1));
    const report = await twoHubs({ rounds: 2, seed: 1, random: () => source.uniform(), say: () => undefined });
    expect(report).toMatchObject({ lost: 0, doubled: 0, violations: [], detail: { reviewersWhoWorked: 8 } });
  }, 300_000);
});

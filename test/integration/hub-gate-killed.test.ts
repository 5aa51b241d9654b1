import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HubDatabase } from "../../cloud-sync/hub/database/database.ts";
import { openHubDatabase } from "../../cloud-sync/hub/database/open-database.node.ts";
import { refreshContracts } from "../../cloud-sync/hub/gate/gate-contracts.ts";
import { keepTask } from "../../cloud-sync/hub/gate/gate-keeper.ts";
import { type CertificateState } from "../../models/measure/certificate-state.ts";
import { silentLogger } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { callHub, enrolAgent, signingAgent, type TestAgent } from "../support/hub-agent.ts";
import { gateTask, judgingAgent, steepModel, until } from "../support/hub-gate.ts";
import { startHubProcess, type HubProcess } from "../support/hub-process.ts";
import { openReviewPlace, seedStore } from "../support/hub-review.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { seededDraw } from "../../models/measure/seeded-draw.ts";

/**
 * The theorem: two processes of the hub count the labels of one PostgreSQL while one of them is killed again and again;
 * each label is counted once, and what is certified is what one keeper certifies that nobody disturbs.
 */
const labels = 480;
const labelsAtOnce = 12;
const kills = 4;
const contract = `thresholds: { ${gateTask}: { max_error: 0.05, delta: 0.1 } }\n`;

describe("keepers that are killed while labels flow", () => {
  let server: TestPostgres;
  let dataDir = "";
  let place = "";
  let database: HubDatabase;
  const hubs: HubProcess[] = [];

  beforeAll(async () => {
    server = await startPostgres();
    dataDir = await mkdtemp(join(tmpdir(), "holdpoint-hub-"));
    place = await server.createDatabase();
    hubs.push(await startHubProcess({ dataDir, database: place }));
    hubs.push(await startHubProcess({ dataDir, database: place }));
    const opened = await openHubDatabase({
      ...{ url: place, clock: systemClock, random: systemRandom, logger: silentLogger },
    });
    database = opened.database;
  });
  afterAll(async () => {
    for (const hub of hubs) await hub.stop();
    await database.close();
    await server.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** An agent that turns to the other process where one does not answer, as a load balancer would. */
  const anywhere = (agent: TestAgent): TestAgent => ({
    ...agent,
    call: async (...asked) => {
      for (let attempt = 0; ; attempt += 1) {
        const { url } = hubs[attempt % 2] as HubProcess;
        try {
          return await signingAgent(url, agent.agentId, agent.key).call(...asked);
        } catch (cause) {
          if (attempt > 200) throw cause;
          await sleep(50);
        }
      }
    },
  });

  test("count each label once, and certify what an undisturbed one does", async () => {
    const [{ url, adminToken }] = hubs as [HubProcess, HubProcess];
    const admin = adminToken ?? "";
    const agent = await enrolAgent(url, admin, "store_1");
    await callHub(url, admin, "PUT", "/v1/config/layers/fleet/-", { text: contract, revision: 0, why: "test" });
    const gates = async () =>
      (await callHub(hubs[1]?.url ?? "", admin, "GET", `/v1/gates?task=${gateTask}`)).json["items"] as unknown[];
    await until(async () => ((await gates()).length > 0 ? true : null), "the contract is known");

    const random = seededDraw(20_261_129);
    const judge = judgingAgent(anywhere(agent));
    const all = steepModel(labels);
    const killed = [...Array(kills).keys()].map((n) => Math.floor(((n + random()) * labels) / kills));
    let killing = Promise.resolve();
    for (let from = 0; from < labels; from += labelsAtOnce) {
      await judge(all.slice(from, from + labelsAtOnce));
      if (!killed.some((at) => at >= from && at < from + labelsAtOnce)) continue;
      await killing;
      await sleep(random() * 30);
      const which = random() < 0.5 ? 0 : 1;
      const { port } = hubs[which] as HubProcess;
      await hubs[which]?.kill();
      killing = startHubProcess({ dataDir, database: place, port }).then((hub) => {
        hubs[which] = hub;
      });
    }
    await killing;
    const log = () =>
      database.read((db) => db.selectFrom("gate_log").select(["n", "case_id", "is_wrong"]).orderBy("n").execute());
    await until(async () => ((await log()).length >= labels ? true : null), "every label is counted", 30_000);

    const counted = await log();
    expect(counted.map(({ n }) => n)).toEqual(Array.from({ length: labels }, (_, at) => at + 1));
    expect(new Set(counted.map((row) => row.case_id)).size).toBe(labels);
    const alone = await undisturbed();
    expect(counted).toEqual(alone.log);
    expect(await certified(database)).toEqual(alone.certified);
    expect(alone.certified).toMatchObject([
      { row: { level: "fleet", kind: "certified" } },
      { row: { level: "store" } },
    ]);
  });

  /** The same labels, counted by one keeper over a database of its own. */
  async function undisturbed() {
    const rows = await database.read((db) => db.selectFrom("gate_labels").selectAll().execute());
    const other = await openReviewPlace();
    await seedStore(other.database, "store_1");
    await other.database.write(async ({ db }) => {
      const layer = { layer: "fleet" as const, scope: "-", revision: 1, changed_ms: 1, changed_by: "test" };
      await db
        .insertInto("config_layers")
        .values({ ...layer, text: contract })
        .execute();
      await db.insertInto("config_head").values({ one: 1, change_n: 1 }).execute();
      for (const row of rows) {
        const fresh = { ...row, state: "ready" as const, counted_ms: null, counted_n: null };
        await db.insertInto("gate_labels").values(fresh).execute();
      }
    });
    await refreshContracts(other.parts);
    while ((await keepTask(other.parts, gateTask)) > 0);
    const log = await other.database.read((db) =>
      db.selectFrom("gate_log").select(["n", "case_id", "is_wrong"]).orderBy("n").execute(),
    );
    const found = { log, certified: await certified(other.database) };
    await other.close();
    return found;
  }
});

/** What is certified and of what evidence; without names and times, which are of each hub. */
async function certified(database: HubDatabase) {
  const rows = await database.read((db) => db.selectFrom("gate_states").selectAll().orderBy("level").execute());
  return rows.map(({ level, scope, kind, epoch, labels: count, gate_threshold, miss_share, state }) => {
    const { grid, launch, drift, proved, published } = JSON.parse(state) as CertificateState;
    return {
      row: { level, scope, kind, epoch, count, gate_threshold, miss_share },
      ...{ grid, launch, drift, proved, published },
    };
  });
}

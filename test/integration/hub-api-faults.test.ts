import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Repeat } from "../../cloud-sync/hub/api/gateway.ts";
import { createRepeats } from "../../cloud-sync/hub/api/repeats.ts";
import { openHubDatabase } from "../../cloud-sync/hub/database/open-database.node.ts";
import { type HubDatabase } from "../../cloud-sync/hub/database/database.ts";
import { jsonReply, silentLogger } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { callHub } from "../support/hub-agent.ts";
import { beginHub, type StartedHub } from "../support/hub-start.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let server: TestPostgres;
const dir = mkdtempSync(join(tmpdir(), "holdpoint-hub-faults-"));
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

describe.for(["sqlite", "postgres"] as const)("calls repeated under one Idempotency-Key, on %s", (kind) => {
  let database: HubDatabase;
  let nowMs = 1_795_000_000_000;
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs };
  beforeAll(async () => {
    const url = kind === "sqlite" ? join(dir, "repeats") : await server.createDatabase();
    const shared = { clock: systemClock, random: systemRandom, logger: silentLogger };
    ({ database } = await openHubDatabase({ ...shared, url }));
  });
  afterAll(() => database.close());
  const repeats = () => createRepeats({ database, clock, hasher: nodeHasher });
  const repeat = (key: string, more: Partial<Repeat> = {}): Repeat => ({
    ...{ caller: "c", operation: "o", key, content: [new TextEncoder().encode("body")], secret: false },
    ...more,
  });
  let runs = 0;
  const work = () => Promise.resolve(jsonReply({ run: (runs += 1) }, 201));

  test("a repeat gets the first answer and runs nothing", async () => {
    const first = await repeats().run(repeat("a"), work);
    const before = runs;
    const again = await repeats().run(repeat("a"), work);
    expect(runs).toBe(before);
    expect(again).toEqual({ ...first, headers: { ...first.headers, "idempotent-replayed": "true" } });
    await repeats().run(repeat("a", { caller: "another" }), work);
    await repeats().run(repeat("a", { operation: "another" }), work);
    expect(runs).toBe(before + 2);
  });

  test("the same key with another call is refused", async () => {
    await repeats().run(repeat("b"), work);
    const other = repeat("b", { content: [new TextEncoder().encode("other")] });
    await expect(repeats().run(other, work)).rejects.toMatchObject({ code: "HP_CONFLICT" });
  });

  test("ten at once run once: the others get its answer or are told that it runs", async () => {
    const before = runs;
    const slow = async () => (await wait(50), work());
    const settled = await Promise.allSettled(Array.from({ length: 10 }, () => repeats().run(repeat("c"), slow)));
    expect(runs).toBe(before + 1);
    for (const one of settled) if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "HP_BUSY" });
  });

  test("what failed may be tried again under its key", async () => {
    await expect(repeats().run(repeat("d"), () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await repeats().run(repeat("d"), work)).toMatchObject({ status: 201 });
  });

  test("a first call that died with its process gives way after a minute, to one of those that come back", async () => {
    await new Promise<void>((started) => {
      const neverEnds = (): Promise<never> => (started(), new Promise<never>(() => undefined));
      void repeats().run(repeat("e"), neverEnds);
    });
    await expect(repeats().run(repeat("e"), work)).rejects.toMatchObject({ code: "HP_BUSY", retryAfterMs: 500 });
    nowMs += 61_000;
    const before = runs;
    await Promise.allSettled(Array.from({ length: 5 }, () => repeats().run(repeat("e"), work)));
    expect(runs).toBe(before + 1);
  });

  test("after a day a key is a new one", async () => {
    await repeats().run(repeat("f"), work);
    nowMs += 24 * 3_600_000 + 1;
    const before = runs;
    await repeats().run(repeat("f"), work);
    expect(runs).toBe(before + 1);
  });

  test("a secret is not kept, and a repeat is told so", async () => {
    await repeats().run(repeat("g", { secret: true }), () => Promise.resolve(jsonReply({ token: "hpt_secret" })));
    const rows = await database.read((db) => db.selectFrom("repeats").selectAll().execute());
    expect(JSON.stringify(rows)).not.toContain("hpt_secret");
    await expect(repeats().run(repeat("g", { secret: true }), work)).rejects.toMatchObject({ code: "HP_CONFLICT" });
  });
});

describe("a PostgreSQL that goes away", () => {
  test("calls are told to come back, probes say why, and the hub takes up again by itself", async () => {
    const { hub, token } = await beginHub({ dataDir: join(dir, "away"), database: await server.createDatabase() });
    const ask = () => callHub(hub.url, token, "GET", "/v1/people");
    try {
      expect(await ask()).toMatchObject({ status: 200 });
      await server.stop();
      const gone = await ask();
      expect(gone).toMatchObject({ status: 503, json: { code: "HP_DATABASE", retry: "backoff", retryAfterMs: 1000 } });
      expect(JSON.stringify(gone.json)).not.toMatch(/postgres:\/\/|holdpoint:holdpoint/);
      const write = await callHub(hub.url, token, "POST", "/v1/tokens", { name: "x", roles: ["auditor"] });
      expect(write).toMatchObject({ status: 503, json: { code: "HP_DATABASE" } });
      expect((await fetch(`${hub.url}/healthz`)).status).toBe(200);
      const readiness = await fetch(`${hub.url}/readyz`);
      expect([readiness.status, await readiness.json()]).toEqual([503, { ready: false, reasons: ["HP_DATABASE"] }]);
      await server.start();
      await expect.poll(async () => (await ask()).status, { timeout: 15_000 }).toBe(200);
      expect((await fetch(`${hub.url}/readyz`)).status).toBe(200);
    } finally {
      await hub.close();
    }
  }, 60_000);
});

test("a connection that breaks between two statements of a transaction fails that transaction and nothing else", async () => {
  const shared = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const { database } = await openHubDatabase({ ...shared, url: await server.createDatabase() });
  const crashes: unknown[] = [];
  const crashed = (cause: unknown): void => void crashes.push(cause);
  process.on("uncaughtException", crashed);
  try {
    const broken = database.write(async ({ db }) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
      await database.read((other) => sql`select pg_terminate_backend(${rows[0]?.pid ?? 0})`.execute(other));
      // Time for the end to arrive while no statement waits for it.
      await wait(200);
      await sql`select 1`.execute(db);
    });
    await expect(broken).rejects.toMatchObject({ code: "HP_DATABASE" });
    expect(crashes).toEqual([]);
    await database.read((db) => sql`select 1`.execute(db));
  } finally {
    process.off("uncaughtException", crashed);
    await database.close();
  }
});

const mayMount = process.platform === "linux" && process.getuid?.() === 0 && canMount();

describe("a disk that is full", () => {
  // Mounting a small file system needs root.
  test.skipIf(!mayMount)(
    "is told as such, reading goes on, and so does writing once there is room",
    async () => {
      const disk = join(dir, "disk");
      execFileSync("mkdir", ["-p", disk]);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]);
      let started: StartedHub | null = null;
      try {
        started = await beginHub({ dataDir: join(disk, "hub") });
        const { hub, token } = started;
        const ballast = join(disk, "ballast");
        fill(ballast);
        let refused: Awaited<ReturnType<typeof callHub>> | undefined;
        for (let i = 0; i < 400 && refused === undefined; i += 1) {
          const answer = await callHub(hub.url, token, "POST", "/v1/tokens", {
            name: "x".repeat(100),
            roles: ["auditor"],
          });
          if (answer.status !== 200) refused = answer;
        }
        expect(refused).toMatchObject({ status: 503, json: { code: "HP_DISK_FULL", retry: "backoff" } });
        expect(await callHub(hub.url, token, "GET", "/v1/people")).toMatchObject({ status: 200 });
        rmSync(ballast);
        const after = () => callHub(hub.url, token, "POST", "/v1/tokens", { name: "room", roles: ["auditor"] });
        await expect.poll(async () => (await after()).status, { timeout: 10_000 }).toBe(200);
      } finally {
        await started?.hub.close();
        execFileSync("umount", ["-l", disk]);
      }
    },
    60_000,
  );
});

/** Takes what room there is. */
function fill(file: string): void {
  for (let bytes = 16 * 1024 * 1024; bytes >= 4096; bytes = Math.floor(bytes / 2)) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(bytes), { flag: "a" });
    } catch {
      // Half of it may still fit.
    }
  }
}

function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), "holdpoint-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", probe], { stdio: "ignore" });
    execFileSync("umount", [probe], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

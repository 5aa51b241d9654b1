import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openAuditDesk, readCheckpoint } from "../../cloud-sync/hub/audit/audit-desk.node.ts";
import { genesisHash, lineHash } from "../../cloud-sync/hub/audit/audit-trail.ts";
import { type Checkpoint } from "../../cloud-sync/hub/audit/checkpoint.ts";
import { createViewBook } from "../../cloud-sync/hub/audit/view-book.ts";
import { createAuditTrail } from "../../cloud-sync/hub/audit/audit-trail.ts";
import { permissionsOf, type PersonCaller } from "../../cloud-sync/hub/api/caller.ts";
import { type HubDatabase, type HubTransaction } from "../../cloud-sync/hub/database/database.ts";
import { openHubDatabase } from "../../cloud-sync/hub/database/open-database.node.ts";
import { type RunningHub } from "../../cloud-sync/hub/hub.node.ts";
import { silentLogger } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { callHub } from "../support/hub-agent.ts";
import { enterPerson } from "../support/hub-people.ts";
import { overBothDatabases, type StartHub } from "../support/hub-start.ts";

overBothDatabases("the audit log", reading);
overBothDatabases("the audit log that somebody tampered with", tampering);

function reading(start: StartHub): void {
  let hub: RunningHub;
  let token: string;
  let url: string;
  beforeAll(async () => {
    const started = await start();
    ({ hub, token } = started);
    url = started.database ?? started.dataDir;
  });
  afterAll(() => hub.close());
  const ask = (path: string) => callHub(hub.url, token, "GET", path);
  interface Line {
    readonly n: number;
    readonly actor: string;
    readonly action: string;
    readonly subject: string;
    readonly detail: Record<string, unknown>;
  }

  test("what people do is written down: who, what, to whom, and what was different", async () => {
    const person = await enterPerson(hub.url, token, "reviewer");
    await callHub(hub.url, token, "POST", `/v1/people/${person.id}`, { name: "=cmd|' /C calc'!A0" });
    const page = await ask(`/v1/audit?subject=person:${person.id}&limit=2`);
    const items = page.json["items"] as Line[];
    expect(items[0]).toMatchObject({
      action: "person.changed",
      detail: { name: { from: "A reviewer", to: "=cmd|' /C calc'!A0" } },
    });
    expect(items[0]?.actor).toMatch(/^program:/);
    const next = await ask(`/v1/audit?subject=person:${person.id}&limit=2&cursor=${String(page.json["cursor"])}`);
    const actions = [...items, ...(next.json["items"] as Line[])].map(({ action }) => action);
    expect(actions).toEqual(["person.changed", "session.opened", "person.password_set", "person.invited"]);
    expect(await ask("/v1/audit?cursor=x")).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });
    const text = JSON.stringify([page.json, next.json]);
    expect(text).not.toContain(person.password);
    expect(text).not.toMatch(/hp[ist]_[0-9a-f]{16}/);
  });

  test("as CSV no name becomes a formula", async () => {
    const answer = await fetch(`${hub.url}/v1/audit.csv`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect(answer.headers.get("content-disposition")).toBe('attachment; filename="audit.csv"');
    const lines = (await answer.text()).trimEnd().split("\r\n");
    const { json } = await ask("/v1/audit?limit=1");
    expect(lines).toHaveLength(Number((json["items"] as Line[])[0]?.n) + 1);
    for (const line of lines) for (const cell of line.split(",")) expect(cell).not.toMatch(/^"?[=+@\t]/);
  });

  test("only who may read all of it reads it", async () => {
    const made = await callHub(hub.url, token, "POST", "/v1/tokens", {
      ...{ name: "one store's", roles: ["auditor"], stores: ["store_1"] },
    });
    const scoped = String(made.json["token"]);
    expect(await callHub(hub.url, scoped, "GET", "/v1/audit")).toMatchObject({ status: 403 });
    const lead = await enterPerson(hub.url, token, "lead");
    expect(await lead.browser.call("GET", "/v1/audit")).toMatchObject({ status: 403, json: { code: "HP_FORBIDDEN" } });
  });

  test("a checkpoint is signed, verified beside the running hub, and refused where it was changed", async () => {
    const { json } = await ask("/v1/audit/checkpoint");
    const checkpoint = readCheckpoint(JSON.stringify(json));
    expect(() => readCheckpoint(JSON.stringify({ ...json, n: checkpoint.n + 1 }))).toThrow("signature does not fit");
    expect(() => readCheckpoint("{")).toThrow("no checkpoint");
    const desk = await openAuditDesk(url);
    try {
      expect(await desk.verify(checkpoint)).toMatchObject({ intact: true, fault: null });
      expect(await desk.checkpoint()).toMatchObject({ hubId: hub.hubId, publicKey: checkpoint.publicKey });
      await expect(desk.verify({ ...checkpoint, hubId: "another" })).rejects.toMatchObject({ code: "HP_USAGE" });
    } finally {
      await desk.close();
    }
  });

  test("the command says intact with exit code 0, and broken with 1 where the checkpoint is of another line", async () => {
    const dir = mkdtempSync(join(tmpdir(), "holdpoint-audit-"));
    const file = join(dir, "checkpoint.json");
    const where = url.startsWith("postgres") ? ["--database", url] : ["--hub-data", url];
    const exported = await command("audit", "export", ...where);
    writeFileSync(file, exported.stdout);
    const verified = await command("audit", "verify", ...where, "--checkpoint", file, "--json");
    expect(verified.code).toBe(0);
    expect(JSON.parse(verified.stdout)).toMatchObject({ intact: true, fault: null });
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(exported.stdout) as object), hash: "0".repeat(64) }));
    expect((await command("audit", "verify", ...where, "--checkpoint", file)).code).toBe(2);
  }, 60_000);
}

function tampering(start: StartHub): void {
  let url: string;
  let hubId: string;
  let checkpoint: Checkpoint;
  let original: Awaited<ReturnType<typeof linesOf>>;
  const open = async <T>(work: (database: HubDatabase) => Promise<T>): Promise<T> => {
    const shared = { clock: systemClock, random: systemRandom, logger: silentLogger };
    const { database } = await openHubDatabase({ ...shared, url });
    try {
      return await work(database);
    } finally {
      await database.close();
    }
  };
  const linesOf = (database: HubDatabase) =>
    database.read((db) => db.selectFrom("audit_log").selectAll().orderBy("n").execute());
  beforeAll(async () => {
    const started = await start();
    url = started.database ?? started.dataDir;
    hubId = started.hub.hubId;
    for (const login of ["a", "b", "c", "d"]) {
      await callHub(started.hub.url, started.token, "POST", "/v1/people", { login, name: login, roles: ["lead"] });
    }
    const { json } = await callHub(started.hub.url, started.token, "GET", "/v1/audit/checkpoint");
    checkpoint = readCheckpoint(JSON.stringify(json));
    await started.hub.close();
    original = await open(linesOf);
  });

  /** Changes the log, verifies it, and puts it back. */
  async function after(change: (trx: HubTransaction) => Promise<unknown>, withCheckpoint = false) {
    const head = await open((database) =>
      database.read((db) => db.selectFrom("audit_head").selectAll().executeTakeFirstOrThrow()),
    );
    await open((database) => database.write(change));
    const desk = await openAuditDesk(url);
    const report = await desk.verify(withCheckpoint ? checkpoint : null);
    await desk.close();
    await open((database) =>
      database.write(async ({ db }) => {
        await db.deleteFrom("audit_log").execute();
        await db.insertInto("audit_log").values(original).execute();
        await db.updateTable("audit_head").set(head).execute();
      }),
    );
    return report;
  }

  test("an untouched log is intact", async () => {
    expect(await after(() => Promise.resolve(), true)).toMatchObject({ intact: true, records: original.length });
  });

  test.for(["at_ms", "actor", "action", "subject", "detail", "hash"] as const)(
    "an edited %s shows at its line",
    async (column) => {
      const value = column === "at_ms" ? 1 : "0";
      const report = await after(({ db }) =>
        db
          .updateTable("audit_log")
          .set({ [column]: value })
          .where("n", "=", 4)
          .execute(),
      );
      expect(report).toMatchObject({ intact: false, records: 3, fault: { n: 4 } });
    },
  );

  test("a line that was taken out, put in, or put in another place shows", async () => {
    expect(await after(({ db }) => db.deleteFrom("audit_log").where("n", "=", 5).execute())).toMatchObject({
      fault: { n: 5, message: "the line is missing" },
    });
    const line = original[2];
    if (!line) throw new Error("the log is too short");
    const extra = { ...line, n: original.length + 1 };
    expect(await after(({ db }) => db.insertInto("audit_log").values(extra).execute())).toMatchObject({
      intact: false,
    });
    expect(
      await after(async ({ db }) => {
        await db.updateTable("audit_log").set({ n: 1_000 }).where("n", "=", 2).execute();
        await db.updateTable("audit_log").set({ n: 2 }).where("n", "=", 3).execute();
        await db.updateTable("audit_log").set({ n: 3 }).where("n", "=", 1_000).execute();
      }),
    ).toMatchObject({ fault: { n: 2 } });
  });

  test("lines cut off at the end show against the head, and against a checkpoint where the head was set back too", async () => {
    const last = original.length;
    const cut = ({ db }: HubTransaction) =>
      db
        .deleteFrom("audit_log")
        .where("n", ">", last - 2)
        .execute();
    expect(await after(cut)).toMatchObject({ fault: { n: last - 1 } });
    const setBack = async (trx: HubTransaction) => {
      await cut(trx);
      const hash = original[last - 3]?.hash ?? "";
      await trx.db
        .updateTable("audit_head")
        .set({ n: last - 2, hash })
        .execute();
    };
    expect(await after(setBack)).toMatchObject({ intact: true });
    expect(await after(setBack, true)).toMatchObject({ intact: false, fault: { n: last - 1 } });
  });

  test("a whole chain that was written anew is consistent in itself and is not that of the checkpoint", async () => {
    const rewrite = async ({ db }: HubTransaction) => {
      let hash = genesisHash(nodeHasher, hubId);
      for (const line of original) {
        const changed = line.n === 3 ? { ...line, actor: "person:somebody-else" } : line;
        hash = lineHash(nodeHasher, hash, changed);
        await db
          .updateTable("audit_log")
          .set({ ...changed, hash })
          .where("n", "=", line.n)
          .execute();
      }
      await db.updateTable("audit_head").set({ hash }).execute();
    };
    expect(await after(rewrite)).toMatchObject({ intact: true });
    expect(await after(rewrite, true)).toMatchObject({ intact: false, fault: { n: checkpoint.n } });
  });

  test("a view is one line for one sign-in, and twenty at once leave an unbroken chain", async () => {
    await open(async (database) => {
      const audit = createAuditTrail(hubId, systemClock, nodeHasher);
      const book = createViewBook({ database, audit, clock: systemClock });
      const caller: PersonCaller = {
        ...{ kind: "person", id: "p", name: "P", roles: ["reviewer"], permissions: new Set(permissionsOf.reviewer) },
        ...{ stores: null, tasks: null, skills: [], sessionId: "s" },
      };
      await Promise.all(Array.from({ length: 20 }, (_, i) => book.viewed(caller, "picture", `case:${i}`)));
      await book.viewed(caller, "picture", "case:3");
      await book.viewed({ ...caller, sessionId: "t" }, "picture", "case:3");
      const lines = await linesOf(database);
      expect(lines.slice(original.length).every(({ action }) => action === "picture.viewed")).toBe(true);
      expect(lines).toHaveLength(original.length + 21);
    });
    const desk = await openAuditDesk(url);
    expect(await desk.verify(checkpoint)).toMatchObject({ intact: true, records: original.length + 21 });
    await desk.close();
  });
}

test("where there is no hub the command says so, and not that a log is broken", async () => {
  const dir = mkdtempSync(join(tmpdir(), "holdpoint-audit-"));
  for (const place of [dir, join(dir, "nowhere")]) {
    await expect(openAuditDesk(place)).rejects.toMatchObject({ code: "HP_NOT_FOUND" });
  }
  expect((await command("audit", "verify", "--hub-data", join(dir, "nowhere"))).code).toBe(2);
}, 30_000);

function command(...words: string[]): Promise<{ readonly code: number; readonly stdout: string }> {
  return new Promise((resolve) => {
    const entry = join(import.meta.dirname, "../../edge-agent/main.node.ts");
    execFile(process.execPath, [entry, ...words], (error, stdout) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout });
    });
  });
}

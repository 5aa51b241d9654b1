import { execFileSync } from "node:child_process";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openForTest, temporaryDirectory, type OpenOptions, type SqliteUnderTest } from "../contract/journal-sqlite.ts";
import {
  admissionOf,
  configOf,
  decisionOf,
  makeRequest,
  recordOf,
  reviewOf,
  settledBy,
  trace,
} from "../support/journal-cases.ts";
import { type Decision } from "../../protocol/index.ts";

/** What the journal does as time and bytes run out. */

const pictureBytes = 1000;
let under: SqliteUnderTest;
/** Whether request and decision come in one step or in two. */
let joint = false;

async function open(options: OpenOptions = {}): Promise<void> {
  under = await openForTest(options);
}

afterEach(() => under.dispose());

async function picture(verdict: Decision["verdict"] | null, audit = false, bytes = pictureBytes): Promise<string> {
  const data = new Uint8Array(bytes).fill(7);
  const request = makeRequest({ kind: "image", encoding: "jpeg", data });
  const record = verdict === null ? null : recordOf(decisionOf(request, verdict), { audit });
  const { decided } = {
    decided: false,
    ...(await under.journal.admit(admissionOf(request, joint ? { decision: () => record } : {}))),
  };
  if (record !== null && !decided) await under.journal.decide(record);
  return request.id;
}

async function inputStates(ids: readonly string[]): Promise<readonly (string | undefined)[]> {
  return Promise.all(ids.map(async (id) => (await under.journal.find(id))?.inputState));
}

test("more work than the queue holds is refused at once; what was taken is kept", async () => {
  await open();
  const requests = Array.from({ length: 17_000 }, () => makeRequest({ kind: "entity", entity: "201" }));
  const admission = admissionOf(makeRequest());
  const settled = await Promise.allSettled(requests.map((request) => under.journal.admit({ ...admission, request })));
  const refused = settled.filter((result) => result.status === "rejected").map(({ reason }) => reason as unknown);
  expect(refused.length).toBeGreaterThan(0);
  for (const error of refused) expect(error).toMatchObject({ code: "HP_BUSY", retryAfterMs: 200 });
  const taken = requests.filter((_request, index) => settled[index]?.status === "fulfilled");
  expect(await under.journal.counts()).toMatchObject({ received: taken.length });
  expect((await under.journal.find(taken.at(-1)?.id ?? ""))?.state).toBe("received");
});

const steps = [
  ["in two steps", false],
  ["in one step", true],
] as const;

describe.each(steps)("at the byte budget, decided %s", (_name, together) => {
  beforeEach(() => {
    joint = together;
  });

  test("accepted pictures go first and the oldest of them, then answered ones, then audit samples, never an unanswered one", async () => {
    await open({ retention: { journalBytesMax: 5 * pictureBytes } });
    const { journal } = under;
    const audit = await picture("accept", true);
    const waiting = await picture("escalate");
    const undecided = await picture(null);
    const answered = await picture("escalate");
    await journal.settle({ revision: settledBy(decisionOf({ ...makeRequest(), id: answered }, "escalate")) });
    const old = await picture("accept");
    const ids = [audit, waiting, undecided, answered, old];
    expect(await inputStates(ids)).toEqual(ids.map(() => "kept"));

    const more: string[] = [];
    const gone: (string | undefined)[][] = [];
    for (let step = 0; step < 3; step += 1) {
      more.push(await picture("escalate"));
      await under.pass(10);
      gone.push([...(await inputStates(ids))]);
    }
    expect(gone).toEqual([
      ["kept", "kept", "kept", "kept", "evicted"],
      ["kept", "kept", "kept", "evicted", "evicted"],
      ["evicted", "kept", "kept", "evicted", "evicted"],
    ]);
    expect(await journal.find(audit)).toMatchObject({ audit: true, auditState: "evicted", state: "final" });
    expect(journal.storage()).toMatchObject({ budgetFull: false, inputBytes: 5 * pictureBytes });

    // Only unanswered ones are left: over the budget, and it says so; nothing of theirs goes.
    const last = await picture("escalate");
    await under.pass(10);
    expect(journal.storage()).toMatchObject({ budgetFull: true, inputBytes: 6 * pictureBytes });
    expect((await journal.counts()).budgetFull).toBe(true);
    expect(await inputStates([waiting, undecided, ...more, last])).toEqual(Array(6).fill("kept"));

    // One answer makes room.
    await journal.review(reviewOf(decisionOf({ ...makeRequest(), id: waiting }, "escalate"), "x"));
    await under.pass(10);
    expect(journal.storage()).toMatchObject({ budgetFull: false, inputBytes: 5 * pictureBytes });
    expect(await journal.counts()).toMatchObject({ evicted: 4 });
    expect(await journal.verify()).toMatchObject({ intact: true });
  });
});

describe("in a database that is smaller than the byte budget", () => {
  const limits = { databaseBytesMax: 2 << 20, walBytesMax: 256 * 1024 };

  beforeEach(() => {
    joint = true;
  });

  test("pictures that wait for people are said to fill the budget at half of it, before anything is refused", async () => {
    await open({ limits });
    const waiting = await filledWith(20_000, () => under.journal.storage().budgetFull);
    expect(under.journal.storage()).toMatchObject({ problem: null, pending: waiting });
    expect(under.journal.storage().inputBytes).toBeGreaterThan(1 << 20);
    expect(under.journal.storage().inputBytes).toBeLessThan(1.1 * (1 << 20));
  });

  test("who fills it with open cases all the same is told of its bound, not of a full disk", async () => {
    await open({ limits });
    await filledWith(pictureBytes, () => under.journal.storage().problem !== null);
    const { code, message } = under.journal.storage().problem ?? {};
    expect(code).toBe("HP_DISK_FULL");
    expect(message).toBe(
      "the database is at its bound of 2 MB with cases that are not closed: answer them, or give it a larger disk",
    );
  });

  /** Escalated pictures of this size until it is enough; how many there are. */
  async function filledWith(bytes: number, isEnough: () => boolean): Promise<number> {
    for (let count = 0; count < 2000; count += 1) {
      if (isEnough()) return count;
      await picture("escalate", false, bytes).catch((cause: unknown) => {
        if ((cause as { readonly code?: string }).code !== "HP_DISK_FULL") throw cause;
      });
    }
    throw new Error("it was never enough");
  }
});

describe.each(steps)("as time passes, decided %s", (_name, together) => {
  beforeEach(() => {
    joint = together;
  });

  test("an input is kept for a while after its answer, not after its arrival", async () => {
    await open({ retention: { inputKeepMs: 60_000 } });
    const accepted = await picture("accept");
    const escalated = await picture("escalate");
    const audit = await picture("accept", true);
    await under.pass(59_000);
    expect(await inputStates([accepted, escalated, audit])).toEqual(["kept", "kept", "kept"]);
    await under.pass(2000);
    expect(await inputStates([accepted, escalated, audit])).toEqual(["evicted", "kept", "kept"]);
    await under.journal.settle({ revision: settledBy(decisionOf({ ...makeRequest(), id: escalated }, "escalate")) });
    await under.pass(59_000);
    expect(await inputStates([escalated])).toEqual(["kept"]);
    await under.pass(2000);
    expect(await inputStates([escalated, audit])).toEqual(["evicted", "kept"]);
    await under.pass(15 * 86_400_000);
    expect(await inputStates([audit])).toEqual(["evicted"]);
  });

  test("a clock that jumps ten years expires nothing, and is recorded", async () => {
    await open({ retention: { inputKeepMs: 60_000 } });
    const id = await picture("accept");
    under.clock.wall += 3652 * 86_400_000;
    await under.pass(1000);
    under = (await under.reopen()) as SqliteUnderTest;
    under.clock.wall -= 7305 * 86_400_000;
    await under.pass(1000);
    expect(await inputStates([id])).toEqual(["kept"]);
    expect(await under.journal.verify()).toMatchObject({ intact: true });
  });

  test("an escalation waits for people no longer than unanswered ones may", async () => {
    await open({ retention: { unansweredMaxMs: 5000 } });
    const id = await picture("escalate");
    expect((await under.journal.find(id))?.reviewLeftMs).toBe(5000);
  });

  test("closed cases and old records go after their time; the checkpoint is signed and open cases stay", async () => {
    await open({ limits: { caseKeepMs: 3_600_000 } });
    const closed = await picture("accept");
    const waiting = await picture("escalate");
    await under.pass(3_500_000);
    const young = await picture("accept");
    await under.pass(200_000);
    await under.pass(1000);
    expect(await under.journal.find(closed)).toBeNull();
    expect((await under.journal.find(waiting))?.state).toBe("pending");
    expect((await under.journal.find(young))?.state).toBe("final");
    expect(await under.journal.verify()).toMatchObject({ intact: true });
    expect(await under.journal.counts()).toMatchObject({ inputBytes: 2 * pictureBytes, undelivered: 2 });
    const told = await under.journal.undelivered("camera-1", 10);
    expect(told.map(({ decision: { id } }) => id)).toEqual([waiting, young]);
    expect((await under.journal.find(waiting))?.revisions).toHaveLength(1);
    under = (await under.reopen()) as SqliteUnderTest;
    expect(under.opened.kind).toBe("existing");
    const { records } = await under.journal.verify();
    expect(records).toBeLessThan(8);
  });

  test("pruning by hand takes what is older than the given time", async () => {
    await open();
    const ids = [await picture("accept"), await picture("abstain")];
    await under.pass(10_000);
    const kept = await picture("accept");
    expect(await under.journal.prune(under.clock.wall - 20_000)).toBe(0);
    expect(await under.journal.prune(under.clock.wall - 5000)).toBeGreaterThan(4);
    expect(await Promise.all(ids.map((id) => under.journal.find(id)))).toEqual([null, null]);
    expect((await under.journal.find(kept))?.state).toBe("final");
    expect(await under.journal.verify()).toMatchObject({ intact: true });
  });

  test("an erased picture is nowhere in the files", async () => {
    await open();
    const secret = "the-face-of-a-shopper";
    const data = new TextEncoder().encode(secret.repeat(500));
    const request = makeRequest({ kind: "image", encoding: "jpeg", data });
    await under.journal.admit(admissionOf(request));
    expect(filesContain(under.dir, secret)).toBe(true);
    await under.journal.erase(request.id);
    await under.pass(1000);
    expect(filesContain(under.dir, secret)).toBe(false);
  });
});

function filesContain(dir: string, text: string): boolean {
  try {
    execFileSync("grep", ["-rqaF", text, dir]);
    return true;
  } catch {
    return false;
  }
}

describe("on a full disk", () => {
  test("new work is refused, what was begun is finished, and it recovers by itself", async ({ skip }) => {
    const small = temporaryDirectory();
    if (!mount(small)) {
      await open();
      skip("mounting a small tmpfs is not allowed here");
    }
    try {
      await open({
        dir: join(small, "data"),
        limits: { reserveBytes: 2 << 20, walBytesMax: 1 << 20, databaseBytesMax: 1 << 30 },
      });
      const { journal } = under;
      const waiting = await picture("escalate");
      const begun = makeRequest();
      await journal.admit(admissionOf(begun));
      const acknowledged = [waiting, begun.id];
      const filler = join(small, "filler");
      writeFileSync(filler, Buffer.alloc(Math.max(0, freeBytes(small) - 300_000), 1));
      const refused = await fillUp(acknowledged);
      expect(refused).toMatchObject({ code: "HP_DISK_FULL", retry: "backoff", retryAfterMs: 1000 });
      expect(journal.storage().problem).toMatchObject({ code: "HP_DISK_FULL" });
      // The reserve was given back for this: decisions, reviews and acknowledgements still commit.
      await journal.decide(recordOf(decisionOf(begun)));
      const answer = reviewOf(decisionOf({ ...makeRequest(), id: waiting }, "escalate"), "x");
      expect(await journal.review(answer)).toMatchObject({ kind: "final" });
      await expect(journal.admit(admissionOf(makeRequest()))).rejects.toMatchObject({ code: "HP_DISK_FULL" });
      await under.pass(1000);
      expect(journal.storage().problem).toMatchObject({ code: "HP_DISK_FULL" });

      rmSync(filler);
      await under.pass(1000);
      expect(journal.storage().problem).toBeNull();
      expect(await journal.admit(admissionOf(makeRequest()))).toEqual({ kind: "admitted" });
      expect(statSync(join(under.dir, "reserve")).size).toBe(2 << 20);
      for (const id of acknowledged) expect(await journal.find(id), id).not.toBeNull();
      expect(await journal.verify()).toMatchObject({ intact: true });
    } finally {
      await under.journal.close();
      execFileSync("/bin/umount", [small]);
    }
  });

  test("an agent that starts on a full disk starts, says so, and recovers by itself", async ({ skip }) => {
    const small = temporaryDirectory();
    if (!mount(small)) {
      await open();
      skip("mounting a small tmpfs is not allowed here");
    }
    try {
      const limits = { reserveBytes: 2 << 20, walBytesMax: 1 << 20, databaseBytesMax: 1 << 30 };
      await open({ dir: join(small, "data"), limits });
      const id = await picture("accept");
      await under.journal.close();
      const filler = join(small, "filler");
      try {
        writeFileSync(filler, Buffer.alloc(16 << 20, 1));
      } catch {
        // That is the point.
      }
      await open({ dir: join(small, "data"), limits });
      expect(under.opened).toEqual({ kind: "existing" });
      expect(under.journal.storage().problem).toMatchObject({ code: "HP_DISK_FULL" });
      expect((await under.journal.find(id))?.state).toBe("final");
      // An agent needs its config to start, also one that is new.
      expect(await under.journal.adoptConfig(configOf("store_1"))).toMatchObject({ revision: 1 });
      await expect(under.journal.admit(admissionOf(makeRequest()))).rejects.toMatchObject({ code: "HP_DISK_FULL" });
      rmSync(filler);
      await under.pass(1000);
      expect(await under.journal.admit(admissionOf(makeRequest()))).toEqual({ kind: "admitted" });
    } finally {
      await under.journal.close();
      execFileSync("/bin/umount", [small]);
    }
  });

  test("a database at its own bound lets the oldest closed cases go and takes new ones again", async () => {
    await open({ limits: { databaseBytesMax: 2 << 20, walBytesMax: 256 * 1024 } });
    const { journal } = under;
    const waiting = await picture("escalate");
    let refused = 0;
    let admitted = 0;
    for (let round = 0; round < 60; round += 1) {
      const requests = Array.from({ length: 20 }, () =>
        makeRequest({ kind: "image", encoding: "jpeg", data: new Uint8Array(4000) }),
      );
      const admissions = await Promise.allSettled(requests.map((request) => journal.admit(admissionOf(request))));
      const taken = requests.filter((_request, index) => admissions[index]?.status === "fulfilled");
      refused += requests.length - taken.length;
      admitted += taken.length;
      await Promise.all(taken.map((request) => journal.decide({ ...recordOf(decisionOf(request)), trace })));
      await under.pass(31_000);
    }
    expect(admitted).toBeGreaterThan(900);
    expect(refused).toBeLessThan(300);
    expect((await journal.find(waiting))?.inputState).toBe("kept");
    expect(statSync(join(under.dir, "journal.db")).size).toBeLessThanOrEqual(2 << 20);
    expect(await journal.verify()).toMatchObject({ intact: true });
  });
});

async function fillUp(acknowledged: string[]): Promise<unknown> {
  for (let count = 0; count < 500; count += 1) {
    const request = makeRequest({ kind: "image", encoding: "jpeg", data: new Uint8Array(20_000) });
    try {
      await under.journal.admit(admissionOf(request));
      acknowledged.push(request.id);
    } catch (error) {
      return error;
    }
  }
  return null;
}

function mount(dir: string): boolean {
  try {
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", dir], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function freeBytes(dir: string): number {
  const [, line = ""] = execFileSync("df", ["--output=avail", "-B1", dir], { encoding: "utf8" }).split("\n");
  return Number(line);
}

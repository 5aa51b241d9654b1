import { spawnSync } from "node:child_process";
import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OutboxItem } from "../../sdk/client/index.ts";
import { encodeRecord, readLog, type LogRecord } from "../../sdk/client/outbox-log.node.ts";
import { fileOutbox } from "../../sdk/index.node.ts";

const item = (id: string, bytes: number, fill = 7): OutboxItem => ({
  key: `request/${id}`,
  kind: "request",
  id,
  bytes: new Uint8Array(bytes).fill(fill),
});

describe("the file outbox", () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "holdpoint-outbox-"));
    path = join(folder, "outbox.log");
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  async function filled(count: number): Promise<void> {
    const outbox = fileOutbox({ path });
    await outbox.list();
    for (let n = 0; n < count; n += 1) await outbox.put(item(String(n), 100));
    await outbox.close();
  }

  async function ids(): Promise<readonly string[]> {
    const outbox = fileOutbox({ path });
    const { items } = await outbox.list();
    await outbox.close();
    return items.map(({ id }) => id);
  }

  it("drops a torn record at its end and nothing else, wherever the power failed", async () => {
    await filled(3);
    const whole = await readFile(path);
    const record = encodeRecord({ type: "put", item: item("2", 100) }).byteLength;
    for (let cut = 1; cut <= record; cut += 7) {
      await writeFile(path, whole);
      await truncate(path, whole.byteLength - cut);
      expect(await ids()).toEqual(["0", "1"]);
    }
  });

  it("reads on behind changed bits, and keeps the damaged file", async () => {
    await filled(3);
    const bytes = await readFile(path);
    const middle = Math.floor(bytes.byteLength / 2);
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
    await writeFile(path, bytes);
    expect(await ids()).toEqual(["0", "2"]);
    expect(await readdir(folder)).toContain("outbox.log.damaged");
  });

  it("refuses a file that is something else, and leaves it alone", async () => {
    await writeFile(path, "a shopping list");
    await expect(fileOutbox({ path }).list()).rejects.toMatchObject({ code: "HP_USAGE" });
    expect(await readFile(path, "utf8")).toBe("a shopping list");
  });

  it("takes an empty file", async () => {
    await appendFile(path, "");
    expect(await ids()).toEqual([]);
  });

  it("lets no second client of the machine in, and the next one after the first", async () => {
    const first = fileOutbox({ path });
    await first.list();
    await expect(fileOutbox({ path }).list()).rejects.toMatchObject({ code: "HP_LOCKED" });
    await first.close();
    expect(await ids()).toEqual([]);
  });

  it("does not grow with what was removed", async () => {
    const outbox = fileOutbox({ path });
    await outbox.list();
    await outbox.put(item("kept", 10));
    for (let n = 0; n < 80; n += 1) {
      await outbox.put(item(String(n), 400_000));
      await outbox.remove(`request/${n}`);
    }
    expect((await stat(path)).size).toBeLessThan(10 * 1024 * 1024);
    await outbox.close();
    expect(await ids()).toEqual(["kept"]);
  });

  it("is readable by its owner alone: requests may hold pictures of people", async () => {
    await filled(1);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  const child = join(import.meta.dirname, "..", "support", "client-full-disk.node.ts");
  const unshare = spawnSync("unshare", ["-rm", "true"]).status === 0;
  it.skipIf(!unshare)(
    "says HP_DISK_FULL on a full disk, loses nothing, and works when there is room (needs unshare)",
    () => {
      const script = 'mount -t tmpfs -o size=512k none "$1" && exec "$2" "$3" "$1"';
      const run = spawnSync("unshare", ["-rm", "sh", "-c", script, "sh", folder, process.execPath, child], {
        encoding: "utf8",
      });
      expect(run.stderr).toBe("");
      const { codes, acknowledged, afterwards, recovered } = JSON.parse(run.stdout) as {
        readonly codes: readonly string[];
        readonly acknowledged: readonly string[];
        readonly afterwards: readonly string[];
        readonly recovered: readonly string[];
      };
      expect(new Set(codes)).toEqual(new Set(["HP_DISK_FULL"]));
      expect(acknowledged.length).toBeGreaterThan(5);
      expect(afterwards).toEqual(["late-0", "late-1"]);
      expect(recovered).toEqual([...acknowledged, ...afterwards]);
    },
  );

  it("says HP_CLOSED after close", async () => {
    const outbox = fileOutbox({ path });
    await outbox.list();
    await outbox.close();
    await expect(outbox.put(item("after", 10))).rejects.toMatchObject({ code: "HP_CLOSED" });
  });
});

describe("the outbox's log", () => {
  const records = fc.array(
    fc.oneof(
      fc.record({ type: fc.constant("put" as const), id: fc.nat(9), bytes: fc.uint8Array({ maxLength: 40 }) }),
      fc.record({ type: fc.constant("remove" as const), id: fc.nat(9) }),
    ),
    { maxLength: 30 },
  );
  const recordOf = (
    step: { type: "put"; id: number; bytes: Uint8Array } | { type: "remove"; id: number },
  ): LogRecord =>
    step.type === "put"
      ? { type: "put", item: { ...item(String(step.id), 0), bytes: step.bytes } }
      : { type: "remove", key: `request/${step.id}` };

  it("cut anywhere reads as an exact prefix of its records", () => {
    fc.assert(
      fc.property(records, fc.double({ min: 0, max: 1, noNaN: true }), (steps, share) => {
        const parts = steps.map((step) => encodeRecord(recordOf(step)));
        const whole = Buffer.concat(parts);
        const cut = Math.floor(share * whole.byteLength);
        let prefix = 0;
        let bytes = 0;
        while (prefix < parts.length && bytes + (parts[prefix]?.byteLength ?? 0) <= cut) {
          bytes += parts[prefix]?.byteLength ?? 0;
          prefix += 1;
        }
        const expected = new Map<string, Uint8Array>();
        for (const step of steps.slice(0, prefix)) {
          if (step.type === "put") expected.set(`request/${step.id}`, step.bytes);
          else expected.delete(`request/${step.id}`);
        }
        const contents = readLog(whole.subarray(0, cut));
        expect(contents.damagedBytes).toBe(0);
        expect(contents.wholeBytes).toBe(bytes);
        expect(new Map([...contents.items].map(([key, { bytes: data }]) => [key, data]))).toEqual(expected);
      }),
    );
  });

  it("never throws and invents nothing, whatever the file holds", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const contents = readLog(Buffer.from(bytes));
        expect(contents.items.size).toBe(0);
        expect(contents.wholeBytes).toBe(0);
      }),
    );
  });
});

import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ConfigChange, type ConfigFault, type EffectiveConfig } from "../../config/index.ts";
import { watchConfig, type ConfigWatch, type WatchOptions } from "../../config/watcher.node.ts";
import { type HoldpointError, silentLogger } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";

/** Far above what it takes, far below what the contract allows (two seconds). */
const inForceMsMax = 1900;

let directory: string;
let file: string;
let changes: { readonly config: EffectiveConfig; readonly diff: readonly ConfigChange[] }[];
let problems: { readonly error: HoldpointError; readonly faults: readonly ConfigFault[] }[];
let recovered: number;
let open: ConfigWatch | null;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "config-watch-"));
  file = join(directory, "store.yaml");
  [changes, problems, recovered, open] = [[], [], 0, null];
});

afterEach(async () => {
  open?.close();
  await rm(directory, { recursive: true, force: true });
});

const store = (gateThreshold: number, more = ""): string =>
  `store_id: s\nthresholds: { shelf: ${gateThreshold} }\n${more}`;

async function start(options: Partial<WatchOptions> = {}): Promise<ConfigWatch> {
  open = await watchConfig({
    layers: [{ layer: "store", path: file }],
    onChange: (config, _, diff) => void changes.push({ config, diff }),
    onProblem: (error, faults) => void problems.push({ error, faults }),
    onRecover: () => (recovered += 1),
    clock: systemClock,
    timers: systemTimers,
    hasher: nodeHasher,
    logger: silentLogger,
    ...options,
  });
  return open;
}

function gateOf(config: EffectiveConfig | undefined): number | null {
  const target = config?.tasks["shelf"]?.gate.target;
  return target?.kind === "number" ? target.gateThreshold : null;
}

async function until(done: () => boolean, waitMsMax = inForceMsMax): Promise<number> {
  const started = performance.now();
  while (!done()) {
    if (performance.now() - started > waitMsMax) throw new Error(`not within ${waitMsMax} ms`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  return performance.now() - started;
}

test("twenty changes in a row are each in force in under two seconds", async () => {
  await writeFile(file, store(0.5));
  const watch = await start();
  expect(gateOf(watch.current)).toBe(0.5);
  const tookMs: number[] = [];
  for (let index = 1; index <= 20; index += 1) {
    const gateThreshold = 0.5 + index / 100;
    await writeFile(file, store(gateThreshold));
    tookMs.push(await until(() => gateOf(watch.current) === gateThreshold));
  }
  expect(changes.map(({ config }) => gateOf(config))).toEqual(
    Array.from({ length: 20 }, (_, i) => 0.5 + (i + 1) / 100),
  );
  expect(changes[0]?.diff).toEqual([{ key: "thresholds.shelf", from: 0.5, to: 0.51 }]);
  expect(new Set(changes.map(({ config }) => config.digest)).size).toBe(20);
  expect(Math.max(...tookMs)).toBeLessThan(inForceMsMax);
  expect(problems).toEqual([]);
});

test("a bad file keeps the last good config in force and says which line, once", async () => {
  await writeFile(file, store(0.5));
  const watch = await start();
  const before = watch.current;
  await writeFile(file, "store_id: s\ntresholds: { shelf: 0.6 }\n");
  await until(() => problems.length > 0);
  expect(watch.current).toBe(before);
  expect(watch.problem?.code).toBe("HP_CONFIG");
  expect(watch.problem?.message).toContain(
    `${file}:2:1 tresholds: unknown key "tresholds"; the nearest is "thresholds"`,
  );
  expect(problems[0]?.faults[0]).toMatchObject({ line: 2, key: "tresholds" });
  await watch.reload();
  expect(problems).toHaveLength(1);

  await writeFile(file, store(0.7));
  await until(() => gateOf(watch.current) === 0.7);
  expect(watch.problem).toBeNull();
  expect(recovered).toBe(1);
});

test("putting the old text back ends the problem without a change", async () => {
  await writeFile(file, store(0.5));
  const watch = await start();
  await writeFile(file, "");
  await until(() => problems.length > 0);
  expect(problems[0]?.error.message).toContain("the file is empty");
  await writeFile(file, store(0.5, "# the same\n"));
  await until(() => recovered === 1);
  expect(watch.problem).toBeNull();
  expect(changes).toEqual([]);
});

test("a file replaced by a rename is followed, again and again", async () => {
  await writeFile(file, store(0.5));
  const watch = await start();
  for (const gateThreshold of [0.6, 0.7, 0.8]) {
    const beside = join(directory, `.store.yaml.${gateThreshold}.swp`);
    await writeFile(beside, store(gateThreshold));
    await rename(beside, file);
    await until(() => gateOf(watch.current) === gateThreshold);
  }
  expect(problems).toEqual([]);
});

test("a mounted config that is swapped by its symbolic link is followed", async () => {
  // As Kubernetes lays out a ConfigMap: store.yaml -> ..data/store.yaml, ..data -> ..2026_1, swapped by a rename.
  const version = async (name: string, gateThreshold: number): Promise<void> => {
    await mkdir(join(directory, name));
    await writeFile(join(directory, name, "store.yaml"), store(gateThreshold));
    await symlink(name, join(directory, "..data_tmp"));
    await rename(join(directory, "..data_tmp"), join(directory, "..data"));
  };
  await version("..2026_1", 0.5);
  await symlink(join("..data", "store.yaml"), file);
  const watch = await start();
  expect(gateOf(watch.current)).toBe(0.5);
  for (const [name, gateThreshold] of [
    ["..2026_2", 0.6],
    ["..2026_3", 0.7],
  ] as const) {
    await version(name, gateThreshold);
    await until(() => gateOf(watch.current) === gateThreshold);
  }
  expect(problems).toEqual([]);
});

test("a link into another directory is followed although that directory is not watched", async () => {
  const elsewhere = join(directory, "elsewhere");
  await mkdir(elsewhere);
  await writeFile(join(elsewhere, "real.yaml"), store(0.5));
  await symlink(join(elsewhere, "real.yaml"), file);
  const watch = await start();
  await writeFile(join(elsewhere, "real.yaml"), store(0.6));
  await until(() => gateOf(watch.current) === 0.6);
});

test("a file that is written piece by piece is applied whole", async () => {
  await writeFile(file, store(0.5));
  const watch = await start();
  const text = store(0.6, "tasks:\n  shelf:\n    audit_share: 0.5\n    decide_within: 3s\n");
  for (let length = 20; length < text.length; length += 10) {
    await writeFile(file, text.slice(0, length));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await writeFile(file, text);
  await until(() => gateOf(watch.current) === 0.6 && watch.current.tasks["shelf"]?.decideWithinMs === 3000);
  expect(watch.current.tasks["shelf"]?.auditShare).toBe(0.5);
});

test("several layers are watched, and an optional one may come and go", async () => {
  const fleet = join(directory, "fleet", "fleet.yaml");
  const device = join(directory, "device.yaml");
  await mkdir(join(directory, "fleet"));
  await writeFile(file, store(0.5));
  await writeFile(fleet, "tasks: { shelf: { audit_share: 0.1 } }");
  const watch = await start({
    layers: [
      { layer: "device", path: device, optional: true },
      { layer: "fleet", path: fleet },
      { layer: "store", path: file },
    ],
  });
  expect(watch.current.tasks["shelf"]?.auditShare).toBe(0.1);
  await writeFile(fleet, "tasks: { shelf: { audit_share: 0.2 } }");
  await until(() => watch.current.tasks["shelf"]?.auditShare === 0.2);
  expect(watch.provenance.get("tasks.shelf.audit_share")).toEqual({ layer: "fleet", file: fleet, line: 1 });
  await writeFile(device, "thresholds: { shelf: 0.9 }");
  await until(() => gateOf(watch.current) === 0.9);
  await unlink(device);
  await until(() => gateOf(watch.current) === 0.5);
  expect(problems).toEqual([]);
});

test("a required layer that goes away keeps the last good config, and its return ends the problem", async () => {
  await writeFile(file, store(0.5));
  const watch = await start();
  await unlink(file);
  await until(() => problems.length === 1);
  expect(problems[0]?.error.message).toContain("cannot be read (ENOENT)");
  expect(gateOf(watch.current)).toBe(0.5);
  await writeFile(file, store(0.5));
  await until(() => recovered === 1);
});

test("the config is in force only when the listener is done, and a listener that fails leaves the old one", async () => {
  await writeFile(file, store(0.5));
  let finish: (() => void) | null = null;
  let failing = false;
  const watch = await start({
    onChange: () =>
      failing ? Promise.reject(new Error("the journal is full")) : new Promise<void>((resolve) => (finish = resolve)),
  });
  await writeFile(file, store(0.6));
  await until(() => finish !== null);
  expect(gateOf(watch.current)).toBe(0.5);
  (finish as unknown as () => void)();
  await until(() => gateOf(watch.current) === 0.6);
  failing = true;
  await writeFile(file, store(0.7));
  const reloaded = await watch.reload();
  expect(reloaded).toMatchObject({ ok: false, error: { message: "the journal is full" } });
  expect(gateOf(watch.current)).toBe(0.6);
});

test("reload reads at once and answers with the config in force, or with why not", async () => {
  await writeFile(file, store(0.5));
  const watch = await start();
  await writeFile(file, store(0.6));
  const good = await watch.reload();
  expect(good.ok && gateOf(good.value)).toBe(0.6);
  await writeFile(file, "store_id: [");
  expect(await watch.reload()).toMatchObject({ ok: false, error: { code: "HP_CONFIG" } });
  watch.close();
  expect(await watch.reload()).toMatchObject({ ok: false, error: { code: "HP_CLOSED" } });
});

test.each([
  ["absent", () => Promise.resolve(), "cannot be read (ENOENT)"],
  ["a directory", () => mkdir(file), "not a regular file"],
  ["not UTF-8", () => writeFile(file, Uint8Array.of(0xff, 0xfe, 0x41, 0x00)), "not UTF-8"],
  ["too large", () => writeFile(file, `store_id: s #${"x".repeat(1_048_576)}`), "larger than"],
  ["bad", () => writeFile(file, "store_id: s\nfoo: 1\n"), ":2:1 foo: unknown key"],
] satisfies readonly (readonly [string, () => Promise<unknown>, string])[])(
  "a first file that is %s is an error, because there is no last good one",
  async (_, write, message) => {
    await write();
    await expect(start()).rejects.toMatchObject({
      code: "HP_CONFIG",
      message: expect.stringContaining(message) as string,
    });
  },
);

test("after close nothing is read any more", async () => {
  await writeFile(file, store(0.5));
  const watch = await start();
  watch.close();
  await writeFile(file, store(0.6));
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(gateOf(watch.current)).toBe(0.5);
  expect(changes).toEqual([]);
});

test("beside a busy neighbour, whose writes are not listened to for long", async () => {
  await writeFile(file, store(0.9));
  await start();
  for (let n = 0; n < 400; n += 1) await writeFile(join(directory, "journal.db-wal"), String(n));
  await writeFile(file, store(0.8));
  await until(() => changes.length === 1);
  expect(gateOf(changes[0]?.config)).toBe(0.8);
});

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

/** The command in a process of its own, as a shell sees it. */
const main = `
import { Command } from "commander";
import { configCheckCommand, configKeysCommand } from "./edge-agent/cli/config-check.node.ts";
import { reportFailure } from "./edge-agent/cli/output.node.ts";
try {
  const config = new Command("config").addCommand(configCheckCommand()).addCommand(configKeysCommand());
  await new Command().addCommand(config).parseAsync(process.argv.slice(1), { from: "user" });
} catch (cause) {
  process.exitCode = reportFailure(cause, false);
}`;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "config-check-"));
  await writeFile(
    at("store.yaml"),
    "store_id: s\nmodels: { shelf: { model_path: /m/shelf.pkl } }\nthresholds: { shelf: 0.92 }\n",
  );
  await writeFile(at("fleet.yaml"), "thresholds: { shelf: { max_error: 0.005 } }\nlocked: [tasks.shelf.audit_share]\n");
  await writeFile(at("bad.yaml"), "store_id: s\ntasks:\n  shelf: { decide_witin: 2s, audit_share: 5 }\n");
});

afterAll(() => rm(directory, { recursive: true, force: true }));

function at(name: string): string {
  return join(directory, name);
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...argv: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ["--input-type=module", "-e", main, "--", ...argv], (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

test("a good config is shown with where every value came from, and its warnings", async () => {
  const { code, stdout, stderr } = await run("config", "check", at("store.yaml"), "--fleet", at("fleet.yaml"));
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const line = (key: string): string | undefined => stdout.split("\n").find((each) => each.startsWith(`${key}: `));
  expect(line("store_id")).toMatch(/^store_id: s +# store .*store\.yaml:1$/);
  expect(line("thresholds.shelf")).toMatch(/"max_error":0\.005.* # fleet .*fleet\.yaml:1$/);
  expect(line("thresholds.shelf.floor")).toMatch(/0\.92 +# store .*store\.yaml:3$/);
  expect(line("tasks.shelf.decide_within")).toMatch(/2s +# default$/);
  expect(stdout).toMatch(/warning: .*shelf\.pkl is a Python pickle, not ONNX/);
  expect(stdout).toMatch(/hint: .*skl2onnx/);
  expect(stdout).toMatch(/^# shelf: under a contract, so nothing is accepted until a certificate counts/m);
});

test("a bad config ends with 2 and tells file, line, message and hint of every fault", async () => {
  const { code, stdout, stderr } = await run("config", "check", at("bad.yaml"), at("store.yaml"));
  expect(code).toBe(2);
  expect(stderr).toContain(
    `${at("bad.yaml")}:3:12 tasks.shelf.decide_witin: unknown key "decide_witin"; the nearest is "decide_within"`,
  );
  expect(stderr).toContain(`${at("bad.yaml")}:3:43 tasks.shelf.audit_share: must be at most 1, not 5`);
  expect(stderr).toContain("hint: Write a share, not percent: 0.05.");
  expect(stderr).toContain("HP_CONFIG");
  // The other file is checked nevertheless.
  expect(stdout).toContain("store.yaml: in order");
});

test("with --json machines get the config, the provenance and the faults", async () => {
  const { code, stdout } = await run("config", "check", "--json", at("store.yaml"), at("bad.yaml"), at("absent.yaml"));
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({
    ok: false,
    checks: [
      {
        ok: true,
        config: { storeId: "s", revision: 0 },
        provenance: { "thresholds.shelf": { layer: "store", line: 3 } },
        warnings: [{ code: "HP_MODEL_FORMAT" }],
      },
      {
        ok: false,
        error: { code: "HP_CONFIG" },
        faults: [
          { line: 3, column: 12 },
          { line: 3, column: 43 },
        ],
      },
      { ok: false, error: { code: "HP_CONFIG" }, faults: [{ line: 1 }] },
    ],
  });
});

test("without a file it says how it is used", async () => {
  const { code, stderr } = await run("config", "check");
  expect(code).toBe(2);
  expect(stderr).toContain("HP_USAGE: name a config file");
});

test("config keys prints the tables of the docs", async () => {
  const { code, stdout } = await run("config", "keys");
  expect(code).toBe(0);
  expect(stdout).toContain("| `tasks.<task>.decide_within` |");
  expect(stdout).toContain("| `ConditionParameters.RandomSamplingPercentage` |");
});

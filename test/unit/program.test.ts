import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isNodeSupported } from "../../edge-agent/cli/node-version.node.ts";
import { postgresUrl } from "../../edge-agent/cli/options.node.ts";
import { reportFailure } from "../../edge-agent/cli/output.node.ts";
import { runProgram } from "../../edge-agent/cli/program.node.ts";
import { HoldpointError } from "../../protocol/index.ts";

let notes: string;

beforeEach(() => {
  notes = "";
  const kept = (text: string | Uint8Array): boolean => {
    notes += String(text);
    return true;
  };
  vi.spyOn(process.stderr, "write").mockImplementation(kept);
  vi.spyOn(process.stdout, "write").mockImplementation(kept);
});

afterEach(() => {
  vi.restoreAllMocks();
});

const run = (words: string, nodeVersion?: string): Promise<number> =>
  runProgram(["node", "holdpoint", ...words.split(" ")], nodeVersion);

test("in a Node that is too old a command ends with what to install, and only doctor goes on", async () => {
  expect(await run("device list --data /nowhere", "20.20.2")).toBe(1);
  expect(notes).toMatch(
    /^HP_RUNTIME_MISSING: Holdpoint needs Node 22\.19 or newer; this is 20\.20\.2\nhint: Install a newer Node/,
  );
  expect(await run("doctor --help", "20.20.2")).toBe(0);
  expect(["22.19.0", "22.20.1", "24.0.0", "100.1.0"].filter((version) => !isNodeSupported(version))).toEqual([]);
  expect(["22.18.9", "20.20.2", "21.30.0"].filter(isNodeSupported)).toEqual([]);
});

test("a --database that is no address of a PostgreSQL is refused, for a hub would start empty on SQLite", async () => {
  for (const words of ["hub --port 0", "hub person invite ann", "audit verify", "audit export"]) {
    notes = "";
    expect(await run(`${words} --database postgres:/db/hub`)).toBe(2);
    expect(notes).toContain("Give postgres://user:password@host/database.");
  }
  expect(["postgres://a@b/c", "postgresql://a@b/c"].map(postgresUrl)).toEqual([
    "postgres://a@b/c",
    "postgresql://a@b/c",
  ]);
});

test("a full disk has its code and its hint, whichever file was being written", () => {
  const full = [
    Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }),
    Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" }),
  ];
  for (const cause of full) {
    notes = "";
    expect(reportFailure(cause, false)).toBe(1);
    expect(notes).toBe(`HP_DISK_FULL: ${cause.message}\nhint: Free space on the agent's disk.\n`);
  }
  notes = "";
  expect(reportFailure(new Error("a bug"), false)).toBe(1);
  expect(notes).toMatch(/^HP_INTERNAL: a bug\nhint: .*report it.*\nError: a bug\n[^]*program\.test\.ts/);
});

test("an error made of another one is of the one class", () => {
  const error = HoldpointError.from(new Error("x"), "HP_BUSY");
  expect(error).toBeInstanceOf(HoldpointError);
  expect(HoldpointError.from(error, "HP_TIMEOUT")).toBe(error);
});

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const dir = mkdtempSync(join(tmpdir(), "holdpoint-hub-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Run {
  readonly line: Promise<Record<string, unknown>>;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
  stop(): void;
}

function hub(...words: string[]): Run {
  const entry = join(import.meta.dirname, "../../edge-agent/main.node.ts");
  const child = spawn(process.execPath, [entry, "hub", ...words, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  const line = new Promise<Record<string, unknown>>((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      stdout += String(chunk);
      if (stdout.includes("\n")) resolve(JSON.parse(stdout.split("\n")[0] ?? "") as Record<string, unknown>);
    });
    child.once("exit", () => reject(new Error(`it ended: ${stderr}`)));
  });
  line.catch(() => undefined);
  const ended = new Promise<Awaited<Run["ended"]>>((resolve) => {
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
  return { line, ended, stop: () => void child.kill("SIGTERM") };
}

test("the command starts with nothing but a place, shows its secrets once, and stops when it is told", async () => {
  const words = ["--data", join(dir, "hub"), "--port", "0"];
  const first = hub(...words);
  const told = await first.line;
  expect(told).toMatchObject({ database: "sqlite", adminToken: expect.stringMatching(/^hpt_[0-9a-f]{64}$/) as string });
  const token = String(told["adminToken"]);
  const people = await fetch(`${String(told["url"])}/v1/people`, { headers: { authorization: `Bearer ${token}` } });
  expect(people.status).toBe(200);
  const beside = await hub(...words).ended;
  expect(beside).toMatchObject({ code: 1, stdout: expect.stringContaining("HP_LOCKED") as string });
  first.stop();
  const { code, stderr } = await first.ended;
  expect(code).toBe(0);
  expect(stderr).not.toMatch(/hp[ti]_[0-9a-f]{8}/);
  const second = hub(...words);
  expect(await second.line).toMatchObject({ hubId: told["hubId"], adminToken: null, invitation: null });
  second.stop();
  expect(await second.ended).toMatchObject({ code: 0 });
  const unusable = [
    ["--public-url", "hub.example"],
    ["--oidc-issuer", "https://login.example"],
    ["--proxy", "nowhere"],
  ];
  for (const more of unusable) expect((await hub(...words, ...more).ended).code).toBe(2);
}, 120_000);

test("a first start that ends at a taken port leaves the secrets to the start that listens", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const taken = String((other.address() as AddressInfo).port);
  const place = ["--data", join(dir, "unlucky")];
  const failed = await hub(...place, "--port", taken).ended;
  other.close();
  expect(failed).toMatchObject({ code: 1, stdout: expect.stringContaining("HP_PORT") as string });
  const run = hub(...place, "--port", "0");
  expect(await run.line).toMatchObject({
    adminToken: expect.stringMatching(/^hpt_/) as string,
    invitation: expect.stringContaining("/invitation#hpi_") as string,
  });
  run.stop();
  await run.ended;
}, 120_000);

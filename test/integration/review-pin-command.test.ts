import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const dir = mkdtempSync(join(tmpdir(), "holdpoint-pin-"));
const data = join(dir, "data");
const entry = join(import.meta.dirname, "../../edge-agent/main.node.ts");
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const pin = (): Promise<{ readonly code: unknown; readonly stdout: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [entry, "review", "pin", "--data", data, "--json"], (error, stdout) =>
      resolve({ code: error ? error.code : 0, stdout }),
    );
  });

/** Runs an agent until the work is done, and ends it as an operator does. */
async function whileAgentRuns(
  flags: readonly string[],
  work: (told: { readonly pin: string | null }) => Promise<void>,
) {
  writeFileSync(join(dir, "store.yaml"), "store_id: store_1\n");
  const ports = ["--mqtt-port", "0", "--http-port", "0", "--review-port", "0"];
  const words = [
    entry,
    "agent",
    join(dir, "store.yaml"),
    "--data",
    data,
    "--json",
    "--log",
    "silent",
    ...ports,
    ...flags,
  ];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  try {
    const [line] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
    await work(JSON.parse(line) as { readonly pin: string | null });
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

test("the PIN is shown while an agent serves the review page, and no longer", async () => {
  await whileAgentRuns([], async (told) => {
    const { code, stdout } = await pin();
    expect([code, (JSON.parse(stdout) as { readonly pin: string }).pin]).toEqual([0, told.pin]);
  });
  expect(await pin()).toMatchObject({ code: 2, stdout: expect.stringContaining("HP_NOT_FOUND") as string });

  // What a killed agent left behind is not shown for one that serves no page.
  writeFileSync(join(data, "review-pairing.json"), JSON.stringify({ url: "http://127.0.0.1:1", pin: "1", qrText: "" }));
  await whileAgentRuns(["--no-review"], async () => {
    expect((await pin()).code).toBe(2);
  });
}, 60_000);

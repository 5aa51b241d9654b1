import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../support/agent-process.ts";

const run = promisify(execFile);

interface Package {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
}

describe("the package without its optional peers", () => {
  let folder: string;
  let entries: readonly string[];
  const command = (...args: string[]): Promise<{ stdout: string }> =>
    run(process.execPath, [join(folder, "node_modules/holdpoint/dist/edge-agent/main.node.js"), ...args], {
      cwd: folder,
    });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "holdpoint-peers-"));
    const installed = join(folder, "node_modules/holdpoint");
    await mkdir(installed, { recursive: true });
    await cp(join(root, "dist"), join(installed, "dist"), { recursive: true });
    await cp(join(root, "models/zoo"), join(installed, "models/zoo"), { recursive: true });
    await cp(join(root, "package.json"), join(installed, "package.json"));
    const found = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as Package;
    for (const name of Object.keys(found.dependencies)) {
      const link = join(folder, "node_modules", name);
      await mkdir(dirname(link), { recursive: true });
      await symlink(join(root, "node_modules", name), link);
    }
    entries = Object.keys(found.exports).filter((entry) => entry !== "./package.json" && entry !== "./models/web");
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("loads every entry point", async () => {
    expect(entries.length).toBeGreaterThan(5);
    const names = entries.map((entry) => `holdpoint${entry.slice(1)}`);
    const program = `for (const name of ${JSON.stringify(names)}) await import(name); console.log("loaded");`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { cwd: folder });
    expect(stdout.trim()).toBe("loaded");
  });

  it("shows an error under the name of its class, which a bundler changes where the class names itself", async () => {
    const program = `import { HoldpointError } from "holdpoint/protocol"; console.log(new HoldpointError("HP_BUSY", "x"));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { cwd: folder });
    expect(stdout).toMatch(/^HoldpointError: x\n/);
  });

  it("helps, and names the package to install where one is needed", async () => {
    expect((await command("--help")).stdout).toContain("Confidence-gated decisions");
    await writeFile(join(folder, "store.yaml"), "store_id: store_1\ntasks: { shelf: {} }\n");
    const failures = [
      command("agent", "store.yaml", "--log", "silent"),
      command("model", "import", "node_modules/holdpoint/models/zoo/product-id"),
    ].map((started) =>
      started.then(
        () => "",
        (error: unknown) => (error as { stderr: string }).stderr,
      ),
    );
    for (const text of await Promise.all(failures)) {
      expect(text).toMatch(/HP_RUNTIME_MISSING.*\n.*npm install \S+/);
      expect(text).not.toContain("    at ");
    }
  });
});

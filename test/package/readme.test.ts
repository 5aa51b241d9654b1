import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { importModel } from "../../models/index.node.ts";
import { agentPlace, root, startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";

const run = promisify(execFile);
const readme = readFileSync(join(root, "README.md"), "utf8");
const snippets = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, text = ""]) => text);

/** What a snippet leaves to its reader: a picture, a secret, somebody to ask. */
const before = `
import { readFileSync } from "node:fs";
import { type Decision, type ReviewAnswer } from "holdpoint/protocol";
const data: Uint8Array = readFileSync("shelf.jpg");
const secret = process.env["SECRET"] ?? "";
const askSomebody = (_decision: Decision): Promise<ReviewAnswer> => Promise.resolve({ kind: "label", label: "Banana" });
`;

describe("the README's snippets", () => {
  const folder = join(root, "temp/readme");
  let place: AgentPlace;
  let agent: AgentProcess;
  beforeAll(async () => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "shelf.jpg"), (await drawShelfCrop(1)).jpeg);
    const registryDir = join(folder, ".holdpoint/models");
    const imported = await importModel(join(root, "models/zoo/product-id"), { registryDir, activate: true });
    if (!imported.ok) throw imported.error;
    place = await agentPlace({ config: await readFile(join(root, "test/fixtures/readme-store.yaml"), "utf8") });
    agent = await startAgentProcess(place);
    const ends = [
      "\nawait decider.close();\nconsole.log(final.status);",
      "\nawait client.close();\nconsole.log(decision.task);",
    ];
    for (const [i, snippet] of snippets.entries()) {
      const text = snippet.replace("mqtt://127.0.0.1:1883", `mqtt://127.0.0.1:${agent.mqttPort}`);
      await writeFile(join(folder, `snippet-${i}.ts`), `${before}${text}${ends[i] ?? ""}\n`);
    }
  });
  afterAll(async () => {
    await agent.stop();
    await place.remove();
  });

  it("are two, and compile against the built package", async () => {
    expect(snippets).toHaveLength(2);
    const options = { extends: "../../tsconfig.base.json", compilerOptions: { types: ["node"] }, include: ["*.ts"] };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(options));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    await expect(run(process.execPath, [tsc, "-p", folder])).resolves.toMatchObject({ stdout: "" });
  });

  it("run: the embedded decider comes to a final decision, the client to one of the agent's", async () => {
    const outputs = ["final", "product_identification"];
    for (const [i, output] of outputs.entries()) {
      const env = { ...process.env, SECRET: place.devices["camera-1"] };
      const { stdout } = await run(process.execPath, [`snippet-${i}.ts`], { cwd: folder, env, timeout: 30_000 });
      expect(stdout.trim()).toBe(output);
    }
  });

  it("and every file that it links to is there", () => {
    const links = [...readme.matchAll(/\]\(((?!http)[^)#]+)/g)].map(([, path = ""]) => path);
    expect(links.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

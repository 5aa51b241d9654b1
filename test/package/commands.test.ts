import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { root } from "../support/agent-process.ts";

const entry = join(root, "dist/edge-agent/main.node.js");
const page = join(root, "docs/commands.md");

const head = `# Commands

Exit code 0 on success, 2 on bad input, 1 where something failed (a broken chain, a replay that differs, an agent that
could not go on). \`--json\` prints one value for machines on stdout; notes and logs go to stderr. In a checkout, after
\`npm run build\`: \`npm run --silent holdpoint -- <command>\`.

<!-- Written from the commands' own help: UPDATE_DOCS=1 npx vitest run test/package/commands.test.ts -->
`;

async function help(...path: string[]): Promise<string> {
  const env = { ...process.env, COLUMNS: "120" };
  const { stdout } = await promisify(execFile)(process.execPath, [entry, ...path, "--help"], { env });
  return stdout.trimEnd();
}

/** Names of the subcommands that a help text lists. */
function subcommands(text: string): readonly string[] {
  const list = text.split("\nCommands:\n")[1] ?? "";
  return [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
}

async function sections(path: readonly string[]): Promise<string[]> {
  const text = await help(...path);
  const children: string[] = [];
  for (const name of subcommands(text)) children.push(...(await sections([...path, name])));
  return [`\n## ${["holdpoint", ...path].join(" ")}\n\n\`\`\`text\n${text}\n\`\`\`\n`, ...children];
}

describe("docs/commands.md", () => {
  it("is every command's own help", async () => {
    const written = head + (await sections([])).join("");
    if (process.env["UPDATE_DOCS"] === "1") await writeFile(page, written);
    expect(await readFile(page, "utf8")).toBe(written);
  });
});

it("a reader that has enough, as `head` does, is no fault of a command", async () => {
  const child = spawn(process.execPath, [entry, "config", "keys"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let told = "";
  child.stderr.on("data", (bytes: Buffer) => (told += bytes.toString()));
  const [code] = (await once(child, "close")) as [number];
  expect([code, told]).toEqual([0, ""]);
});

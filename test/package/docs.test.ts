import { globSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { errorCatalogue, limits, reasons } from "../../protocol/index.ts";

const doc = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");

/** Rows of a Markdown table whose first cell is code, cells trimmed. */
function rows(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

describe("the documentation is the code's", () => {
  it("docs/errors.md lists every error code with its HTTP status, retry and hint", () => {
    const documented = rows(doc("errors.md")).map(([code, status, retry, hint]) => ({ code, status, retry, hint }));
    const actual = Object.entries(errorCatalogue).map(([code, { status, retry, hint }]) => {
      return { code: `\`${code}\``, status: String(status), retry, hint };
    });
    expect(documented).toEqual(actual);
  });

  it("every document that a hint names is in the package", () => {
    const root = new URL("../../", import.meta.url).pathname;
    const { files } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { readonly files: readonly string[] };
    const packed = new Set(files.flatMap((pattern) => globSync(pattern, { cwd: root })));
    const named = Object.values(errorCatalogue).flatMap(({ hint }) => hint.match(/docs\/[\w-]+\.md/g) ?? []);
    expect(named).toContain("docs/messages.md");
    expect(named.filter((name) => !packed.has(name))).toEqual([]);
  });

  it("docs/decisions.md explains every reason", () => {
    const documented = rows(doc("decisions.md").split("## Reasons")[1]?.split("## ")[0] ?? "").map(([name]) => name);
    expect(documented.sort()).toEqual(reasons.map((reason) => `\`${reason}\``).sort());
  });

  it("docs/limits.md states every limit of the protocol with its value", () => {
    const documented = rows(doc("limits.md").split("## Of the wire")[1]?.split("## ")[0] ?? "");
    const stated = documented.map(([name, value]) => [name, Number(value?.replaceAll(",", ""))]);
    expect(stated).toEqual(Object.entries(limits).map(([name, value]) => [`\`${name}\``, value]));
  });
});

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";

interface Rule {
  readonly name: string;
  readonly comment?: string;
}
const require = createRequire(import.meta.url);
const { forbidden } = require("../../.dependency-cruiser.cjs") as { forbidden: readonly Rule[] };
const page = readFileSync(new URL("../../ARCHITECTURE.md", import.meta.url), "utf8");

describe("ARCHITECTURE.md", () => {
  it("has the import table that the build enforces", () => {
    const section = page.split("## Who may import whom")[1]?.split("## ")[0] ?? "";
    const table = section
      .split("\n")
      .filter((line) => line.startsWith("| ") && !line.startsWith("| from") && !line.startsWith("| ---"))
      .map((line) => line.split("|").map((cell) => cell.trim()))
      .map(([, from, allowed]) => `${from ?? ""} may import only ${allowed ?? ""} (ARCHITECTURE.md)`);
    const enforced = forbidden.filter(({ name }) => name.startsWith("layer-")).map(({ comment }) => comment);
    expect(table).toEqual(enforced);
  });
});

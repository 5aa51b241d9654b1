import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { conditionRows, keyRows, keyTableMarkdown, resolveConfig } from "../../config/index.ts";
import { universalHasher } from "../../protocol/index.ts";

const docs = readFileSync(new URL("../../docs/config.md", import.meta.url), "utf8");

/** The formatter pads tables; only the words count. */
function words(markdown: string): string {
  return markdown
    .replace(/-{3,}/g, "---")
    .replace(/[ \t]+/g, " ")
    .trim();
}

test("docs/config.md lists every key with its default, as the schema has it", () => {
  const hint = "print the table with `holdpoint config keys` and put it into docs/config.md";
  expect(words(docs), hint).toContain(words(keyTableMarkdown(keyRows())));
});

test("docs/config.md lists every key of a condition", () => {
  expect(words(docs)).toContain(words(keyTableMarkdown(conditionRows())));
});

test("every key has a meaning", () => {
  for (const row of [...keyRows(), ...conditionRows()]) expect(row.description, row.key).toMatch(/\.$/);
});

test("the defaults in the table are the defaults in force", () => {
  const stated = new Map(keyRows().map((row) => [row.key.replace("<task>", "shelf"), row.default]));
  const yaml = (key: string): string => stated.get(key) ?? "";
  const task = [
    "decide_within",
    "review_within",
    "fallback",
    "escalations_per_hour",
    "audit_share",
    "question",
    "labels",
    "rules",
  ];
  const text = [
    "store_id: s",
    `models: { shelf: { batch_size: ${yaml("models.shelf.batch_size")} } }`,
    `thresholds: { shelf: ${yaml("thresholds.shelf")} }`,
    `tasks: { shelf: { ${task.map((name) => `${name}: ${yaml(`tasks.shelf.${name}`)}`).join(", ")} } }`,
    `retention: { ${["journal_bytes", "input_keep", "unanswered_max"].map((name) => `${name}: ${yaml(`retention.${name}`)}`).join(", ")} }`,
  ].join("\n");
  const digest = (config: string): string => {
    const resolved = resolveConfig([{ layer: "store", file: "s", text: config }], universalHasher);
    if (!resolved.ok) throw resolved.error;
    return resolved.value.config.digest;
  };
  expect(digest(text)).toBe(digest("store_id: s\ntasks: { shelf: }"));
});

test("every YAML example in docs/config.md is a layer without a fault", () => {
  const examples = [...docs.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml = ""]) => yaml);
  expect(examples.length).toBeGreaterThanOrEqual(4);
  for (const yaml of examples) {
    const layers = [
      { layer: "fleet", file: "id.yaml", text: "store_id: s" },
      { layer: "store", file: "example.yaml", text: yaml },
    ] as const;
    const resolved = resolveConfig(layers, universalHasher);
    expect(resolved.ok ? "" : `${resolved.error.message}\n${yaml}`).toBe("");
  }
});

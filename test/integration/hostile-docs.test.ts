import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createMetrics } from "../../edge-agent/metrics.node.ts";
import { errorCatalogue, reasons, type Decision } from "../../protocol/index.ts";

const text = readFileSync(new URL("../../docs/hostile-input.md", import.meta.url), "utf8");
const found = (pattern: RegExp): string[] => [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ""))];

it("docs/hostile-input.md names tests, codes and reasons that exist", () => {
  const links = found(/\]\(\.\.\/(test\/[^)]+)\)/g);
  expect(links.length).toBeGreaterThan(8);
  expect(links.filter((link) => !existsSync(new URL(`../../${link}`, import.meta.url)))).toEqual([]);
  const codes = found(/`(HP_[A-Z_]+)`/g);
  expect(codes.length).toBeGreaterThan(15);
  expect(codes.filter((code) => !Object.hasOwn(errorCatalogue, code))).toEqual([]);
  const named = found(/`escalate`, `([a-z_]+)`/g);
  expect(named.length).toBeGreaterThan(4);
  expect(named.filter((name) => !reasons.some((reason) => reason === name))).toEqual([]);
});

it("docs/hostile-input.md names metrics that exist, with their labels", async () => {
  const decision = { revision: 1, latencyMs: 1, verdict: "escalate", decidedBy: "model", task: "t" } as const;
  const status = { state: "degraded", reasons: [{ code: "HP_JOURNAL", message: "" }] };
  const metrics = createMetrics({
    status: () => Promise.resolve(status as never),
    counts: () => Promise.resolve({ undelivered: 1 } as never),
  });
  metrics.refused("mqtt", "HP_SCHEMA");
  metrics.decided({ ...decision, reasons: ["bad_picture"] } as unknown as Decision);
  const { body } = await metrics.text();
  metrics.close();
  for (const name of found(/`(holdpoint_[a-z_]+)[`{]/g)) expect(body).toMatch(new RegExp(`^${name}[ {]`, "m"));
  for (const line of found(/`(holdpoint_[a-z_]+\{[^}]+\})`/g)) {
    const [name = "", labels = ""] = line.slice(0, -1).split("{");
    const written = labels
      .split(", ")
      .map((label) => `${label}="[^"]*"`)
      .join(",");
    expect(body).toMatch(new RegExp(`^${name}\\{${written}\\}`, "m"));
  }
});

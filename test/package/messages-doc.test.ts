import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  decisionSchema,
  inputSchema,
  parseDecision,
  parseObservedEvent,
  parseOutcome,
  parseRequest,
} from "../../protocol/index.ts";

const page = readFileSync(new URL("../../docs/messages.md", import.meta.url), "utf8");
const examples = (mark: string): readonly string[] =>
  [...page.matchAll(new RegExp(`\`\`\`json${mark}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, text = ""]) => text);
const bytes = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === "string" ? value.trim() : JSON.stringify(value));

describe("docs/messages.md", () => {
  const [request = ""] = examples("");

  it("has a request that is one, and an example of every kind of input", () => {
    expect(parseRequest(bytes(request))).toMatchObject({ ok: true });
    const inputs = examples(" input").map((text) => JSON.parse(text) as { kind: string });
    for (const input of inputs) {
      const message = { ...(JSON.parse(request) as object), input };
      expect(parseRequest(bytes(message))).toMatchObject({ ok: true });
    }
    const kinds = inputSchema.options.map((option) => option.shape.kind.value);
    expect(inputs.map(({ kind }) => kind)).toEqual(kinds);
  });

  it("has a decision, an outcome and an event that are ones, and explains every field of a decision", () => {
    expect(examples(" decision").map((text) => parseDecision(bytes(text)).ok)).toEqual([true]);
    expect(examples(" outcome").map((text) => parseOutcome(bytes(text)).ok)).toEqual([true]);
    expect(examples(" event").map((text) => parseObservedEvent(bytes(text)).ok)).toEqual([true]);
    for (const field of Object.keys(decisionSchema.shape)) expect(page).toContain(`\`${field}\``);
  });
});

import { describe, expect, it } from "vitest";
import {
  emptyEntry,
  resolveVersion,
  transitionRegistry,
  type RegistryEntry,
  type RegistryEvent,
  type RegistryVersion,
} from "../../models/registry-machine.ts";

const version = (text: string, manifestDigest = `m${text}`): RegistryVersion => ({
  version: text,
  manifestDigest,
  modelDigest: `d${text}`,
  batchProven: 8,
  importedAtMs: 1,
  wasActive: false,
});

/** Plays events; a refused one ends the play with its name. */
function play(events: readonly RegistryEvent[], entry = emptyEntry("m")): RegistryEntry | string {
  let now = entry;
  for (const event of events) {
    const step = transitionRegistry(now, event);
    if (!step.ok) return step.refusal;
    now = step.entry;
  }
  return now;
}

const imported = (text: string): RegistryEvent => ({ kind: "imported", version: version(text) });
const activated = (text: string): RegistryEvent => ({ kind: "activated", version: text });
const back: RegistryEvent = { kind: "rolled_back" };
const removed = (text: string): RegistryEvent => ({ kind: "removed", version: text });

type Marks = Pick<RegistryEntry, "staged" | "active" | "previous">;
const marks = (entry: RegistryEntry | string): Marks | string =>
  typeof entry === "string" ? entry : { staged: entry.staged, active: entry.active, previous: entry.previous };

describe("a model's versions in the registry", () => {
  const nothing: readonly RegistryEvent[] = [];
  const staged = [imported("1.0.0")];
  const active = [...staged, activated("1.0.0")];
  const both = [...active, imported("2.0.0"), activated("2.0.0")];

  it.each([
    ["empty", nothing, imported("1.0.0"), { staged: "1.0.0", active: null, previous: null }],
    ["empty", nothing, activated("1.0.0"), "unknown_version"],
    ["empty", nothing, back, "no_previous"],
    ["empty", nothing, removed("1.0.0"), "unknown_version"],
    ["staged", staged, imported("1.0.0"), { staged: "1.0.0", active: null, previous: null }],
    ["staged", staged, activated("1.0.0"), { staged: null, active: "1.0.0", previous: null }],
    ["staged", staged, back, "no_previous"],
    ["staged", staged, removed("1.0.0"), { staged: null, active: null, previous: null }],
    ["active", active, imported("2.0.0"), { staged: "2.0.0", active: "1.0.0", previous: null }],
    ["active", active, activated("1.0.0"), { staged: null, active: "1.0.0", previous: null }],
    ["active", active, back, "no_previous"],
    ["active", active, removed("1.0.0"), "in_use"],
    ["replaced", both, imported("1.0.0"), { staged: null, active: "2.0.0", previous: "1.0.0" }],
    ["replaced", both, activated("1.0.0"), { staged: null, active: "1.0.0", previous: "2.0.0" }],
    ["replaced", both, back, { staged: null, active: "1.0.0", previous: "2.0.0" }],
    ["replaced", both, removed("1.0.0"), "in_use"],
  ] as const)("%s: %#", (_name, before, event, after) => {
    expect(marks(play([...before, event]))).toEqual(after);
  });

  it("refuses other content under a version that exists", () => {
    expect(play([...staged, { kind: "imported", version: version("1.0.0", "other") }])).toBe("other_content");
  });

  it("goes forward again on a second rollback", () => {
    expect(marks(play([...both, back, back]))).toEqual({ staged: null, active: "2.0.0", previous: "1.0.0" });
  });

  it("resolves a range to the active version, an exact one to whatever was imported, never to a staged one", () => {
    const entry = play([...both, back, imported("2.1.0")]) as RegistryEntry;
    const found = (range: string): string | undefined => resolveVersion(entry, range)?.version;
    expect(found("*")).toBe("1.0.0");
    expect(found("^1")).toBe("1.0.0");
    expect(found("^2")).toBe("2.0.0");
    expect(found("2.1.0")).toBe("2.1.0");
    expect(found("^2.1")).toBeUndefined();
    expect(found("^3")).toBeUndefined();
  });
});

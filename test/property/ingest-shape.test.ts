import fc from "fast-check";
import { expect, test } from "vitest";
import { isPlainCaseBody, isPlainIngest } from "../../cloud-sync/hub/ingest/plain-calls.ts";
import { ingestRequestSchema, outboxBodies, type IngestRequest } from "../../protocol/index.ts";
import { escalation, heldDecision, revisionOf, sampled } from "../support/hub-items.ts";

const odd = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, -1, 0, -0, 0.5, 1.5, NaN, Infinity, 2 ** 53, 8.64e15, 1e17, true, false),
  fc.constantFrom<unknown>("", "x", "escalation", "final", "coarse", "image/png", "x".repeat(1025), "a".repeat(64)),
  fc.constantFrom<unknown>([], {}, [1], ["below_gate"], [[]], new Uint8Array(3), new Date(0), "toString"),
  fc.string({ maxLength: 40 }),
  fc.integer(),
);
const added = fc.constantFrom("more", "v", "lease", "toString", "constructor");

/** Every member of the value, as paths. */
function pathsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return [path];
  return [path, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}

/** The value with something odd in one place, or with a member that nobody expects there, or without one. */
function changed(value: unknown, [key, ...rest]: readonly string[], extra: string | null, put: unknown): unknown {
  if (key === undefined) {
    const isPlain = typeof value === "object" && value !== null && !Array.isArray(value);
    return extra !== null && isPlain ? { ...value, [extra]: put } : put;
  }
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<string, unknown>;
  if (rest.length === 0 && extra === "without") {
    // A list without one of its items would have a hole, which no decoder makes.
    if (!Array.isArray(value)) Reflect.deleteProperty(copy, key);
    return copy;
  }
  copy[key] = changed(copy[key], rest, extra, put);
  return copy;
}

function changesOf(base: unknown): fc.Arbitrary<readonly [readonly string[], string | null, unknown]> {
  const extra = fc.oneof(fc.constantFrom<string | null>(null, "without"), added);
  return fc.tuple(fc.constantFrom(...pathsOf(base)), extra, odd);
}

const picture = new Uint8Array([1, 2, 3]);

interface Body {
  readonly sample: object;
}

const secondAnswer = {
  ...{ rung: "coarse", label: "Apple", confidence: 0.9, calibration: "none" },
  ...{ gateThreshold: 0.95, certificate: "c2", accepts: false },
};

/** A call as an agent with all kinds of rows makes it. */
function wholeCall(): IngestRequest {
  const decision = heldDecision();
  const shown = escalation(2, heldDecision(), picture);
  const brief = shown.brief && {
    ...shown.brief,
    ...{ costs: { review: 0.2, wrongAccept: 2 }, isEvicted: false, reviewLeftMs: null },
    view: {
      ...shown.brief.view,
      ...{ explanation: "why", facts: [{ name: "a", value: "b" }], context: { basket: "b", lane: 3, open: true } },
      series: [{ name: "weight", points: [1, 2.5], seconds: 4 }],
    },
  };
  return {
    ...{ v: 1, epoch: "e1", from: 1, lastSeq: 3, skipped: 0 },
    items: [sampled(escalation(1, decision)), { ...shown, ...(brief ? { brief } : {}) }, revisionOf(3, decision, "x")],
    pictures: [{ id: shown.id, sha256: "a".repeat(64), data: picture }],
  };
}

test("of an ingest call, whatever the short way takes, the schema takes, and leaves as it is", () => {
  const base = wholeCall();
  expect(isPlainIngest(base)).toBe(true);
  let taken = 0;
  fc.assert(
    fc.property(fc.array(changesOf(base), { maxLength: 2 }), (changes) => {
      const call = changes.reduce<unknown>((value, [path, extra, put]) => tried(value, path, extra, put), base);
      if (!isPlainIngest(call)) return;
      taken += 1;
      const checked = ingestRequestSchema.safeParse(call);
      expect(checked.error?.issues ?? []).toEqual([]);
      expect(checked.data).toEqual(call);
    }),
    { numRuns: 8000 },
  );
  expect(taken).toBeGreaterThan(500);
});

test("of a case's body, whatever the short way takes, the schema takes, and leaves as it is", () => {
  const decision = { ...heldDecision(), explanation: "why", certificate: "c1" };
  const plain = JSON.parse(sampled(escalation(1, { ...decision, answer: { label: "x", value: 3 } })).body) as Body;
  const base = { ...plain, sample: { ...plain.sample, second: secondAnswer, groups: "b".repeat(64) } };
  expect(isPlainCaseBody(base)).toBe(true);
  let taken = 0;
  fc.assert(
    fc.property(fc.array(changesOf(base), { maxLength: 2 }), (changes) => {
      const body = changes.reduce<unknown>((value, [path, extra, put]) => tried(value, path, extra, put), base);
      if (!isPlainCaseBody(body)) return;
      taken += 1;
      const checked = outboxBodies.escalation.safeParse(body);
      expect(checked.error?.issues ?? []).toEqual([]);
      expect(checked.data).toEqual(body);
    }),
    { numRuns: 8000 },
  );
  expect(taken).toBeGreaterThan(500);
});

test("usual calls and bodies go the short way", () => {
  const item = escalation(1, heldDecision(), picture);
  expect(isPlainIngest({ v: 1, epoch: "e", from: 1, lastSeq: 1, items: [item] })).toBe(true);
  expect(isPlainIngest({ v: 1, epoch: "e", from: 1, lastSeq: 0, items: [] })).toBe(true);
  expect(isPlainCaseBody(JSON.parse(item.body))).toBe(true);
  expect(isPlainCaseBody(JSON.parse(escalation(1, { ...heldDecision(), answer: null, model: null }).body))).toBe(true);
});

/** A path of the first change may be gone after it. */
function tried(value: unknown, path: readonly string[], extra: string | null, put: unknown): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return value;
    at = (at as Record<string, unknown>)[key];
  }
  return changed(value, path, extra, put);
}

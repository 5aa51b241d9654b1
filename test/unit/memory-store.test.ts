import { describe, expect, it } from "vitest";
import { decide } from "../../sdk/index.ts";
import { memoryStore } from "../../sdk/memory-store.ts";
import { decideInputs, evidence } from "../support/policies.ts";
import { requestOf } from "../support/requests.ts";

const idOf = (n: number): string => `0193a3f2-7d1c-7abc-8def-${n.toString(16).padStart(12, "0")}`;
const digestOf = (n: number): Uint8Array => new Uint8Array(32).fill(n % 251);

function storeOf() {
  const store = memoryStore();
  const admit = (n: number, digest = digestOf(n)) =>
    store.admit({ request: requestOf({ id: idOf(n) }), bodyDigest: digest, receivedAtMs: n, keepInput: true });
  const take = async (n: number, confidence: number): Promise<void> => {
    await admit(n);
    const { decision, trace, audit } = decide(decideInputs({ id: idOf(n), finding: evidence(confidence) }));
    await store.decide({ decision, trace, audit, reviewWithinMs: null });
  };
  return { store, admit, take };
}

describe("the memory of the embedded decider", () => {
  it("keeps ten thousand final cases, forgets those long gone, and never one that waits for a person", async () => {
    const { store, take } = storeOf();
    await take(0, 0.5);
    for (let n = 1; n <= 30_001; n += 1) await take(n, 0.99);
    expect(await store.find(idOf(1))).toBeNull();
    expect(await store.find(idOf(20_002))).toMatchObject({ decision: { verdict: "accept" } });
    expect(await store.find(idOf(0))).toMatchObject({ decision: { status: "pending" }, receivedAtMs: 0 });
  });

  it("tells a repeat from another body, and keeps no bytes", async () => {
    const { store, admit, take } = storeOf();
    await take(1, 0.99);
    expect(await admit(1)).toMatchObject({ kind: "known", decision: { verdict: "accept" } });
    expect(await admit(1, digestOf(2))).toEqual({ kind: "conflict" });
    const known = await store.find(idOf(1));
    expect(known?.request.input).toMatchObject({ data: new Uint8Array(0) });
  });
});

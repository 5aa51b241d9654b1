import { describe, expect, it } from "vitest";
import { ok, universalHasher, type Input } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { inlineHost, stubRuntime, type ModelHost, type StubAnswer } from "../../models/index.ts";
import { bytesAtHand } from "../../models/runtimes/inline-host.ts";
import { stubModels } from "../../testing/stub-models.ts";
import { linearModel, manifestOf, pair, wanted } from "../support/models-fixtures.ts";

const inputs: readonly Input[] = [
  { kind: "features", values: { a: 1 } },
  { kind: "pixels", width: 1, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3) },
  { kind: "image", encoding: "jpeg", data: Uint8Array.of(1, 2, 3) },
  { kind: "entity", entity: "e" },
];

const failures: readonly (readonly [StubAnswer, string])[] = [
  [{ kind: "nan" }, "not_finite"],
  [{ kind: "throws", message: "broken" }, "model_error"],
  [{ kind: "wrong_shape" }, "model_output"],
  [{ kind: "outputs", values: [0.5, 4] }, "model_output"],
];

describe("stub models for users' tests", () => {
  it("serve any task and any input, the same way every time", async () => {
    const answers = await Promise.all(
      [1, 2].map(async () => {
        const host = stubModels({ timers: systemTimers, labels: { colour: ["red", "green", "blue"] } });
        await host.apply([wanted("colour", "any"), wanted("other", "any")]);
        const results = await Promise.all(inputs.map((input, i) => host.predict("colour", String(i), input)));
        expect((await host.predict("other", "1", pair(1, 2))).by?.labels).toEqual(["yes", "no"]);
        return results.map((result) => (result.ok ? Array.from(result.prediction.probabilities) : result.reason));
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
    expect(new Set(answers[0]?.map(String)).size).toBe(inputs.length);
  });

  it.each(failures)("fail as they are told: %o", async (answer, reason) => {
    const host = stubModels({ timers: systemTimers, answer: () => answer });
    await host.apply([wanted("t", "any")]);
    expect(await host.predict("t", "1", pair(1, 2))).toMatchObject({ ok: false, reason });
  });

  it("can be closed although an answer hangs", async () => {
    const host = stubModels({ timers: systemTimers, answer: () => ({ kind: "hang" }) });
    await host.apply([wanted("t", "any")]);
    void host.predict("t", "1", pair(1, 2));
    await host.close();
  });
});

describe("the stub runtime", () => {
  const open = async (answer?: (row: Uint8Array) => StubAnswer): Promise<ModelHost> => {
    const manifest = manifestOf(linearModel(), {
      outputs: [{ name: "y", dtype: "float32", shape: ["batch", 2], meaning: "probabilities" }],
    });
    const host = inlineHost({
      runtime: stubRuntime({ hasher: universalHasher, timers: systemTimers, ...(answer ? { answer } : {}) }),
      clock: systemClock,
      timers: systemTimers,
      decode: () => Promise.reject(new Error("no pictures here")),
      read: bytesAtHand,
      find: (one) =>
        Promise.resolve(ok({ wanted: one, manifest, file: null, bytes: new Uint8Array(1), batchProven: 4 })),
    });
    await host.apply([wanted("t", "any", 4)]);
    return host;
  };

  it("fails one row of a batch and answers the others", async () => {
    const bad = (row: Uint8Array): boolean => new Float32Array(row.slice().buffer)[0] === 13;
    const host = await open((row) =>
      bad(row) ? { kind: "throws", message: "row 13" } : { kind: "outputs", values: [0.25, 0.75] },
    );
    const results = await Promise.all([1, 13, 2, 3].map((n) => host.predict("t", String(n), pair(n, 0))));
    expect(results.map((result) => (result.ok ? result.prediction.probabilities[1] : result.reason))).toEqual([
      0.75,
      "model_error",
      0.75,
      0.75,
    ]);
  });

  it("lets nothing pass that is not as long as the manifest says", async () => {
    const host = await open((row) =>
      row[0] === 0 && row[3] === 0 ? { kind: "outputs", values: [0.5, 0.5] } : { kind: "wrong_shape" },
    );
    expect(await host.predict("t", "1", pair(1, 1))).toMatchObject({ ok: false, reason: "model_output" });
  });
});

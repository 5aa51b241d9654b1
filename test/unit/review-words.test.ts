import { describe, expect, it } from "vitest";
import { factsOf } from "../../cloud-sync/review/case-facts.ts";
import { matchingLabels } from "../../cloud-sync/review/page/searching.ts";
import { labelText, leftText, percentText, whyText } from "../../cloud-sync/review/page/wording.ts";
import { pictureType } from "../../edge-agent/review/picture-type.ts";
import { reasons, reviewLimits, type Input } from "../../protocol/index.ts";

const held = { confidence: 0.71, gateThreshold: 0.92, audit: false };

describe("the words of the review page", () => {
  it("has one human sentence for every reason", () => {
    for (const reason of reasons) {
      const text = whyText({ ...held, reasons: [reason] });
      expect(text).toMatch(/^[A-Z][^{}]+\.$/);
      expect(text).not.toContain("_");
    }
    expect(whyText({ ...held, reasons: ["below_gate"] })).toBe(
      "The model is 71% sure. This store asks for at least 92%.",
    );
  });

  it("never shows two different shares as the same", () => {
    const near = { ...held, confidence: 0.9196, gateThreshold: 0.92, reasons: ["below_gate"] };
    expect(whyText(near)).toBe("The model is 91.9% sure. This store asks for at least 92.0%.");
  });

  it("calls nothing certain that is not", () => {
    expect([0, 0.001, 0.62, 0.994, 0.9996, 1].map(percentText)).toEqual(["0%", "<1%", "62%", "99.4%", "99.9%", "100%"]);
  });

  it("says time as people do", () => {
    expect([-5, 900, 61_000, 119_000, 600_000, 9_000_000].map(leftText)).toEqual([
      "due",
      "1 s",
      "61 s",
      "119 s",
      "10 min",
      "3 h",
    ]);
    expect(labelText("God-Morgon_Orange-Juice")).toBe("God Morgon Orange Juice");
  });

  it("ranks labels that begin as typed before those that only contain it", () => {
    const labels = ["Regular-Tomato", "Tomato", "Vine-Tomato", "Automat", "Oat-Milk", "Milk-Oat-Drink"];
    expect(matchingLabels(labels, "tomat")).toEqual(["Tomato", "Vine-Tomato", "Regular-Tomato", "Automat"]);
    expect(matchingLabels(labels, "oat mi")).toEqual(["Oat-Milk", "Milk-Oat-Drink"]);
    expect(matchingLabels(labels, "mat")).toContain("Automat");
    expect(matchingLabels(labels, "zzz")).toEqual([]);
  });

  it("knows a picture by its first bytes alone", () => {
    expect(pictureType(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0))).toBe("image/jpeg");
    expect(pictureType(new TextEncoder().encode("RIFFxxxxWEBPVP8 "))).toBe("image/webp");
    expect(pictureType(new TextEncoder().encode("<svg></svg>"))).toBeNull();
    expect(pictureType(new Uint8Array(0))).toBeNull();
  });
});

describe("the facts of a case without a picture", () => {
  it("draws the step of a scale, first and last sample included", () => {
    const samples = Float32Array.from({ length: 1_000 }, (_, i) => (i < 500 ? 1480 : 1020));
    const input: Input = { kind: "sequence", channels: ["grams"], hertz: 50, data: new Uint8Array(samples.buffer) };
    const { facts, series } = factsOf(input);
    expect(series[0]?.points).toHaveLength(reviewLimits.seriesPointsMax);
    expect([series[0]?.points[0], series[0]?.points.at(-1), series[0]?.seconds]).toEqual([1480, 1020, 20]);
    expect(facts).toContainEqual({ name: "grams", value: "1480 → 1020 (−460)" });
  });

  it("reads each channel of interleaved samples, wherever they start in their buffer", () => {
    const bytes = new Uint8Array(1 + 16);
    bytes.set(new Uint8Array(Float32Array.of(1, 10, 2, 20).buffer), 1);
    const input: Input = { kind: "sequence", channels: ["x", "y"], hertz: 1, data: bytes.subarray(1) };
    expect(factsOf(input).series.map(({ points }) => points)).toEqual([
      [1, 2],
      [10, 20],
    ]);
  });

  it("counts what it leaves out", () => {
    const values = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, i]));
    const { facts } = factsOf({ kind: "features", values });
    expect(facts).toHaveLength(reviewLimits.factsMax);
    expect(facts.at(-1)).toEqual({ name: "not shown", value: "61 further values" });
  });

  it("lists a cart with its weight", () => {
    const items = [{ label: "Banana", count: 2, confidence: 0.93 }];
    expect(factsOf({ kind: "items", items, grams: 1480 }).facts).toEqual([
      { name: "weight", value: "1480 g" },
      { name: "Banana", value: "2 × (93% sure)" },
    ]);
  });
});

import { describe, expect, test } from "vitest";
import { groupedLabels, labelsDigest } from "../../models/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";

describe("labels that people choose among, with the model's groups", () => {
  const model = { labels: ["Kiwi", "Milk", "Lemon"], coarse: { labels: ["Fruit", "Dairy"], of: [0, 1, 0] } };

  test("are the model's unless the config names others", () => {
    expect(groupedLabels([], model)).toEqual({ labels: model.labels, coarse: model.coarse });
    expect(groupedLabels([], null)).toEqual({ labels: [], coarse: null });
    expect(groupedLabels(["Kiwi"], null)).toEqual({ labels: ["Kiwi"], coarse: null });
    expect(groupedLabels(["Kiwi"], { labels: ["Kiwi"], coarse: null })).toEqual({ labels: ["Kiwi"], coarse: null });
  });

  test("of the config are of the model's groups, and of none where the model does not know them", () => {
    const own = ["Milk", "Shoe", "Lemon"];
    expect(groupedLabels(own, model)).toEqual({
      labels: own,
      coarse: { labels: ["Fruit", "Dairy", ""], of: [1, 2, 0] },
    });
    // The same lists for whoever asks again, and others for another model.
    expect(groupedLabels(own, model).coarse).toBe(groupedLabels(own, model).coarse);
    const moved = { ...model, coarse: { ...model.coarse, of: [0, 0, 1] } };
    expect(groupedLabels(own, moved).coarse?.of).toEqual([0, 2, 1]);
  });

  test("have a digest that tells them and their groups apart", () => {
    const digest = (labels: readonly string[], of: readonly number[] | null) =>
      labelsDigest(labels, of && { labels: ["Fruit", "Dairy"], of }, nodeHasher);
    expect(digest(["Kiwi", "Milk"], [0, 1])).toMatch(/^[0-9a-f]{64}$/);
    const all = [digest(["Kiwi", "Milk"], [0, 1]), digest(["Kiwi", "Milk"], [1, 1]), digest(["Kiwi", "Milk"], null)];
    expect(new Set([...all, digest(["Milk", "Kiwi"], [0, 1])]).size).toBe(4);
  });
});

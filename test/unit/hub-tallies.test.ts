import { describe, expect, test } from "vitest";
import { createTaskTallies } from "../../edge-agent/hub-tallies.ts";
import { type ReviewedTask } from "../../edge-agent/review/case-source.ts";
import { heartbeatSchema } from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { type Pipeline } from "../../sdk/index.ts";

const tallies = (asked: ReviewedTask) =>
  createTaskTallies({
    // Of the config it reads the tasks' names.
    pipeline: { config: () => ({ tasks: { shelf: {} } }) } as unknown as Pick<Pipeline, "config">,
    task: () => asked,
    hasher: nodeHasher,
  });
const tasksSchema = heartbeatSchema.shape.tasks;

describe("what the hub is told of a task", () => {
  const labels = ["Kiwi", "Milk", "Lemon"];
  const coarse = { labels: ["Fruit", "Dairy"], of: [0, 1, 0] };

  test("has the labels' groups with the labels, where it has asked for them", () => {
    const told = tallies({ question: "Which?", labels, coarse });
    const [silent] = told.report(new Set());
    expect(silent).not.toHaveProperty("labels");
    expect(silent).not.toHaveProperty("coarse");
    const report = told.report(new Set(["shelf"]));
    expect(report).toMatchObject([{ labels, coarse, labelsDigest: silent?.labelsDigest }]);
    expect(tasksSchema.parse(report)).toEqual(report);
  });

  test("is asked for again where the groups are others, and not where there are none as before", () => {
    const digest = (groups: ReviewedTask["coarse"]) =>
      tallies({ question: "Which?", labels: [...labels], ...(groups === undefined ? {} : { coarse: groups }) }).report(
        new Set(),
      )[0]?.labelsDigest;
    expect(digest(null)).toBe(digest(undefined));
    expect(digest(coarse)).not.toBe(digest(null));
    expect(digest({ ...coarse, of: [0, 1, 1] })).not.toBe(digest(coarse));
  });

  test("is refused where a label is of a group that has no name", () => {
    const report = tallies({ question: "Which?", labels, coarse: { ...coarse, of: [0, 1, 2] } }).report(
      new Set(["shelf"]),
    );
    expect(tasksSchema.safeParse(report).success).toBe(false);
  });
});

import { describe, expect, test } from "vitest";
import { evaluateConditions, readConditions, type Inference } from "../../cloud-sync/hub/drop-in/a2i/activation.ts";
import { readInference } from "../../cloud-sync/hub/drop-in/a2i/inference.ts";

const label = (name: string, confidence: number): Inference => ({ labels: [{ name, confidence }], forms: [] });
const check = (ConditionParameters: object) => ({
  ConditionType: "ModerationLabelConfidenceCheck",
  ConditionParameters,
});
const sampling = (RandomSamplingPercentage: number) => ({
  ...{ ConditionType: "Sampling", ConditionParameters: { RandomSamplingPercentage } },
});

function isActivated(conditions: readonly unknown[], inference: Inference, coin = 0.99): boolean {
  const read = readConditions({ Conditions: conditions });
  if (!read.ok) throw new Error(read.problem);
  return evaluateConditions(read.value, inference, coin).isActivated;
}

describe("activation conditions", () => {
  test("every comparison is as strict as its name", () => {
    const cases: readonly (readonly [string, readonly [number, boolean][]])[] = [
      [
        "ConfidenceEquals",
        [
          [50, true],
          [51, false],
        ],
      ],
      [
        "ConfidenceLessThan",
        [
          [49, true],
          [50, false],
        ],
      ],
      [
        "ConfidenceLessThanEquals",
        [
          [50, true],
          [51, false],
        ],
      ],
      [
        "ConfidenceGreaterThan",
        [
          [51, true],
          [50, false],
        ],
      ],
      [
        "ConfidenceGreaterThanEquals",
        [
          [50, true],
          [49, false],
        ],
      ],
    ];
    for (const [name, expected] of cases) {
      for (const [confidence, held] of expected) {
        const condition = check({ ModerationLabelName: "A", [name]: 50 });
        expect([name, confidence, isActivated([condition], label("A", confidence))]).toEqual([name, confidence, held]);
      }
    }
  });

  test("a name is case-sensitive, and * is any", () => {
    const below = { ConfidenceLessThan: 60 };
    expect(isActivated([check({ ModerationLabelName: "a", ...below })], label("A", 10))).toBe(false);
    expect(isActivated([check({ ModerationLabelName: "*", ...below })], label("A", 10))).toBe(true);
  });

  test("between two bounds means one and the same label", () => {
    const band = {
      And: [
        check({ ModerationLabelName: "*", ConfidenceLessThan: 60 }),
        check({ ModerationLabelName: "*", ConfidenceGreaterThan: 40 }),
      ],
    };
    const two = { labels: [...label("A", 10).labels, ...label("B", 90).labels], forms: [] };
    expect(isActivated([band], two)).toBe(false);
    expect(isActivated([band], label("A", 50))).toBe(true);
  });

  test("one condition of several is enough, and Or and And nest two levels deep and no deeper", () => {
    const never = check({ ModerationLabelName: "A", ConfidenceLessThan: 1 });
    const nested = {
      Or: [never, { And: [sampling(5), check({ ModerationLabelName: "A", ConfidenceGreaterThan: 90 })] }],
    };
    expect(isActivated([never, nested], label("A", 95), 0.04)).toBe(true);
    expect(isActivated([never, nested], label("A", 95), 0.05)).toBe(false);
    expect(readConditions({ Conditions: [{ Or: [never, { And: [never, { Or: [never, never] }] }] }] })).toEqual({
      ...{ ok: false, problem: "Conditions[0].Or[1].And[1]: conditions may be nested 2 levels deep" },
    });
  });

  test.each([
    [{ Conditions: [] }, /list of 1 to 100/],
    [{ Conditions: [{ ConditionType: "Mood" }] }, /unknown ConditionType "Mood"/],
    [{ Conditions: [{ And: [sampling(5)] }] }, /at least 2/],
    [{ Conditions: [sampling(0)] }, /RandomSamplingPercentage/],
    [{ Conditions: [check({ ModerationLabelName: "A", ConfidenceBelow: 5 })] }, /Unrecognized key/],
    [{ Conditions: [{ ...sampling(5), Note: 1 }] }, /unknown key "Note"/],
    [{ Or: [] }, /with Conditions/],
    [null, /with Conditions/],
  ])("what is no condition is refused with its place: %j", (json, problem) => {
    const read = readConditions(json);
    expect(read.ok ? "" : read.problem).toMatch(problem);
  });
});

describe("a form that Textract has read", () => {
  const word = (Id: string, Text: string, Confidence: number) => ({ Id, BlockType: "WORD", Text, Confidence });
  const form = readInference({
    Blocks: [
      {
        ...{ Id: "k", BlockType: "KEY_VALUE_SET", EntityTypes: ["KEY"], Confidence: 55 },
        Relationships: [
          { Type: "VALUE", Ids: ["v"] },
          { Type: "CHILD", Ids: ["w1", "w2"] },
        ],
      },
      {
        ...{ Id: "v", BlockType: "KEY_VALUE_SET", EntityTypes: ["VALUE"], Confidence: 55 },
        Relationships: [{ Type: "CHILD", Ids: ["w3"] }],
      },
      ...[word("w1", "Pay", 80), word("w2", "Date", 81), word("w3", "Friday", 70)],
    ],
  });
  if (!form) throw new Error("not read");
  const important = (more: object) => ({
    ConditionType: "ImportantFormKeyConfidenceCheck",
    ConditionParameters: { ImportantFormKey: "PayDate", ImportantFormKeyAliases: ["Pay Date"], ...more },
  });

  test("a pair goes to people where it and every word of it are in range", () => {
    const both = { KeyValueBlockConfidenceLessThan: 60, WordBlockConfidenceLessThan: 85 };
    expect(isActivated([important(both)], form)).toBe(true);
    expect(isActivated([important({ ...both, WordBlockConfidenceLessThan: 80 })], form)).toBe(false);
    expect(isActivated([important({ ...both, KeyValueBlockConfidenceLessThan: 55 })], form)).toBe(false);
  });

  test("a key that is missing goes to people", () => {
    const missing = (ImportantFormKey: string) => ({
      ...{ ConditionType: "MissingImportantFormKey", ConditionParameters: { ImportantFormKey } },
    });
    expect(isActivated([missing("Name")], form)).toBe(true);
    expect(isActivated([missing("Pay Date")], form)).toBe(false);
  });
});

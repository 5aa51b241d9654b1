import { describe, expect, test } from "vitest";
import { csvText } from "../../cloud-sync/hub/fleet/csv.ts";
import { decisionsSince } from "../../cloud-sync/hub/fleet/decision-counts.ts";

const counts = (task: string, accepted: number, escalated = 0, abstained = 0) => ({
  ...{ task, accepted, escalated, abstained, labelsDigest: null, question: null },
});

describe("a cell of a CSV export", () => {
  test("is never a formula, whatever a store is called", () => {
    for (const evil of ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1"]) {
      const text = csvText(["name"], [[evil]]);
      const field = text.split("\r\n").slice(1).join("\r\n");
      expect(field.replace(/^"/, "")).toMatch(/^'/);
    }
    expect(csvText(["n"], [[-1.5], [null], ["a-b"]])).toBe("n\r\n-1.5\r\n\r\na-b\r\n");
  });

  test("keeps commas, quotes and line ends together", () => {
    expect(csvText(["a", "b"], [['x,"y"', "1\n2"]])).toBe('a,b\r\n"x,""y""","1\n2"\r\n');
  });
});

describe("decisions since the heartbeat before", () => {
  test("are the differences of one start", () => {
    const before = { bootId: "a", tasks: [counts("x", 5, 1)] };
    expect(decisionsSince(before, { bootId: "a", tasks: [counts("x", 8, 1), counts("y", 0)] })).toEqual([
      { task: "x", accepted: 3, escalated: 0, abstained: 0 },
    ]);
  });

  test("are everything after a restart, and after a counter went back", () => {
    const before = { bootId: "a", tasks: [counts("x", 5, 1)] };
    const whole = [{ task: "x", accepted: 2, escalated: 1, abstained: 0 }];
    expect(decisionsSince(before, { bootId: "b", tasks: [counts("x", 2, 1)] })).toEqual(whole);
    expect(decisionsSince(before, { bootId: "a", tasks: [counts("x", 2, 1)] })).toEqual(whole);
    expect(decisionsSince(null, { bootId: "a", tasks: [counts("x", 2, 1)] })).toEqual(whole);
  });
});

import { describe, expect, test } from "vitest";
import { decisionsSince } from "../../cloud-sync/hub/fleet/decision-counts.ts";

const counts = (task: string, accepted: number, escalated = 0, abstained = 0) => ({
  ...{ task, accepted, escalated, abstained, labelsDigest: null, question: null },
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

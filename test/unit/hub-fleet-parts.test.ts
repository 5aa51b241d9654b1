import { describe, expect, test } from "vitest";
import { decisionsSince } from "../../cloud-sync/hub/fleet/decision-counts.ts";

const counts = (task: string, accepted: number, escalated = 0, abstained = 0) => ({
  ...{ task, accepted, escalated, abstained, labelsDigest: null, question: null },
});

describe("decisions since the heartbeat before", () => {
  test("are the differences of one start", () => {
    const before = { bootId: "a", tasks: [counts("x", 5, 1)] };
    expect(decisionsSince(before, { bootId: "a", tasks: [counts("x", 8, 1), counts("y", 0)] })).toEqual([
      { task: "x", accepted: 3, escalated: 0, abstained: 0, byRule: 0 },
    ]);
  });

  test("are everything after a restart, and after a counter went back", () => {
    const before = { bootId: "a", tasks: [counts("x", 5, 1)] };
    const whole = [{ task: "x", accepted: 2, escalated: 1, abstained: 0, byRule: 0 }];
    expect(decisionsSince(before, { bootId: "b", tasks: [counts("x", 2, 1)] })).toEqual(whole);
    expect(decisionsSince(before, { bootId: "a", tasks: [counts("x", 2, 1)] })).toEqual(whole);
    expect(decisionsSince(null, { bootId: "a", tasks: [counts("x", 2, 1)] })).toEqual(whole);
  });

  test("tell those of a rule apart, never more of them than were accepted", () => {
    const by = (accepted: number, acceptedByRule: number) => ({ ...counts("x", accepted), acceptedByRule });
    const since = (before: number, now: number, ruled: readonly [number, number]) =>
      decisionsSince({ bootId: "a", tasks: [by(before, ruled[0])] }, { bootId: "a", tasks: [by(now, ruled[1])] })[0];
    expect(since(10, 30, [2, 7])).toMatchObject({ accepted: 20, byRule: 5 });
    expect(since(10, 12, [2, 90])).toMatchObject({ accepted: 2, byRule: 2 });
    expect(since(10, 12, [9, 3])).toMatchObject({ accepted: 2, byRule: 0 });
  });
});

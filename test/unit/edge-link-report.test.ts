import { expect, test } from "vitest";
import { linkProblems } from "../../cloud-sync/edge/link-report.ts";
import { HoldpointError } from "../../protocol/index.ts";

const inputs = { nowMs: 0, offlineMsMax: 1000, isBehind: false };
const shutOut = (error: HoldpointError) => ({ kind: "shut_out", error, sinceMs: 0, sinceMonotonicMs: 0 }) as const;

test("an agent that the hub would not enrol says why once, beside all else that is wrong", () => {
  const token = new HoldpointError("HP_TOKEN", "the token is used");
  const config = new HoldpointError("HP_CONFIG", "line 3");
  const said = { code: "HP_TOKEN", message: "hub: the token is used" };
  expect(linkProblems({ ...inputs, own: [token, null], state: shutOut(token) })).toEqual([said]);
  expect(linkProblems({ ...inputs, own: [config, null], state: shutOut(token) })).toEqual([
    { code: "HP_CONFIG", message: "hub: line 3" },
    said,
  ]);
});

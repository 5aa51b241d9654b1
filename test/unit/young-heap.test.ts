import { expect, test } from "vitest";
import { boundedHeapWords } from "../../edge-agent/cli/young-heap.node.ts";

const daemon = {
  argv: ["node", "main.js", "agent", "--data", "d"],
  execArgv: ["--enable-source-maps"],
  nodeOptions: "",
};

test("a hub may have more of it", () => {
  expect(boundedHeapWords({ ...daemon, argv: ["node", "main.js", "hub", "--port", "1"] })).toEqual([
    "node",
    "--max-semi-space-size=32",
    "--enable-source-maps",
    "main.js",
    "hub",
    "--port",
    "1",
  ]);
});

test("the daemon starts again with its own words and flags, and a bounded young heap", () => {
  expect(boundedHeapWords(daemon)).toEqual([
    "node",
    "--max-semi-space-size=16",
    "--enable-source-maps",
    "main.js",
    "agent",
    "--data",
    "d",
  ]);
});

test.each([
  ["another command", { ...daemon, argv: ["node", "main.js", "doctor"] }],
  ["no command", { ...daemon, argv: ["node", "main.js"] }],
  ["a process that was started again", { ...daemon, execArgv: ["--max-semi-space-size=16"] }],
  ["somebody's own bound", { ...daemon, nodeOptions: "--max_semi_space_size=32" }],
])("%s is left as it is", (_name, started) => {
  expect(boundedHeapWords(started)).toBeNull();
});

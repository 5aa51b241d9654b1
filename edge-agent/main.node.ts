#!/usr/bin/env node
import { boundYoungHeap } from "./cli/young-heap.node.ts";

boundYoungHeap();
// Loaded afterwards, so that a process that is replaced has loaded nothing.
const { runProgram } = await import("./cli/program.node.ts");
process.exitCode = await runProgram(process.argv);

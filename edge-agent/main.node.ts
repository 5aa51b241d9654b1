#!/usr/bin/env node
import { runProgram } from "./cli/program.node.ts";

process.exitCode = await runProgram(process.argv);

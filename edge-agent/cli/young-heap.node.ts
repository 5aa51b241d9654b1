import { accessSync, constants } from "node:fs";

/**
 * V8 lets the space for new objects grow with the machine's memory: to 128 MB on a box with 24 GB, and does not give it
 * back. Half as much as this costs a sixth more CPU a decision, twice as much saves 7 % and takes three times the
 * memory for an idle connection (docs/benchmarks.md).
 */
const semiSpaceMb = 16;

/** The words that start this process again with a bounded young heap, or null where it is bounded, or not the daemon. */
export function boundedHeapWords(started: {
  readonly argv: readonly string[];
  readonly execArgv: readonly string[];
  readonly nodeOptions: string;
}): readonly string[] | null {
  const { argv, execArgv, nodeOptions } = started;
  const [program, ...words] = argv;
  const isBounded = [...execArgv, nodeOptions].some((flag) => /--max[-_]semi[-_]space[-_]size/.test(flag));
  if (program === undefined || words[1] !== "agent" || isBounded) return null;
  return [program, `--max-semi-space-size=${semiSpaceMb}`, ...execArgv, ...words];
}

/**
 * Bounds the young heap of the daemon. That is decided before V8 starts, so the process replaces itself, keeping its id,
 * its standard streams and its environment; about 20 ms. Not where the platform has no such call (Windows), and not where
 * a parent talks to it over Node's channel, which would be lost.
 */
export function boundYoungHeap(): void {
  const { argv, execArgv, execPath, env } = process;
  const words = boundedHeapWords({ argv, execArgv, nodeOptions: env["NODE_OPTIONS"] ?? "" });
  if (words === null || process.execve === undefined || process.channel) return;
  try {
    // A call that fails ends the process.
    accessSync(execPath, constants.X_OK);
  } catch {
    return;
  }
  process.execve(execPath, words, env);
}

import { accessSync, constants } from "node:fs";

/**
 * V8 lets the space for new objects grow with the machine's memory: to 128 MB on a box with 24 GB, and does not give it
 * back. For the agent half as much as this costs a sixth more CPU a decision, twice as much saves 7 % and takes three times
 * the memory for an idle connection; the hub takes most rows a second with twice as much (docs/benchmarks.md).
 */
const semiSpaceMb: Readonly<Record<string, number>> = { agent: 16, hub: 32 };

/** The words that start this process again with a bounded young heap, or null where it is bounded, or no daemon. */
export function boundedHeapWords(started: {
  readonly argv: readonly string[];
  readonly execArgv: readonly string[];
  readonly nodeOptions: string;
}): readonly string[] | null {
  const { argv, execArgv, nodeOptions } = started;
  const [program, ...words] = argv;
  const isBounded = [...execArgv, nodeOptions].some((flag) => /--max[-_]semi[-_]space[-_]size/.test(flag));
  const megabytes = semiSpaceMb[words[1] ?? ""];
  if (program === undefined || megabytes === undefined || isBounded) return null;
  return [program, `--max-semi-space-size=${megabytes}`, ...execArgv, ...words];
}

/**
 * Bounds the young heap of a daemon. That is decided before V8 starts, so the process replaces itself, keeping its id,
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

import { HoldpointError } from "../../protocol/index.ts";
import { createRows } from "../features/rows.ts";
import { fillGolden, goldenProblem, goldenRows, largestDifference } from "../golden.ts";
import { rowElements, type Manifest } from "../manifest.ts";
import { readProbabilities } from "./probabilities.ts";
import { type RuntimeSession, type TensorInfo } from "./runtime.ts";

/** What is proved of a session before it serves anybody. Each check throws a HoldpointError. */

/** Names, dtypes and shapes of the file against the manifest. Errors: HP_MODEL_OUTPUT, HP_MODEL_MANIFEST. */
export function checkContract(manifest: Manifest, session: Pick<RuntimeSession, "inputs" | "outputs">): void {
  const { inputs, outputs } = session;
  if (inputs === null || outputs === null) return;
  const [input] = manifest.inputs;
  if (inputs.length !== 1) {
    throw new HoldpointError("HP_MODEL_MANIFEST", `the model has ${inputs.length} inputs, exactly one is served`);
  }
  const misfit = input && misfitOf(input, inputs);
  if (misfit) throw new HoldpointError("HP_MODEL_MANIFEST", `input ${misfit}`);
  for (const output of manifest.outputs) {
    const problem = misfitOf(output, outputs);
    if (problem) throw new HoldpointError("HP_MODEL_OUTPUT", `output ${problem}`);
  }
}

function misfitOf(wanted: Manifest["inputs"][number], given: readonly TensorInfo[]): string | null {
  const tensor = given.find(({ name }) => name === wanted.name);
  if (!tensor) return `"${wanted.name}" is not in the model, which has "${given.map(({ name }) => name).join('", "')}"`;
  if (tensor.dtype !== wanted.dtype) return `"${wanted.name}" is ${tensor.dtype}, the manifest says ${wanted.dtype}`;
  const fits =
    tensor.shape.length === wanted.shape.length &&
    tensor.shape.every((size, i) => typeof size === "string" || size === wanted.shape[i]);
  if (fits) return null;
  return `"${wanted.name}" has the shape [${tensor.shape.join(", ")}], the manifest says [${wanted.shape.join(", ")}]`;
}

/**
 * Runs the golden input, or a row of zeros where the manifest has none. It also is the warm-up: the first run allocates.
 * Errors: HP_MODEL_GOLDEN, HP_MODEL_OUTPUT, HP_MODEL_RUN.
 */
export async function checkGolden(manifest: Manifest, session: RuntimeSession): Promise<void> {
  const { golden } = manifest;
  const [input] = manifest.inputs;
  if (!input) throw new RangeError("a manifest has one input");
  const rows = golden ? goldenRows(manifest, golden.seed) : createRows(input.dtype, rowElements(input.shape), 1);
  const output = await runOrExplain(session, () => session.run(rows, 1));
  const wanted = rowElements(manifest.outputs[0]?.shape ?? []);
  if (output.length !== wanted) {
    throw new HoldpointError(
      "HP_MODEL_OUTPUT",
      `the model gives ${output.length} numbers, the manifest says ${wanted}`,
    );
  }
  const problem = golden ? goldenProblem(golden, output) : null;
  if (problem !== null) throw new HoldpointError("HP_MODEL_GOLDEN", problem);
}

async function runOrExplain<T>(session: RuntimeSession, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new HoldpointError("HP_MODEL_LOAD", `the model cannot run on ${session.provider}: ${message}`, { cause });
  }
}

/** Largest difference of a probability at which a row in a batch still counts as the same row alone. */
const invarianceTolerance = 1e-5;
const rowsComparedMax = 8;

/**
 * Whether rows come out the same alone and in a batch of `batchMax`. A static graph passes but for the last bits of its
 * sums; a dynamically quantised one does not, because its scale spans the batch.
 */
export async function provesInvariance(
  manifest: Manifest,
  session: RuntimeSession,
  batchMax: number,
): Promise<boolean> {
  const [input] = manifest.inputs;
  const [output] = manifest.outputs;
  if (!input || !output) throw new RangeError("a manifest has an input and an output");
  if (batchMax === 1) return true;
  const rows = createRows(input.dtype, rowElements(input.shape), batchMax);
  fillGolden(rows, 1);
  try {
    const together = await session.run(rows, batchMax);
    const width = rowElements(output.shape);
    if (together.length !== width * batchMax) return false;
    const one = createRows(input.dtype, rows.elements, 1);
    for (let step = 0; step < Math.min(rowsComparedMax, batchMax); step += 1) {
      const row = Math.round((step * (batchMax - 1)) / Math.max(1, Math.min(rowsComparedMax, batchMax) - 1));
      one.data.set(rows.data.subarray(row * rows.elements, (row + 1) * rows.elements) as never);
      const alone = await session.run(one, 1);
      const difference = largestDifference(
        probabilitiesAt(manifest, alone, 0),
        probabilitiesAt(manifest, together, row * width),
      );
      if (!(difference <= invarianceTolerance)) return false;
    }
    return true;
  } catch {
    // A model that cannot run such rows at all proves nothing; alone it serves.
    return false;
  }
}

function probabilitiesAt(manifest: Manifest, output: Float32Array, from: number): Float32Array {
  const labels = manifest.labels.length;
  const target = new Float32Array(labels);
  const read = readProbabilities(manifest.outputs[0]?.meaning ?? "logits", output, from, labels, target, 0);
  return read.ok ? target : target.fill(NaN);
}

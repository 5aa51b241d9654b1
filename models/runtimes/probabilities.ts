import { type Manifest } from "../manifest.ts";

export type OutputReading =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: "not_finite" | "model_output"; readonly message: string };

/** How far rounding (float16, a thousand classes) may take probabilities from the simplex. */
const slack = 0.02;

/**
 * One row of the model's output as probabilities: float32, shape [labels], sum 1, written into `target` at `to`. A model
 * whose outputs do not mean what its manifest says is found here, on every row.
 */
export function readProbabilities(
  meaning: Manifest["outputs"][number]["meaning"],
  output: Float32Array,
  from: number,
  labels: number,
  target: Float32Array,
  to: number,
): OutputReading {
  const width = meaning === "score" ? 1 : labels;
  for (let i = 0; i < width; i += 1) {
    if (!Number.isFinite(output[from + i])) {
      return { ok: false, reason: "not_finite", message: `output ${i} of the model is not a finite number` };
    }
  }
  if (meaning === "logits") {
    softmax(output, from, labels, target, to);
    return { ok: true };
  }
  let sum = 0;
  for (let i = 0; i < width; i += 1) {
    const value = output[from + i] ?? NaN;
    if (value < -slack || value > 1 + slack) return outside(meaning, value);
    target[to + i] = Math.min(1, Math.max(0, value));
    sum += target[to + i] ?? 0;
  }
  if (meaning === "score") {
    const score = target[to] ?? 0;
    target[to] = 1 - score;
    target[to + 1] = score;
    return { ok: true };
  }
  if (Math.abs(sum - 1) > slack) return outside("sum of probabilities", sum);
  for (let i = 0; i < labels; i += 1) target[to + i] = (target[to + i] ?? 0) / sum;
  return { ok: true };
}

function outside(what: string, value: number): OutputReading {
  const message = `the manifest says ${what}, the model says ${value.toPrecision(4)}`;
  return { ok: false, reason: "model_output", message };
}

/** Sums in float64 and subtracts the largest logit first, so that no exponential overflows. */
function softmax(output: Float32Array, from: number, labels: number, target: Float32Array, to: number): void {
  let largest = -Infinity;
  for (let i = 0; i < labels; i += 1) largest = Math.max(largest, output[from + i] as number);
  let sum = 0;
  for (let i = 0; i < labels; i += 1) {
    const power = Math.exp((output[from + i] as number) - largest);
    sum += power;
    target[to + i] = power;
  }
  for (let i = 0; i < labels; i += 1) target[to + i] = (target[to + i] as number) / sum;
}

/** confidence of a class = p^(1/t) / Σ p^(1/t). */
export interface TemperatureCalibration {
  readonly method: "temperature";
  readonly t: number;
}

const temperatureMin = 0.01;
const temperatureMax = 100;
const stepsMax = 100;

/**
 * Temperature scaling (Guo et al. 2017, arXiv 1706.04599, §4.2): the t that minimises the log loss of all classes. The
 * loss is convex in 1/t, so the root of its slope is found by halving; t is held in [0.01, 100].
 *
 * @param probabilities shape [items, classes], row-major, each row summing to 1
 * @param labels shape [items], the index of the true class
 */
export function fitTemperature(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): TemperatureCalibration {
  const items = labels.length;
  if (items === 0 || classes < 2 || probabilities.length !== items * classes) {
    throw new RangeError(`${probabilities.length} probabilities do not fit ${items} items of ${classes} classes`);
  }
  const z = Float64Array.from({ length: items * classes }, (_, i) => Math.log(Math.max(1e-300, probabilities[i] ?? 0)));
  for (let item = 0; item < items; item += 1) {
    const label = labels[item] ?? -1;
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) throw new RangeError(`label ${item} is no class`);
  }
  let [low, high] = [Math.log(1 / temperatureMax), Math.log(1 / temperatureMin)];
  for (let step = 0; step < stepsMax && high - low > 1e-12; step += 1) {
    const middle = (low + high) / 2;
    if (temperatureSlope(z, labels, classes, Math.exp(middle)) < 0) low = middle;
    else high = middle;
  }
  return Object.freeze({ method: "temperature", t: Math.exp(-(low + high) / 2) });
}

/** d/dβ of Σ (ln Σ e^(β z) − β z_true): negative while a larger β = 1/t still lowers the loss. */
function temperatureSlope(z: Float64Array, labels: ArrayLike<number>, classes: number, beta: number): number {
  let slope = 0;
  for (let item = 0; item < labels.length; item += 1) {
    const from = item * classes;
    let largest = -Infinity;
    for (let i = 0; i < classes; i += 1) largest = Math.max(largest, z[from + i] ?? 0);
    let [weights, mean] = [0, 0];
    for (let i = 0; i < classes; i += 1) {
      const value = z[from + i] ?? 0;
      const weight = Math.exp(beta * (value - largest));
      weights += weight;
      mean += weight * value;
    }
    slope += mean / weights - (z[from + (labels[item] ?? 0)] ?? 0);
  }
  return slope;
}

/** Scores are clipped here before a logarithm, as `applyCalibration` clips them. */
const scoreMin = 1e-7;
const stepsMax = 100;

/** A line on the logit of a score: sigmoid(slope·logit(score) + offset). */
export interface LogitLine {
  readonly slope: number;
  readonly offset: number;
}

/** Normal priors around (1, 0), as precisions. */
export interface LinePull {
  readonly slope: number;
  readonly offset: number;
}

export interface FittedLine extends LogitLine {
  /** Penalised log loss at the fit, and the logarithm of the determinant of its Hessian. */
  readonly loss: number;
  readonly lnDeterminant: number;
}

export function logit(score: number): number {
  const s = Math.min(1 - scoreMin, Math.max(scoreMin, score));
  return Math.log(s) - Math.log1p(-s);
}

export function logits(score: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: score.length }, (_, item) => logit(score[item] ?? 0));
}

/** Damped Newton on the penalised log loss of sigmoid(slope·x + offset). */
export function fitLine(x: ArrayLike<number>, correct: ArrayLike<number>, pull: LinePull): FittedLine {
  const free = newton(x, correct, pull, true);
  return free.slope >= 0 ? free : newton(x, correct, pull, false);
}

function newton(x: ArrayLike<number>, correct: ArrayLike<number>, pull: LinePull, hasSlope: boolean): FittedLine {
  let at: LogitLine = { slope: hasSlope ? 1 : 0, offset: 0 };
  let here = lineLoss(x, correct, at, pull);
  let lnDeterminant = 0;
  for (let step = 0; step < stepsMax; step += 1) {
    const { direction, determinant } = lineDirection(x, correct, at, pull, hasSlope);
    lnDeterminant = Math.log(determinant);
    let size = 1;
    let next = moved(at, direction, size);
    let there = lineLoss(x, correct, next, pull);
    // Halve until the loss falls: far from the minimum the quadratic model overshoots.
    while (!(there <= here) && size > 1e-10) {
      size /= 2;
      next = moved(at, direction, size);
      there = lineLoss(x, correct, next, pull);
    }
    if (!(there <= here)) break;
    const gain = here - there;
    [at, here] = [next, there];
    if (gain <= 1e-13 * (1 + Math.abs(here))) break;
  }
  return { ...at, loss: here, lnDeterminant };
}

function moved(from: LogitLine, by: LogitLine, size: number): LogitLine {
  return { slope: from.slope - size * by.slope, offset: from.offset - size * by.offset };
}

function lineLoss(x: ArrayLike<number>, correct: ArrayLike<number>, at: LogitLine, pull: LinePull): number {
  let sum = (pull.slope / 2) * (at.slope - 1) ** 2 + (pull.offset / 2) * at.offset ** 2;
  for (let item = 0; item < x.length; item += 1) {
    const z = at.slope * (x[item] ?? 0) + at.offset;
    sum += Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - (correct[item] ?? 0) * z;
  }
  return sum;
}

function lineDirection(
  x: ArrayLike<number>,
  correct: ArrayLike<number>,
  at: LogitLine,
  pull: LinePull,
  hasSlope: boolean,
): { readonly direction: LogitLine; readonly determinant: number } {
  let slope = pull.slope * (at.slope - 1);
  let offset = pull.offset * at.offset;
  let [xx, x1, one] = [pull.slope, 0, pull.offset];
  for (let item = 0; item < x.length; item += 1) {
    const value = x[item] ?? 0;
    const p = 1 / (1 + Math.exp(-(at.slope * value + at.offset)));
    const miss = p - (correct[item] ?? 0);
    const weight = p * (1 - p);
    slope += miss * value;
    offset += miss;
    xx += weight * value * value;
    x1 += weight * value;
    one += weight;
  }
  if (!hasSlope) return { direction: { slope: 0, offset: offset / one }, determinant: one };
  const determinant = xx * one - x1 * x1;
  const direction = {
    slope: (slope * one - offset * x1) / determinant,
    offset: (offset * xx - slope * x1) / determinant,
  };
  return { direction, determinant };
}

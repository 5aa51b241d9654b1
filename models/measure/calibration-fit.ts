import { requireScores } from "./scores.ts";

/** confidence = sigmoid(a·ln s − b·ln(1 − s) + c), with the score s clipped at 1e-7. */
export interface BetaCalibration {
  readonly method: "beta";
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

const scoreMin = 1e-7;
const stepsMax = 100;
/** Weight of the pull towards the identity (1, 1, 0): nothing among hundreds of labels, all there is without errors. */
const ridge = 1e-2;
const identity = [1, 1, 0] as const;

type Vector = [number, number, number];

/**
 * Fits beta calibration (Kull, Silva Filho & Flach 2017) of the top label by damped Newton: undamped, it diverges on
 * saturated softmax. A negative a or b would turn the order of scores around, so it is held at 0, as in the paper.
 *
 * @param score shape [items], softmax probability of the predicted label, in [0, 1]
 * @param correct shape [items], 1 if that label was right, else 0
 */
export function fitBetaCalibration(score: ArrayLike<number>, correct: ArrayLike<number>): BetaCalibration {
  requireScores(score, correct);
  const rows = Array.from(score, (value): Vector => {
    const s = Math.min(1 - scoreMin, Math.max(scoreMin, value));
    return [Math.log(s), -Math.log1p(-s), 1];
  });
  let free = [true, true, true];
  let [a, b, c] = newton(rows, correct, free);
  if (a < 0 || b < 0) {
    free = a < b ? [false, true, true] : [true, false, true];
    [a, b, c] = newton(rows, correct, free);
    if (a < 0 || b < 0) [a, b, c] = newton(rows, correct, [false, false, true]);
  }
  return Object.freeze({ method: "beta", a, b, c });
}

/** Minimises the penalised log loss over the free coefficients; the others are 0. */
function newton(rows: readonly Vector[], correct: ArrayLike<number>, free: readonly boolean[]): Vector {
  let at = identity.map((value, i) => (free[i] === true ? value : 0)) as Vector;
  let here = loss(rows, correct, at, free);
  for (let step = 0; step < stepsMax; step += 1) {
    const direction = newtonDirection(rows, correct, at, free);
    let size = 1;
    let next = move(at, direction, size);
    let there = loss(rows, correct, next, free);
    // Halve until the loss falls: far from the minimum the quadratic model overshoots.
    while (!(there <= here) && size > 1e-10) {
      size /= 2;
      next = move(at, direction, size);
      there = loss(rows, correct, next, free);
    }
    if (!(there <= here)) break;
    const gain = here - there;
    [at, here] = [next, there];
    if (gain <= 1e-13 * (1 + Math.abs(here))) break;
  }
  return at;
}

function move(from: Vector, direction: Vector, size: number): Vector {
  return [from[0] - size * direction[0], from[1] - size * direction[1], from[2] - size * direction[2]];
}

function loss(rows: readonly Vector[], correct: ArrayLike<number>, at: Vector, free: readonly boolean[]): number {
  let sum = 0;
  rows.forEach((row, item) => {
    const z = dot(row, at);
    // ln(1 + e^z) − y·z, written so that neither end overflows.
    sum += Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - (correct[item] ?? 0) * z;
  });
  for (let i = 0; i < 3; i += 1) if (free[i] === true) sum += (ridge / 2) * ((at[i] ?? 0) - (identity[i] ?? 0)) ** 2;
  return sum;
}

function newtonDirection(
  rows: readonly Vector[],
  correct: ArrayLike<number>,
  at: Vector,
  free: readonly boolean[],
): Vector {
  const gradient: Vector = [0, 0, 0];
  const hessian: [Vector, Vector, Vector] = [
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ];
  rows.forEach((row, item) => {
    const p = 1 / (1 + Math.exp(-dot(row, at)));
    const miss = p - (correct[item] ?? 0);
    const weight = p * (1 - p);
    for (const i of [0, 1, 2] as const) {
      gradient[i] += miss * row[i];
      for (const j of [0, 1, 2] as const) hessian[i][j] += weight * row[i] * row[j];
    }
  });
  for (const i of [0, 1, 2] as const) {
    gradient[i] += ridge * (at[i] - identity[i]);
    hessian[i][i] += ridge;
    if (free[i] === true) continue;
    // A held coefficient: its row and column become those of the identity, so it does not move.
    gradient[i] = 0;
    for (const j of [0, 1, 2] as const) hessian[i][j] = hessian[j][i] = i === j ? 1 : 0;
  }
  return solve(hessian, gradient);
}

/** The solution of a symmetric positive definite 3 × 3 system, by Cramer's rule. */
function solve(m: readonly [Vector, Vector, Vector], right: Vector): Vector {
  const whole = determinant(m);
  const column = (at: 0 | 1 | 2): number => {
    const swapped = m.map((row, i) => row.map((value, j) => (j === at ? right[i] : value))) as [Vector, Vector, Vector];
    return determinant(swapped) / whole;
  };
  return [column(0), column(1), column(2)];
}

function determinant([r, s, t]: readonly [Vector, Vector, Vector]): number {
  return r[0] * (s[1] * t[2] - s[2] * t[1]) - r[1] * (s[0] * t[2] - s[2] * t[0]) + r[2] * (s[0] * t[1] - s[1] * t[0]);
}

function dot(row: Vector, at: Vector): number {
  return row[0] * at[0] + row[1] * at[1] + row[2] * at[2];
}

import { fitLine, logits } from "./logit-line.ts";
import { requireScores } from "./scores.ts";

/** confidence = sigmoid(a·logit(s) + b), with the score s clipped at 1e-7. */
export interface PlattCalibration {
  readonly method: "platt";
  readonly a: number;
  readonly b: number;
}

/** Weight of the pull towards the identity, as in the fit of beta calibration. */
const ridge = 1e-2;

/**
 * Platt scaling on the logit of the top label's probability (Platt 1999), by damped Newton. A negative slope would turn
 * the order of scores around, so it is held at 0.
 *
 * @param score shape [items], in [0, 1]
 * @param correct shape [items], 1 if that label was right, else 0
 */
export function fitPlattCalibration(score: ArrayLike<number>, correct: ArrayLike<number>): PlattCalibration {
  requireScores(score, correct);
  const { slope, offset } = fitLine(logits(score), correct, { slope: ridge, offset: ridge });
  return Object.freeze({ method: "platt", a: slope, b: offset });
}

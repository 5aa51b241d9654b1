/** One answer of a model with what it turned out to be, as the figures, the offers and the proposals count it. */
export interface FigureLabel {
  /** As the gate compares it: with the store's own calibration. */
  readonly confidence: number;
  readonly isWrong: boolean;
  /** Chance that the decision got its label, in (0, 1]. */
  readonly propensity: number;
}

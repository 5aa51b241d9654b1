import { type ShareInterval } from "./binomial.ts";
import { type WeightedLabel } from "./weighted-evidence.ts";

/** What a confidence sequence remembers. Plain data. */
export interface SequenceState {
  readonly labels: number;
  /** Σ and Σ of squares of the weighted outcomes, for the next bet. */
  readonly sum: number;
  readonly squares: number;
  /** ln of the wealth against each candidate, of the bet that it is too low and of the bet that it is too high. */
  readonly lnAbove: readonly number[];
  readonly lnBelow: readonly number[];
  /** Candidates that were ever excluded stay excluded; the bounds of the others, as indices. */
  readonly first: number;
  readonly last: number;
}

/** Candidates are squares, so that they lie close together where error rates are. */
const candidates = Array.from({ length: 401 }, (_, i) => (i / 400) ** 2);
/** No bet risks more than half of what would bankrupt it. */
const stakeMax = 0.5;

export const noSequence: SequenceState = Object.freeze({
  ...{ labels: 0, sum: 0, squares: 0 },
  lnAbove: Object.freeze(candidates.map(() => 0)),
  lnBelow: Object.freeze(candidates.map(() => 0)),
  ...{ first: 0, last: candidates.length - 1 },
});

/**
 * The sequence after one more label: the hedged capital process of Waudby-Smith & Ramdas 2024 (arXiv 2010.09686, Theorem
 * 3 with the bets of eq. 26) on a grid of candidates m, each bet scaled by q/π where labels are drawn by propensity:
 * factor 1 ± λ(q/π)(e − m). For display: it holds at every time at once, so a chart of it may be looked at whenever.
 *
 * @param level the probability that the truth is ever outside, inside (0, 1)
 */
export function sequenceAfter(state: SequenceState, label: WeightedLabel, level: number): SequenceState {
  const { propensity, propensityMin } = label;
  if (!(propensityMin > 0 && propensity >= propensityMin && propensity <= 1)) {
    throw new RangeError(`a propensity must be in [${propensityMin}, 1] and above 0, got ${propensity}`);
  }
  if (!(level > 0 && level < 1)) throw new RangeError(`a level must be inside (0, 1), got ${level}`);
  const weight = propensityMin / propensity;
  const outcome = label.isWrong ? 1 : 0;
  const bet = nextBet(state, level);
  const lnAbove = [...state.lnAbove];
  const lnBelow = [...state.lnBelow];
  const limit = Math.log(2 / level);
  let { first, last } = state;
  candidates.forEach((m, i) => {
    const gap = weight * (outcome - m);
    lnAbove[i] = (lnAbove[i] ?? 0) + Math.log1p(Math.min(bet, m > 0 ? stakeMax / m : bet) * gap);
    lnBelow[i] = (lnBelow[i] ?? 0) + Math.log1p(-Math.min(bet, m < 1 ? stakeMax / (1 - m) : bet) * gap);
  });
  // Half of the capital on either side: excluded once one of the two has grown by 2/level.
  while (first < last && (lnAbove[first] ?? 0) >= limit) first += 1;
  while (last > first && (lnBelow[last] ?? 0) >= limit) last -= 1;
  const value = weight * outcome;
  return Object.freeze({
    labels: state.labels + 1,
    sum: state.sum + value,
    squares: state.squares + (value - (state.sum + 0.5) / (state.labels + 1)) ** 2,
    ...{ lnAbove, lnBelow, first, last },
  });
}

/** The interval, rounded outwards to the candidates that are excluded. */
export function sequenceInterval({ first, last }: SequenceState): ShareInterval {
  return Object.freeze({
    lower: candidates[Math.max(0, first - 1)] ?? 0,
    upper: candidates[Math.min(candidates.length - 1, last + 1)] ?? 1,
  });
}

/** λ = √(2 ln(2/level) / (σ̂²·n·ln(1 + n))), from the labels before this one (eq. 26). */
function nextBet(state: SequenceState, level: number): number {
  const n = state.labels + 1;
  const variance = (0.25 + state.squares) / n;
  return Math.min(1e6, Math.sqrt((2 * Math.log(2 / level)) / (variance * n * Math.log1p(n))));
}

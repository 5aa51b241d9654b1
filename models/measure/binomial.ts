import { lnBetaTail, lnBetaUpperTail } from "./log-beta.ts";

/** An interval for a share, both ends in [0, 1]. */
export interface ShareInterval {
  readonly lower: number;
  readonly upper: number;
}

/**
 * The exact lower tail P(Bin(trials, share) ≤ successes), in [0, 1].
 *
 * As a p-value it tests "the true share is above `share`". It underflows to 0 where the tail is below 1e-308.
 */
export function binomialLowerTail(successes: number, trials: number, share: number): number {
  return Math.exp(lnBinomialLowerTail(successes, trials, share));
}

/** ln P(Bin(trials, share) ≤ successes): as exact, and it never underflows. */
export function lnBinomialLowerTail(successes: number, trials: number, share: number): number {
  requireCounts(successes, trials);
  requireShare(share);
  if (successes >= trials) return 0;
  // P(Bin(n, p) ≤ k) = 1 − I_p(k + 1, n − k), Abramowitz & Stegun 1964, 26.5.24.
  return lnBetaUpperTail(share, successes + 1, trials - successes);
}

/**
 * The one-sided upper bound of Clopper & Pearson 1934 for the share behind `successes` in `trials`: the share at which
 * `binomialLowerTail` equals `level`. The truth exceeds it with probability at most `level`. 1 without trials.
 */
export function clopperPearsonUpper(successes: number, trials: number, level: number): number {
  requireCounts(successes, trials);
  requireLevel(level);
  if (successes >= trials) return 1;
  const lnLevel = Math.log(level);
  return rootOf((share) => lnLevel - lnBetaUpperTail(share, successes + 1, trials - successes));
}

/** The one-sided lower bound of Clopper & Pearson 1934: the truth is below it with probability at most `level`. */
export function clopperPearsonLower(successes: number, trials: number, level: number): number {
  requireCounts(successes, trials);
  requireLevel(level);
  if (successes === 0) return 0;
  const lnLevel = Math.log(level);
  return rootOf((share) => lnBetaTail(share, successes, trials - successes + 1) - lnLevel);
}

/**
 * The two-sided interval of Clopper & Pearson 1934, each side at `level / 2`.
 *
 * @example clopperPearson(3, 100, 0.05) // { lower: 0.0062, upper: 0.0852 }
 */
export function clopperPearson(successes: number, trials: number, level: number): ShareInterval {
  return Object.freeze({
    lower: clopperPearsonLower(successes, trials, level / 2),
    upper: clopperPearsonUpper(successes, trials, level / 2),
  });
}

/**
 * The fewest labels that can certify `maxError` at `level`: the least n with (1 − maxError)^n ≤ level, when not one of
 * them is wrong. 149 / 299 / 598 for 2 / 1 / 0.5 % at 0.05.
 */
export function labelsAtLeast(maxError: number, level: number): number {
  if (!(maxError > 0 && maxError < 1)) throw new RangeError(`maxError must be inside (0, 1), got ${maxError}`);
  requireLevel(level);
  const proves = (n: number): boolean => Math.pow(1 - maxError, n) <= level;
  // The quotient of logarithms may be off by one in either direction where it is almost an integer.
  let n = Math.max(1, Math.ceil(Math.log(level) / Math.log1p(-maxError)));
  while (n > 1 && proves(n - 1)) n -= 1;
  while (!proves(n)) n += 1;
  return n;
}

/** Where a rising function of a share changes its sign, by halving: to the last digit, and at any level. */
function rootOf(rising: (share: number) => number): number {
  let [low, high] = [0, 1];
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (rising(middle) < 0) low = middle;
    else high = middle;
  }
}

function requireCounts(successes: number, trials: number): void {
  const fits = Number.isInteger(successes) && Number.isInteger(trials) && successes >= 0 && successes <= trials;
  if (!fits) throw new RangeError(`counts must be integers with 0 ≤ ${successes} ≤ ${trials}`);
}

function requireShare(share: number): void {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`a share must be in [0, 1], got ${share}`);
}

function requireLevel(level: number): void {
  if (!(level > 0 && level < 1)) throw new RangeError(`a level must be inside (0, 1), got ${level}`);
}

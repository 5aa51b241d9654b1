/** From here on Stirling's series is exact to double precision; below it Γ itself is small enough. */
const stirlingMin = 10;
const lnRootTwoPi = 0.5 * Math.log(2 * Math.PI);
/** B₂ₖ / (2k(2k − 1)): the coefficients of Stirling's series, Abramowitz & Stegun 1964, 6.1.41. */
const stirling = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156] as const;
const fractionStepsMax = 10_000_000;

/** ln B(a, b) for a, b > 0, without the cancellation of ln Γ(a) + ln Γ(b) − ln Γ(a + b) (Didonato & Morris 1992, §4). */
export function lnBeta(a: number, b: number): number {
  requirePositive(a, b);
  const [low, high] = a < b ? [a, b] : [b, a];
  const sum = a + b;
  if (high < stirlingMin) return lnGammaLow(low) + lnGammaLow(high) - lnGammaLow(sum);
  const rest = remainder(high) - remainder(sum);
  if (low < stirlingMin) {
    return lnGammaLow(low) + rest + low - low * Math.log(sum) + (high - 0.5) * Math.log1p(-low / sum);
  }
  const powers = (low - 0.5) * Math.log(low / sum) + high * Math.log1p(-low / sum);
  return lnRootTwoPi - 0.5 * Math.log(high) + remainder(low) + rest + powers;
}

/**
 * ln(xᵃ (1 − x)ᵇ / B(a, b)) for x inside (0, 1): x(1 − x) times the density of the beta distribution. Far from its
 * mode it is the difference of huge numbers, so it is written as two deviances (Loader 2000; Didonato & Morris 1992, §6).
 */
export function lnBetaTerm(x: number, a: number, b: number): number {
  requireShare(x);
  if (Math.min(a, b) < stirlingMin) return a * Math.log(x) + b * Math.log1p(-x) - lnBeta(a, b);
  const sum = a + b;
  const gap = a - sum * x;
  const deviance = a * deviation(-gap / a) + b * deviation(gap / b);
  return 0.5 * Math.log(a * (b / sum)) - lnRootTwoPi - deviance - remainder(a) - remainder(b) + remainder(sum);
}

/**
 * ln I_x(a, b), the lower tail of the beta distribution, for a, b > 0 and x in [0, 1]. It never underflows: the tail
 * itself may be 1e-300 or 1e-30000, and keeps 12 digits while its logarithm keeps 15.
 *
 * @example lnBetaTail(0.01, 1, 299) // ln(1 − 0.99²⁹⁹) = −0.0508…
 */
export function lnBetaTail(x: number, a: number, b: number): number {
  requirePositive(a, b);
  if (x === 0 || x === 1) return x === 0 ? -Infinity : 0;
  return isBelowMean(x, a, b) ? lnFraction(x, a, b, 1 - x) : lnComplement(lnFraction(1 - x, b, a, x));
}

/** ln(1 − I_x(a, b)), the upper tail, as exactly as the lower one. */
export function lnBetaUpperTail(x: number, a: number, b: number): number {
  requirePositive(a, b);
  if (x === 0 || x === 1) return x === 0 ? 0 : -Infinity;
  return isBelowMean(x, a, b) ? lnComplement(lnFraction(x, a, b, 1 - x)) : lnFraction(1 - x, b, a, x);
}

/** Which tail the continued fraction may compute: on the other side of the mean it converges slowly, or not at all. */
function isBelowMean(x: number, a: number, b: number): boolean {
  requireShare(x);
  return x < (a + 1) / (a + b + 2);
}

/** ln(1 − eˡⁿ) for ln ≤ 0 (Mächler 2012). */
function lnComplement(ln: number): number {
  return ln > -Math.LN2 ? Math.log(-Math.expm1(ln)) : Math.log1p(-Math.exp(ln));
}

/**
 * ln I_x(a, b) for x below the mean, by the even part of its continued fraction (Didonato & Morris 1992, §9, BFRAC).
 *
 * @param y 1 − x: the caller has one of the two without rounding, and the smaller one is used
 */
function lnFraction(x: number, a: number, b: number, y: number): number {
  const isLow = x <= y;
  // a − (a + b)·x, from whichever argument has kept its digits.
  const gap = isLow ? a - (a + b) * x : (a + b) * y - b;
  const first = 1 + 1 / a;
  let [above, aboveNext, below, belowNext] = [0, 1, 1, (1 + gap) / first];
  let ratio = first / (1 + gap);
  let previous = 1;
  for (let n = 1; n <= fractionStepsMax; n += 1) {
    const share = n / a;
    const size = a + 2 * n - 1;
    const part = n * (b - n) * x;
    const scale = a / size;
    const alpha = previous * (previous + b / a) * scale * scale * part * x;
    const beta = n + part / size + ((1 + share) / (first + 2 * share)) * (1 + gap + n * (1 + y));
    previous = 1 + share;
    [above, aboveNext] = [aboveNext, alpha * above + beta * aboveNext];
    [below, belowNext] = [belowNext, alpha * below + beta * belowNext];
    const before = ratio;
    ratio = aboveNext / belowNext;
    if (Math.abs(ratio - before) <= Number.EPSILON * ratio) break;
    // Kept near 1, or the terms would overflow.
    [above, below, aboveNext, belowNext] = [above / belowNext, below / belowNext, ratio, 1];
  }
  return (isLow ? lnBetaTerm(x, a, b) : lnBetaTerm(y, b, a)) + Math.log(ratio);
}

/** ln Γ(x) minus its main term in Stirling's formula, for x ≥ 10. */
function remainder(x: number): number {
  const inverse = 1 / x;
  const square = inverse * inverse;
  return stirling.reduceRight((sum, coefficient) => sum * square + coefficient, 0) * inverse;
}

/** ln Γ(x) for 0 < x < 10: Γ(x) = Γ(x + m) / (x(x + 1)…(x + m − 1)) with x + m where Stirling's series holds. */
function lnGammaLow(x: number): number {
  let product = 1;
  let high = x;
  while (high < stirlingMin) {
    product *= high;
    high += 1;
  }
  return (high - 0.5) * Math.log(high) - high + lnRootTwoPi + remainder(high) - Math.log(product);
}

/**
 * x − ln(1 + x) ≥ 0, without cancellation near 0: with z = x/(2 + x), ln(1 + x) = 2(z + z³/3 + z⁵/5 + …) and x = 2z/(1 − z)
 * (Abramowitz & Stegun 1964, 4.1.27).
 */
function deviation(x: number): number {
  if (Math.abs(x) >= 0.4) return x - Math.log1p(x);
  const z = x / (2 + x);
  const square = z * z;
  let series = 0;
  // |z| ≤ ¼, so fifteen terms are more than a double holds.
  for (let k = 15; k >= 1; k -= 1) series = series * square + 1 / (2 * k + 1);
  return 2 * square * (1 / (1 - z) - z * series);
}

function requirePositive(a: number, b: number): void {
  const fits = a > 0 && b > 0 && Number.isFinite(a) && Number.isFinite(b);
  if (!fits) throw new RangeError(`a and b must be positive and finite, got ${a} and ${b}`);
}

function requireShare(x: number): void {
  if (!(x >= 0 && x <= 1)) throw new RangeError(`x must be in [0, 1], got ${x}`);
}

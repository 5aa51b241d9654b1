/** Significant digits of a level: it is written into certificates, and read by people. */
const digits = 12;
/** What the arithmetic of shares of delta may have lost: a level is never lowered for less than that. */
const slack = 4 * Number.EPSILON;

/**
 * The level that a step of a walk spends, of what it may spend: rounded down to twelve significant digits, so that what is
 * written is what was spent and nothing is spent twice. 0.037500000000000006 is 0.0375.
 */
export function spentLevel(level: number): number {
  if (!(level > 0)) return 0;
  const unit = 10 ** (Math.floor(Math.log10(level)) - digits + 1);
  // Too small for its unit to be a number: nobody reads that one.
  return unit > 0 ? Number((Math.floor((level * (1 + slack)) / unit) * unit).toPrecision(digits)) : level;
}

/**
 * How long to wait after a failure: full jitter over a range that doubles up to a cap, so that a fleet which lost its hub
 * at one moment does not come back at one. A `Retry-After` is the least, and gets jitter on top for the same reason.
 */
export interface BackOffPace {
  /** Range of the first wait, milliseconds. */
  readonly baseMs: number;
  /** Longest range. */
  readonly capMs: number;
  /** Longest `Retry-After` that is honoured: a confused proxy must not silence a store for a day. */
  readonly retryAfterMsMax: number;
}

export const defaultBackOff: BackOffPace = Object.freeze({ baseMs: 2_000, capMs: 60_000, retryAfterMsMax: 600_000 });

/** `failures` in a row, at least 1; `uniform` in [0, 1). Milliseconds. */
export function backOffMs(
  failures: number,
  uniform: number,
  retryAfterMs: number | null,
  pace: BackOffPace = defaultBackOff,
): number {
  const rangeMs = Math.min(pace.capMs, pace.baseMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  if (retryAfterMs === null) return Math.floor(uniform * rangeMs);
  const leastMs = Math.min(Math.max(0, retryAfterMs), pace.retryAfterMsMax);
  return Math.floor(leastMs + uniform * Math.max(pace.baseMs, leastMs / 2));
}

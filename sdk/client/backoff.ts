/** Growing waits with full jitter (Brooker 2015, "Exponential Backoff And Jitter"): a fleet does not come back at once. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/** Ceiling of the wait before attempt `attempt` (0 is the first): doubles from `baseMs` up to `capMs`. */
function ceilingMs(backoff: Backoff, attempt: number): number {
  return Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(attempt, 30));
}

/** Uniform in [0, ceiling); `random` is uniform in [0, 1). */
export function fullJitterMs(backoff: Backoff, attempt: number, random: number): number {
  return Math.floor(random * ceilingMs(backoff, attempt));
}

/** Uniform in [ceiling / 2, ceiling): for waits that must not be near zero. */
export function equalJitterMs(backoff: Backoff, attempt: number, random: number): number {
  return Math.floor(((1 + random) / 2) * ceilingMs(backoff, attempt));
}

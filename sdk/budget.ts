/** Escalation budget: a token bucket, so that a bad hour of the model does not bury the people. */
export interface Budget {
  /** Escalations that are allowed right now; fractions accumulate. */
  readonly tokens: number;
  /** Monotonic clock. */
  readonly atMs: number;
}

const hourMs = 3_600_000;

/** A full bucket: an hour's worth may come at once. */
export function fullBudget(perHour: number, nowMs: number): Budget {
  return { tokens: perHour, atMs: nowMs };
}

/** Refills with the time that has passed; never above an hour's worth. Monotonic time, so a clock jump refills nothing. */
export function refilled(budget: Budget, perHour: number, nowMs: number): Budget {
  const elapsedMs = Math.max(0, nowMs - budget.atMs);
  return { tokens: Math.min(perHour, budget.tokens + (elapsedMs * perHour) / hourMs), atMs: nowMs };
}

export function spent(budget: Budget): Budget {
  return { ...budget, tokens: budget.tokens - 1 };
}

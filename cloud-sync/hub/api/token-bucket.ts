import { HoldpointError, RecentMap, type Clock } from "../../../protocol/index.ts";

/** Token buckets in memory, one for each key: `burst` at once, `perSecond` in the long run. */
export interface TokenBuckets {
  /** Takes one. Throws HP_RATE with the time until there is one again. */
  take(key: string): void;
  /** Gives one back: what it was taken for turned out to be harmless. */
  give(key: string): void;
}

export interface TokenBucketOptions {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly burst: number;
  readonly perSecond: number;
  /** Keys that are remembered; the longest unused are forgotten, and begin anew with a full bucket. */
  readonly keysMax: number;
  /** What there is too much of, for the message. */
  readonly of: string;
}

export function createTokenBuckets({ clock, burst, perSecond, keysMax, of }: TokenBucketOptions): TokenBuckets {
  const buckets = new RecentMap<string, { tokens: number; atMs: number }>(keysMax);
  const filled = (key: string): { tokens: number; atMs: number } => {
    const nowMs = clock.monotonicMs();
    const known = buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    known.tokens = Math.min(burst, known.tokens + ((nowMs - known.atMs) / 1000) * perSecond);
    known.atMs = nowMs;
    buckets.set(key, known);
    return known;
  };
  return {
    take: (key) => {
      const bucket = filled(key);
      if (bucket.tokens < 1) {
        const retryAfterMs = Math.ceil(((1 - bucket.tokens) / perSecond) * 1000);
        throw new HoldpointError("HP_RATE", `too many ${of}`, { retryAfterMs });
      }
      bucket.tokens -= 1;
    },
    give: (key) => {
      const bucket = filled(key);
      bucket.tokens = Math.min(burst, bucket.tokens + 1);
    },
  };
}

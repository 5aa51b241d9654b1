import { type Clock } from "../../../protocol/index.ts";
import { createTokenBuckets } from "../api/token-bucket.ts";

/**
 * How often a sign-in may be tried, per process. A try is taken before the password is looked at and given back when it
 * was right, so that many at once do not slip through. Nobody is locked out: whoever tries at somebody's account delays
 * new browsers for that account, and a browser in which its owner signed in before has a bucket of its own.
 */
export interface SignInLimits {
  /** Throws HP_RATE with `retryAfterMs`. Returns what gives the try back. */
  admit(attempt: SignInAttempt): () => void;
}

interface SignInAttempt {
  /** As it was typed; an unknown one is treated like a known one. */
  readonly login: string;
  readonly address: string;
  /** Hash of the token of a browser that this account has used before. */
  readonly knownBrowser: string | null;
}

export function createSignInLimits(clock: Clock): SignInLimits {
  const of = "tries to sign in";
  const keysMax = 50_000;
  const perAddress = createTokenBuckets({ clock, of, keysMax, burst: 30, perSecond: 0.5 });
  const perAccountAndAddress = createTokenBuckets({ clock, of, keysMax, burst: 8, perSecond: 1 / 15 });
  const perAccount = createTokenBuckets({ clock, of, keysMax, burst: 40, perSecond: 1 / 5 });
  const perKnownBrowser = createTokenBuckets({ clock, of, keysMax, burst: 8, perSecond: 1 / 15 });
  return {
    admit: ({ login, address, knownBrowser }) => {
      const network = networkOf(address);
      const taken: (() => void)[] = [];
      const take = (buckets: typeof perAddress, key: string): void => {
        buckets.take(key);
        taken.push(() => buckets.give(key));
      };
      try {
        if (knownBrowser !== null) take(perKnownBrowser, knownBrowser);
        else {
          take(perAddress, network);
          take(perAccountAndAddress, `${network} ${login}`);
          take(perAccount, login);
        }
      } catch (cause) {
        for (const give of taken) give();
        throw cause;
      }
      return () => {
        for (const give of taken) give();
      };
    },
  };
}

/** One customer of a network has all of an IPv6 /64: it counts as one address. */
export function networkOf(address: string): string {
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("::");
  const levels = head.split(":").filter((level) => level !== "");
  // What `::` stands for is zeros; they matter only where they reach into the first four groups.
  const after = tail === undefined ? [] : tail.split(":").filter((level) => level !== "");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - levels.length - after.length);
  const all = [...levels, ...Array.from({ length: zeros }, () => "0"), ...after];
  return `${all.slice(0, 4).join(":")}::/64`;
}

import { fromHex, toHex, type Clock, type Hasher, type Random } from "../../protocol/index.ts";
import { isSameSecret } from "./pairing.ts";
import { type Reviewer } from "./review-store.ts";

/**
 * Sessions of reviewers. The token in the cookie carries its own signed facts, so that a restart of the agent sends
 * nobody back to the PIN; within one life of the agent the table decides, so that leaving and eviction are real.
 */
export interface Sessions {
  /** Starts a session; the least recently seen one ends where `sessionsMax` are open. Returns the token. */
  open(name: string): { readonly token: string; readonly reviewer: Reviewer };
  /** The reviewer of a token, or null: unknown, forged, ended. */
  find(token: string): Reviewer | null;
  end(token: string): void;
}

export interface SessionsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly hasher: Hasher;
  /** 32 bytes. The same secret after a restart keeps sessions; a new one ends them. */
  readonly secret: Uint8Array;
  readonly sessionMs?: number;
  readonly sessionsMax?: number;
}

interface Facts {
  readonly key: string;
  readonly name: string;
  readonly expiresAtMs: number;
  /** Which life of the agent issued it. */
  readonly boot: string;
}

export const sessionMsDefault = 12 * 3_600_000;

export function createSessions(options: SessionsOptions): Sessions {
  const { clock, random, hasher, secret } = options;
  const sessionMs = options.sessionMs ?? sessionMsDefault;
  const sessionsMax = options.sessionsMax ?? 64;
  const boot = toHex(random.bytes(8));
  /** By key, least recently seen first; their ends are monotonic, so that a clock jump ends no session. */
  const live = new Map<string, { readonly facts: Facts; readonly endsAtMs: number }>();
  const ended = new Set<string>();

  function remember(facts: Facts, endsAtMs: number): void {
    live.delete(facts.key);
    live.set(facts.key, { facts, endsAtMs });
    dropOldest(live, sessionsMax, (key) => end(key));
  }
  function end(key: string): void {
    live.delete(key);
    ended.add(key);
    dropOldest(ended, sessionsMax * 16, (oldest) => ended.delete(oldest));
  }
  function endsAtMs(facts: Facts): number | null {
    const known = live.get(facts.key);
    if (known) return known.endsAtMs;
    if (facts.boot === boot || ended.has(facts.key)) return null;
    // Issued before a restart: only the wall clock remembers. It may have jumped back, so there is a cap.
    return clock.monotonicMs() + Math.min(facts.expiresAtMs - clock.wallMs(), sessionMs);
  }
  const sign = (payload: string): string => toHex(hasher.hmacSha256(secret, encoder.encode(payload)));
  function read(token: string): Facts | null {
    const [payload, signature] = token.split(".");
    if (payload === undefined || signature === undefined) return null;
    if (!isSameSecret(hasher, secret, signature, sign(payload))) return null;
    return JSON.parse(decoder.decode(fromHex(payload))) as Facts; // Signed by us: the shape is ours.
  }

  return {
    open: (name) => {
      const facts = { key: toHex(random.bytes(16)), name, expiresAtMs: clock.wallMs() + sessionMs, boot };
      remember(facts, clock.monotonicMs() + sessionMs);
      const payload = toHex(encoder.encode(JSON.stringify(facts)));
      return { token: `${payload}.${sign(payload)}`, reviewer: { key: facts.key, name } };
    },
    find: (token) => {
      const facts = read(token);
      const ends = facts === null ? null : endsAtMs(facts);
      if (facts === null || ends === null) return null;
      if (clock.monotonicMs() >= ends) {
        end(facts.key);
        return null;
      }
      remember(facts, ends);
      return { key: facts.key, name: facts.name };
    },
    end: (token) => {
      const facts = read(token);
      if (facts !== null) end(facts.key);
    },
  };
}

/** Maps and sets keep the order of insertion: the first key is the oldest. */
function dropOldest(
  kept: { readonly size: number; keys(): Iterable<string> },
  sizeMax: number,
  drop: (key: string) => void,
): void {
  for (const key of kept.keys()) {
    if (kept.size <= sizeMax) return;
    drop(key);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

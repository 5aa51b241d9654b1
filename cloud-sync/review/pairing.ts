import { HoldpointError, toHex, type Clock, type Hasher, type Random } from "../../protocol/index.ts";

/**
 * How a phone or tablet becomes a reviewer's: it opens the address of the QR code, which carries a one-time code behind
 * the `#` (so that it is never sent by itself), and its owner types the PIN that the agent shows. Both are used up by
 * one pairing and are new after `pairingMs`.
 */
export interface Pairing {
  /** The offer that holds now; a new one where the last was used up or has ended. */
  offer(): PairingOffer;
  /**
   * Checks a try and uses the offer up. Throws HP_PIN (wrong; after `triesMax` wrong ones there is a new PIN) and
   * HP_RATE (too many tries from this address, or from everywhere together).
   */
  redeem(attempt: PairingAttempt): void;
}

export interface PairingOffer {
  /** Six digits. */
  readonly pin: string;
  /** 128 bits as hex, for the QR code. */
  readonly code: string;
  readonly expiresAtMs: number;
}

interface PairingAttempt {
  readonly pin: string;
  /** A page that was opened without the QR code has none; it has the PIN alone, and the same few tries. */
  readonly code: string | null;
  readonly remote: string;
}

export interface PairingOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly hasher: Hasher;
  /** Told of every new offer, so that whatever shows it can show the new one. */
  readonly onOffer?: (offer: PairingOffer) => void;
}

export const pairingLimits = Object.freeze({
  pairingMs: 10 * 60_000,
  triesMax: 5,
  /** Wrong tries within `pairingMs`, per address and from everywhere. */
  triesPerRemoteMax: 10,
  triesTogetherMax: 50,
  remotesMax: 1_000,
});

export function createPairing(options: PairingOptions): Pairing {
  const { clock, random, hasher } = options;
  const key = random.bytes(32);
  const wrong = createTries(clock);
  let offer = make();
  let tries = 0;

  function make(): PairingOffer {
    return {
      pin: sixDigits(random),
      code: toHex(random.bytes(16)),
      expiresAtMs: clock.monotonicMs() + pairingLimits.pairingMs,
    };
  }
  function renew(): PairingOffer {
    offer = make();
    tries = 0;
    options.onOffer?.(offer);
    return offer;
  }
  function current(): PairingOffer {
    return clock.monotonicMs() < offer.expiresAtMs ? offer : renew();
  }

  return {
    offer: current,
    redeem: (attempt) => {
      wrong.admit(attempt.remote);
      const { pin, code } = current();
      // Both are always compared, in constant time: neither the answer nor its delay says which one was wrong.
      const pinFits = isSameSecret(hasher, key, attempt.pin.replaceAll(/\s/g, ""), pin);
      const codeFits = attempt.code === null || isSameSecret(hasher, key, attempt.code, code);
      if (pinFits && codeFits) {
        renew();
        return;
      }
      wrong.count(attempt.remote);
      // A wrong code comes from an old QR code or from a stranger: it must not use up the PIN of those at the screen.
      if (codeFits) tries += 1;
      if (tries >= pairingLimits.triesMax) renew();
      throw new HoldpointError(
        "HP_PIN",
        codeFits ? "this is not the PIN" : "this QR code or PIN is not valid any more",
      );
    },
  };
}

/** Counts wrong tries in windows of `pairingMs`. */
function createTries(clock: Clock): { admit(remote: string): void; count(remote: string): void } {
  let windowEndsAtMs = 0;
  let together = 0;
  const perRemote = new Map<string, number>();
  return {
    admit: (remote) => {
      const nowMs = clock.monotonicMs();
      if (nowMs >= windowEndsAtMs) {
        windowEndsAtMs = nowMs + pairingLimits.pairingMs;
        together = 0;
        perRemote.clear();
      }
      const isFull = perRemote.size >= pairingLimits.remotesMax && !perRemote.has(remote);
      const own = perRemote.get(remote) ?? 0;
      if (own < pairingLimits.triesPerRemoteMax && together < pairingLimits.triesTogetherMax && !isFull) return;
      const retryAfterMs = windowEndsAtMs - nowMs;
      throw new HoldpointError("HP_RATE", "too many wrong tries", { retryAfterMs });
    },
    count: (remote) => {
      together += 1;
      perRemote.set(remote, (perRemote.get(remote) ?? 0) + 1);
    },
  };
}

/** Uniform over 000000 to 999999: values that would favour the low ones are drawn again. */
function sixDigits(random: Random): string {
  const usable = Math.floor(0x1_0000_0000 / 1_000_000) * 1_000_000;
  for (;;) {
    const bytes = random.bytes(4);
    const value = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
    if (value < usable) return String(value % 1_000_000).padStart(6, "0");
  }
}

const encoder = new TextEncoder();

/** Compares keyed hashes without an early end, so that the time says nothing of the secret or its length. */
export function isSameSecret(hasher: Hasher, key: Uint8Array, given: string, wanted: string): boolean {
  const a = hasher.hmacSha256(key, encoder.encode(given));
  const b = hasher.hmacSha256(key, encoder.encode(wanted));
  let difference = 0;
  for (let i = 0; i < a.length; i += 1) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

import { describe, expect, it } from "vitest";
import { createPairing, pairingLimits, type PairingOffer } from "../../cloud-sync/review/pairing.ts";
import { createSessions } from "../../cloud-sync/review/sessions.ts";
import { HoldpointError, universalHasher, type Random } from "../../protocol/index.ts";
import { fakeClock } from "../../testing/index.ts";

/** Counts up, so that every draw differs. */
function countingRandom(): Random {
  let n = 0;
  return { uniform: () => 0.5, bytes: (length) => Uint8Array.from({ length }, () => (n = (n * 31 + 17) % 251)) };
}

const hour = 3_600_000;

describe("pairing", () => {
  const begin = (): {
    pairing: ReturnType<typeof createPairing>;
    clock: ReturnType<typeof fakeClock>;
    offers: PairingOffer[];
  } => {
    const clock = fakeClock();
    const offers: PairingOffer[] = [];
    const onOffer = (offer: PairingOffer): number => offers.push(offer);
    return {
      pairing: createPairing({ clock, random: countingRandom(), hasher: universalHasher, onOffer }),
      clock,
      offers,
    };
  };
  const codeOf = (attempt: () => void): string => {
    try {
      attempt();
      return "paired";
    } catch (error) {
      return error instanceof HoldpointError ? error.code : "a bug";
    }
  };

  it("makes a new PIN after ten minutes, whatever the wall clock does", () => {
    const { pairing, clock } = begin();
    const first = pairing.offer();
    clock.jump(10 * 365 * 24 * hour);
    clock.advance(pairingLimits.pairingMs - 1);
    expect(pairing.offer()).toEqual(first);
    clock.advance(1);
    expect(pairing.offer().pin).not.toBe(first.pin);
    expect(codeOf(() => pairing.redeem({ pin: first.pin, code: null, remote: "a" }))).toBe("HP_PIN");
  });

  it("takes a PIN with a space in it, once", () => {
    const { pairing, offers } = begin();
    const { pin, code } = pairing.offer();
    const attempt = { pin: `${pin.slice(0, 3)} ${pin.slice(3)}`, code, remote: "a" };
    expect(codeOf(() => pairing.redeem(attempt))).toBe("paired");
    expect(codeOf(() => pairing.redeem(attempt))).toBe("HP_PIN");
    expect(offers).toHaveLength(1);
  });

  it("lets nobody guess: five tries per PIN, ten per address, fifty in all, and then a wait", () => {
    const { pairing, clock } = begin();
    const guess = (remote: string): string => codeOf(() => pairing.redeem({ pin: "not it", code: null, remote }));
    const first = pairing.offer().pin;
    for (let i = 0; i < 5; i += 1) expect(guess("a")).toBe("HP_PIN");
    expect(pairing.offer().pin).not.toBe(first);
    for (let i = 0; i < 5; i += 1) guess("a");
    expect(guess("a")).toBe("HP_RATE");
    for (let i = 0; i < 40; i += 1) expect(guess(`b${i % 8}`)).toBe("HP_PIN");
    expect(guess("c")).toBe("HP_RATE");
    clock.advance(pairingLimits.pairingMs);
    expect(codeOf(() => pairing.redeem({ pin: pairing.offer().pin, code: null, remote: "a" }))).toBe("paired");
  });
});

describe("sessions", () => {
  const secret = new Uint8Array(32).fill(9);
  const parts = { hasher: universalHasher, secret };

  it("end after twelve hours of monotonic time, and not by a clock that jumps", () => {
    const clock = fakeClock();
    const sessions = createSessions({ ...parts, clock, random: countingRandom() });
    const { token } = sessions.open("Maja");
    clock.jump(48 * hour);
    expect(sessions.find(token)?.name).toBe("Maja");
    clock.advance(12 * hour);
    expect(sessions.find(token)).toBeNull();
  });

  it("keep the newest where more are opened than there may be", () => {
    const clock = fakeClock();
    const sessions = createSessions({ ...parts, clock, random: countingRandom(), sessionsMax: 2 });
    const [a, b] = [sessions.open("A").token, sessions.open("B").token];
    sessions.find(a);
    const c = sessions.open("C").token;
    expect([a, b, c].map((token) => sessions.find(token)?.name ?? null)).toEqual(["A", null, "C"]);
  });

  it("refuse a token that was changed by one character, and nonsense", () => {
    const clock = fakeClock();
    const sessions = createSessions({ ...parts, clock, random: countingRandom() });
    const { token } = sessions.open("Maja");
    const last = token.endsWith("0") ? "1" : "0";
    for (const forged of [
      token.slice(0, -1) + last,
      `00${token.slice(2)}`,
      token.split(".")[0] ?? "",
      "",
      ".",
      "zz.zz",
    ]) {
      expect(sessions.find(forged)).toBeNull();
    }
  });

  it("hold after a restart no longer than they would have, even if the clock went back", () => {
    const clock = fakeClock();
    const { token } = createSessions({ ...parts, clock, random: countingRandom() }).open("Maja");
    const other: Random = { uniform: () => 0.5, bytes: (length) => new Uint8Array(length).fill(3) };
    clock.jump(-24 * hour);
    const later = createSessions({ ...parts, clock, random: other });
    expect(later.find(token)?.name).toBe("Maja");
    clock.advance(12 * hour);
    expect(later.find(token)).toBeNull();
  });
});

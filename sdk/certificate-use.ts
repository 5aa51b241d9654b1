import { contractFor, type GatePolicy } from "../config/index.ts";
import { type Certificate, type Clock } from "../protocol/index.ts";
import { certificateKey } from "./gate.ts";

/** What the gate asks of whoever counts what certificates were used for. Both calls are cheap enough for every decision. */
export interface CertificateUse {
  /** `certificateKey` of the gate's certificates that have lapsed; the same list while nothing changes. */
  lapsed(gate: GatePolicy): readonly string[];
  /** A decision was accepted under it. */
  accepted(certificate: Certificate): void;
}

/** How much of a certificate is used up. */
export interface CertificateUsage {
  /** Decisions accepted under it. */
  readonly accepted: number;
  /** Since its evidence, milliseconds of a clock that does not jump. */
  readonly ageMs: number;
  /** Whether another one may be counted: false while the count cannot be kept. */
  readonly countable: boolean;
}

const nothing: readonly string[] = Object.freeze([]);

/**
 * Those that have lapsed: too many accepted decisions, or too long without fresh evidence, by the certificate's own
 * bounds or the config's, whichever is the nearer. One whose use nobody knows has lapsed as well.
 */
function lapsedOf(gate: GatePolicy, usageOf: (certificate: Certificate) => CertificateUsage | null): readonly string[] {
  const lapsed = gate.certificates.filter((certificate) => {
    const usage = usageOf(certificate);
    const contract = contractFor(gate, certificate.rung, certificate.label);
    if (usage === null || contract === null) return true;
    const acceptedMax = Math.min(certificate.lapse.acceptedMax, contract.lapseAccepts);
    const afterMs = Math.min(certificate.lapse.afterMs, contract.lapseAfterMs);
    return !usage.countable || usage.accepted >= acceptedMax || usage.ageMs >= afterMs;
  });
  return lapsed.length === 0 ? nothing : lapsed.map(certificateKey);
}

/** Ages move slowly: the clock is read for them this often. */
const lookMs = 1000;

/** The list of each gate, made anew when `changed` was called, and every second for what has grown old. */
export class LapsedLists {
  readonly #clock: Clock;
  readonly #usageOf: (certificate: Certificate) => CertificateUsage | null;
  #known = new WeakMap<GatePolicy, readonly string[]>();
  #lookAtMs = -Infinity;

  constructor(clock: Clock, usageOf: (certificate: Certificate) => CertificateUsage | null) {
    this.#clock = clock;
    this.#usageOf = usageOf;
  }

  of(gate: GatePolicy): readonly string[] {
    if (gate.certificates.length === 0) return nothing;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lookAtMs >= lookMs) {
      this.#lookAtMs = nowMs;
      this.changed();
    }
    const known = this.#known.get(gate);
    if (known) return known;
    const lapsed = lapsedOf(gate, this.#usageOf);
    this.#known.set(gate, lapsed);
    return lapsed;
  }

  changed(): void {
    this.#known = new WeakMap();
  }
}

/**
 * For certificates that a program passes in itself: counted while it runs, and as old as the wall clock says when it
 * starts. What outlives the process is the agent's business.
 */
export function memoryUse(clock: Clock): CertificateUse {
  const accepted = new Map<string, number>();
  const [startWallMs, startMs] = [clock.wallMs(), clock.monotonicMs()];
  const lists = new LapsedLists(clock, (certificate) => ({
    accepted: accepted.get(certificateKey(certificate)) ?? 0,
    ageMs: Math.max(0, startWallMs - certificate.issuedAtMs) + clock.monotonicMs() - startMs,
    countable: true,
  }));
  return {
    lapsed: (gate) => lists.of(gate),
    accepted: (certificate) => {
      const key = certificateKey(certificate);
      const count = (accepted.get(key) ?? 0) + 1;
      accepted.set(key, count);
      // The next one must see it: the list is made again when the bound is reached.
      if (count >= certificate.lapse.acceptedMax) lists.changed();
    },
  };
}

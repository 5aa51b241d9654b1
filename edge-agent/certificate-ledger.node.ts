import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { writeDurable } from "../cloud-sync/edge/durable-file.node.ts";
import { type Cancel, type Certificate, type Clock, type Logger, type Timers } from "../protocol/index.ts";
import { certificateKey, type CertificateUsage } from "../sdk/index.ts";

/**
 * What each certificate was used for, across restarts, power cuts and clock jumps. Accepted decisions are counted ahead:
 * so many are written down as used before they are, so that a crash counts too many and never too few. Age is time that
 * this agent ran, by a clock that does not jump, and for the time between two runs what the wall clock says, never less
 * than nothing. One that is in force and not in here was lost from it, and has lapsed.
 */
const ledgerSchema = z.object({
  v: z.literal(1),
  wallMs: z.number(),
  entries: z.record(z.string(), z.object({ accepted: z.number().min(0), ageMs: z.number().min(0) })),
});

const fileName = "certificates-used.json";
/** Decisions written down ahead, unless a certificate allows few: then a twentieth of those. */
const aheadMax = 2500;
/** Documents that are remembered; of more, those that were first seen longest ago go. */
const entriesMax = 4096;
/** A power cut forgets at most so much of an age, and the wall clock tells even that. */
const saveEveryMs = 60_000;

interface Entry {
  used: number;
  /** Written down as used. */
  reserved: number;
  ahead: number;
  readonly ageMs: number;
  /** Monotonic time at which it was so old. */
  readonly atMs: number;
}

export interface LedgerOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export class CertificateLedger {
  readonly #options: LedgerOptions;
  readonly #entries = new Map<string, Entry>();
  /** Those that may be used: only for them it is counted ahead. */
  readonly #inForce = new Set<string>();
  #saving: Promise<void> | null = null;
  #isWanted = false;
  #isOpen = false;
  #cancel: Cancel = () => undefined;
  /** Told when a count could not be written down. */
  onChange: () => void = () => undefined;

  constructor(options: LedgerOptions) {
    this.#options = options;
    const { clock, dir, logger } = options;
    const kept = readLedger(join(dir, fileName));
    if (kept === null) logger.warn("certificate_ledger_lost", { file: fileName });
    const offMs = Math.max(0, clock.wallMs() - (kept?.wallMs ?? Infinity));
    for (const [key, { accepted, ageMs }] of Object.entries(kept?.entries ?? {})) {
      this.#set(key, { used: accepted, reserved: accepted, ahead: 1, ageMs: ageMs + offMs });
    }
  }

  /** The directory is this agent's: from now on it is written. Until then nothing that is counted may be used. */
  async open(): Promise<void> {
    this.#isOpen = true;
    this.#tick();
    if (this.#entries.size > 0) await this.#save();
  }

  /** New ones, with their age; durable when this resolved. Those that are known keep their count and age. */
  async register(certificates: readonly Certificate[], ageOf: (certificate: Certificate) => number): Promise<void> {
    for (const certificate of certificates) {
      const key = certificateKey(certificate);
      if (this.#entries.has(key)) continue;
      this.#set(key, { used: 0, reserved: 0, ahead: aheadOf(certificate), ageMs: Math.max(0, ageOf(certificate)) });
      this.#inForce.add(key);
    }
    for (const key of this.#entries.keys()) {
      if (this.#entries.size <= entriesMax) break;
      this.#entries.delete(key);
    }
    await this.#save();
  }

  /** These are in force from now on, and no others; one that is not known stays unknown. */
  async use(certificates: readonly Certificate[]): Promise<void> {
    this.#inForce.clear();
    for (const certificate of certificates) {
      const key = certificateKey(certificate);
      const known = this.#entries.get(key);
      if (!known) continue;
      known.ahead = aheadOf(certificate);
      this.#inForce.add(key);
    }
    if (this.#inForce.size > 0) await this.#save();
  }

  usage(certificate: Certificate): CertificateUsage | null {
    const entry = this.#entries.get(certificateKey(certificate));
    if (!entry) return null;
    const ageMs = entry.ageMs + this.#options.clock.monotonicMs() - entry.atMs;
    return { accepted: entry.used, ageMs, countable: entry.used < entry.reserved };
  }

  /** True where whoever asks next must look again: a bound may be reached. */
  accepted(certificate: Certificate): boolean {
    const entry = this.#entries.get(certificateKey(certificate));
    if (!entry) return true;
    entry.used += 1;
    if (entry.reserved - entry.used < entry.ahead / 2) this.#saveSoon();
    return entry.used >= Math.min(entry.reserved, certificate.lapse.acceptedMax);
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.#saving?.catch(() => undefined);
    // In order: what was counted ahead and not used is given back.
    this.#inForce.clear();
    if (this.#isOpen && this.#entries.size > 0) await this.#write().catch((cause: unknown) => this.#failed(cause));
  }

  #set(key: string, entry: Omit<Entry, "atMs">): void {
    this.#entries.set(key, { ...entry, atMs: this.#options.clock.monotonicMs() });
  }

  #tick(): void {
    this.#cancel = this.#options.timers.after(saveEveryMs, () => {
      if (this.#entries.size > 0) this.#saveSoon();
      this.#tick();
    });
  }

  #saveSoon(): void {
    if (this.#saving) this.#isWanted = true;
    else void this.#save().catch((cause: unknown) => this.#failed(cause));
  }

  /** Something was used up while the last one was under way. */
  #saveAgain(): void {
    if (this.#isWanted) this.#saveSoon();
  }

  #failed(cause: unknown): void {
    this.#options.logger.error("certificate_ledger_not_saved", { cause });
  }

  /** One at a time; what comes meanwhile is saved by another right after. */
  async #save(): Promise<void> {
    if (!this.#isOpen) return;
    while (this.#saving) await this.#saving.catch(() => undefined);
    this.#isWanted = false;
    this.#saving = this.#write();
    try {
      await this.#saving;
    } finally {
      this.#saving = null;
      this.onChange();
      this.#saveAgain();
    }
  }

  async #write(): Promise<void> {
    const { clock, dir } = this.#options;
    const nowMs = clock.monotonicMs();
    const entries: Record<string, { accepted: number; ageMs: number }> = {};
    const ahead: [Entry, number][] = [];
    for (const [key, entry] of this.#entries) {
      const accepted = entry.used + (this.#inForce.has(key) ? entry.ahead : 0);
      entries[key] = { accepted, ageMs: Math.round(entry.ageMs + nowMs - entry.atMs) };
      ahead.push([entry, accepted]);
    }
    await writeDurable(join(dir, fileName), JSON.stringify({ v: 1, wallMs: clock.wallMs(), entries }));
    for (const [entry, accepted] of ahead) entry.reserved = accepted;
  }
}

function aheadOf({ lapse }: Certificate): number {
  return Math.max(1, Math.min(aheadMax, Math.floor(lapse.acceptedMax / 20)));
}

/** Null where it was there and cannot be read. A first start has none. */
function readLedger(file: string): z.infer<typeof ledgerSchema> | null {
  try {
    return ledgerSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (cause) {
    const isAbsent = (cause as NodeJS.ErrnoException).code === "ENOENT";
    return isAbsent ? { v: 1, wallMs: 0, entries: {} } : null;
  }
}

import { type Clock, type Random } from "../../protocol/index.ts";
import { encodeLease, isLeaseKey, parseLease, type LeaseMessage } from "./lease-message.ts";
import {
  freeLease,
  isOwner,
  leaseTransition,
  type LeaseEffect,
  type LeaseEvent,
  type LeasePolicy,
  type LeaseState,
} from "./lease-machine.ts";

export interface LeaseBookOptions {
  readonly agent: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly policy: LeasePolicy;
  readonly publish: (key: string, payload: Uint8Array, retain: boolean) => void;
  readonly onGained: (key: string) => void;
  /** Somebody else has it, or may soon. */
  readonly onLost: (key: string) => void;
  /** Whether a case under the lease waits for its final decision: then it is not given to an agent with less to do. */
  readonly isBusy: (key: string) => boolean;
  /** Our own messages do not come back. */
  readonly onSilence: () => void;
}

interface Entry {
  state: LeaseState;
  /** Taken as soon as it can be had: there was work for it here, or its holder may have died. */
  wanted: boolean;
  usedAtMs: number;
}

/** Leases known at once. Above it new ones are not taken, and their devices ask again. */
const leasesMax = 20_000;
/** A lease without work is given back after this time, so that a device that is gone costs nothing. */
const idleMs = 600_000;
/** Each lease that an agent has already lets the others go first for so long; so agents share what comes. */
const yieldPerLeaseMs = 15;
const yieldMsMax = 1_000;
/** How often an agent with less to do asks one with more for leases, and for how many at a time. */
const shareEveryMs = 1_000;
const shareMax = 8;

/** All leases of one agent: the shell around the lease machine. */
export class LeaseBook {
  readonly #options: LeaseBookOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #life: string;
  #counter = 0;
  #up = false;
  /** Leases held, or being taken. */
  #load = 0;
  /** Promised to another agent, for when they are not busy. */
  readonly #promised = new Set<string>();
  #sharedAtMs = 0;

  constructor(options: LeaseBookOptions) {
    this.#options = options;
    this.#life = [...options.random.bytes(9)].map((byte) => byte.toString(36)).join("");
  }

  owns(key: string): boolean {
    const entry = this.#entries.get(key);
    return this.#up && entry !== undefined && isOwner(entry.state, this.#options.clock.monotonicMs());
  }

  /** Whether another agent answers for it now. */
  isForeign(key: string): boolean {
    const state = this.#entries.get(key)?.state;
    if (state?.phase !== "foreign" || state.holder === "" || state.holder === this.#options.agent) return false;
    return this.#options.clock.monotonicMs() < state.untilMs;
  }

  /** There is work under this lease: taken if nobody has it, now or later. */
  want(key: string): void {
    const entry = this.#entryOf(key);
    if (entry === null) return;
    entry.wanted = true;
    entry.usedAtMs = this.#options.clock.monotonicMs();
    if (this.#up && entry.state.phase !== "owned") this.#step(key, entry, { kind: "want" });
  }

  owned(): readonly string[] {
    return [...this.#entries.keys()].filter((key) => this.owns(key));
  }

  /** The link is up and its subscription granted. */
  up(): void {
    this.#up = true;
    for (const [key, entry] of this.#entries) if (entry.wanted) this.#step(key, entry, { kind: "want" });
  }

  /** This agent cannot act for now, and gives back what it has; it goes on listening. */
  suspend(): void {
    for (const [key, entry] of this.#entries) this.#step(key, entry, { kind: "release" });
    this.#up = false;
  }

  /** What happens on the log is not seen any more. */
  broken(): void {
    this.#up = false;
    for (const [key, entry] of this.#entries) this.#step(key, entry, { kind: "broken" });
  }

  heard(key: string, payload: Uint8Array, retained: boolean): void {
    const message = isLeaseKey(key) ? parseLease(payload) : null;
    if (message === null) return;
    const entry = this.#entryOf(key);
    if (entry === null) return;
    // Whoever holds it may die, or did long ago: then its devices are ours.
    if (message.kind === "claim" || message.kind === "renew") entry.wanted = true;
    this.#step(key, entry, { kind: "heard", message, retained });
    if (message.kind === "ask" && message.agent !== this.#options.agent && entry.state.phase === "owned") {
      if (this.#load > message.load + 1) this.#promised.add(key);
      this.quiet(key);
    }
    if (this.#up && entry.wanted && entry.state.phase === "free") this.#step(key, entry, { kind: "want" });
  }

  /** The last open case under the lease is closed: now it can be given away, if it was promised. */
  quiet(key: string): void {
    if (!this.#promised.has(key) || this.#options.isBusy(key)) return;
    this.#promised.delete(key);
    const entry = this.#entries.get(key);
    if (entry) this.#step(key, entry, { kind: "release" });
  }

  /** To be called several times a second. */
  tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [key, entry] of this.#entries) {
      const idle = nowMs - entry.usedAtMs >= idleMs;
      if (entry.state.phase === "owned" && (idle || !this.#up)) {
        if (idle) entry.wanted = false;
        this.#step(key, entry, { kind: "release" });
      }
      this.#step(key, entry, { kind: "due" });
      if (entry.state.phase !== "free") continue;
      if (entry.wanted && this.#up) this.#step(key, entry, { kind: "want" });
      else if (!entry.wanted) this.#entries.delete(key);
    }
    if (this.#up && nowMs - this.#sharedAtMs >= shareEveryMs) {
      this.#sharedAtMs = nowMs;
      this.#askForShare();
    }
  }

  /** Gives everything back: the agent leaves. */
  releaseAll(): void {
    for (const entry of this.#entries.values()) entry.wanted = false;
    this.suspend();
  }

  /** Asks the agent with most leases for some, where it has at least two more than this one. */
  #askForShare(): void {
    const held = new Map<string, string[]>();
    for (const [key, { state }] of this.#entries) {
      if (state.phase === "foreign") held.set(state.holder, [...(held.get(state.holder) ?? []), key]);
    }
    const [most = []] = [...held.values()].sort((one, other) => other.length - one.length);
    const wanted = Math.min(shareMax, Math.floor((most.length - this.#load) / 2));
    const { agent, random } = this.#options;
    const from = Math.floor(random.uniform() * most.length);
    for (let at = 0; at < wanted; at += 1) {
      const key = most[(from + at) % most.length] ?? "";
      const generation = this.#entries.get(key)?.state.generation ?? 0;
      const ask = { v: 1, kind: "ask", agent, generation, after: null, holdsMs: 0 } as const;
      this.#counter += 1;
      const id = `${this.#life}-${this.#counter}`;
      this.#options.publish(key, encodeLease({ ...ask, id, load: this.#load + at }), false);
    }
  }

  #entryOf(key: string): Entry | null {
    const known = this.#entries.get(key);
    if (known) return known;
    if (this.#entries.size >= leasesMax) return null;
    const entry: Entry = { state: freeLease, wanted: false, usedAtMs: this.#options.clock.monotonicMs() };
    this.#entries.set(key, entry);
    return entry;
  }

  #step(key: string, entry: Entry, event: LeaseEvent): void {
    const { agent, clock, random, policy } = this.#options;
    const before = entry.state.phase;
    const { state, effects } = leaseTransition(entry.state, event, {
      nowMs: clock.monotonicMs(),
      agent,
      newId: `${this.#life}-${this.#counter + 1}`,
      load: this.#load,
      yieldMs: Math.min(yieldMsMax, this.#load * yieldPerLeaseMs) + random.uniform() * yieldPerLeaseMs,
      policy,
    });
    entry.state = state;
    if (state.phase !== "owned") this.#promised.delete(key);
    this.#load += Number(counts(state.phase)) - Number(counts(before));
    for (const effect of effects) this.#perform(key, effect);
    if (state.phase === "foreign" && before !== "foreign") this.#options.onLost(key);
  }

  #perform(key: string, effect: LeaseEffect): void {
    switch (effect.kind) {
      case "publish":
        this.#counter += 1;
        // What a later subscriber must know: who held it last. An ask says nothing of that.
        this.#options.publish(key, encodeLease(effect.message), isRetained(effect.message));
        return;
      case "gained":
        this.#options.onGained(key);
        return;
      case "lost":
        this.#options.onLost(key);
        return;
      case "unanswered":
        this.#options.onSilence();
        return;
    }
  }
}

function counts(phase: LeaseState["phase"]): boolean {
  return phase === "owned" || phase === "claiming";
}

function isRetained({ kind }: LeaseMessage): boolean {
  return kind !== "ask";
}

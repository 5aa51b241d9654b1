/**
 * Copies of messages whose device another agent answers for, or of which it is not yet known who does. They are kept
 * for as long as a lease may take to change hands; the device sends again what was lost here. Pure.
 */
export interface Held {
  readonly id: string | null;
  readonly bytes: number;
  readonly heldAtMs: number;
  /** Tells the broker that it may forget its own copy. */
  readonly letGo: () => void;
  /** Takes the message up. */
  readonly resume: () => void;
}

export interface HoldingPolicy {
  readonly messagesMax: number;
  readonly bytesMax: number;
  readonly keepMs: number;
}

export const holdingPolicy: HoldingPolicy = Object.freeze({
  messagesMax: 4_096,
  bytesMax: 64 * 1024 * 1024,
  keepMs: 9_000,
});

export class Holding {
  readonly #policy: HoldingPolicy;
  /** In order of arrival. `letGo`: the broker has forgotten it. */
  readonly #held = new Map<Held, { readonly key: string; letGo: boolean }>();
  /** The latest copy of each id; a device may send again. */
  readonly #byId = new Map<string, Held>();
  #bytes = 0;

  constructor(policy: HoldingPolicy) {
    this.#policy = policy;
  }

  get size(): number {
    return this.#held.size;
  }

  /** The oldest go to make room. */
  add(key: string, held: Held): void {
    if (held.id !== null) {
      // A device that sends again needs one copy kept, and its earlier one let go.
      this.forget(held.id);
      this.#byId.set(held.id, held);
    }
    this.#held.set(held, { key, letGo: false });
    this.#bytes += held.bytes;
    for (const [oldest] of this.#held) {
      if (this.#held.size <= this.#policy.messagesMax && this.#bytes <= this.#policy.bytesMax) return;
      this.#drop(oldest);
    }
  }

  /** Everything under this lease, the oldest first: it is ours. */
  take(key: string): readonly Held[] {
    const taken = [...this.#held].filter(([, of]) => of.key === key).map(([held]) => held);
    for (const held of taken) this.#remove(held);
    return taken;
  }

  /** Another agent answers for this lease: the broker may forget, the copies stay. */
  letGo(key: string): void {
    for (const [held, of] of this.#held) {
      if (of.key !== key || of.letGo) continue;
      of.letGo = true;
      held.letGo();
    }
  }

  /** The case was answered by another agent, or came again. */
  forget(id: string): void {
    const held = this.#byId.get(id);
    if (held) this.#drop(held);
  }

  /** Copies go; what the broker still counts on this agent for stays until it is known who answers. */
  expire(nowMs: number): void {
    for (const [held, { letGo }] of this.#held) {
      if (nowMs - held.heldAtMs < this.#policy.keepMs) return;
      if (letGo) this.#remove(held);
    }
  }

  #drop(held: Held): void {
    this.#remove(held);
    held.letGo();
  }

  #remove(held: Held): void {
    if (!this.#held.delete(held)) return;
    this.#bytes -= held.bytes;
    if (held.id !== null && this.#byId.get(held.id) === held) this.#byId.delete(held.id);
  }
}

import { isFinal, RecentMap, type Decision } from "../../protocol/index.ts";

/**
 * Decisions that other agents have published. When a device of theirs becomes ours, what was answered is not answered
 * otherwise: a final decision is repeated byte by byte, a provisional one is not told a second time.
 */
export interface Elsewhere {
  readonly revision: number;
  readonly final: boolean;
  /** Of a final decision, as it was published. */
  readonly bytes: Uint8Array | null;
}

/** Latest decisions of others, and own ones that the broker hands back, at least this many of each. */
const rememberedMax = 4_096;

export class DecisionsElsewhere {
  readonly #own = new RecentMap<string, true>(rememberedMax);
  readonly #others = new RecentMap<string, Elsewhere>(rememberedMax);

  /** Before a decision is published: its echo is not another agent's. */
  published(id: string, revision: number): void {
    this.#own.set(`${id}/${revision}`, true);
  }

  /** Something came on a decision topic. Returns whether it is another agent's, and new. */
  heard(decision: Decision, bytes: Uint8Array): boolean {
    const { id, revision } = decision;
    if (this.#own.get(`${id}/${revision}`)) return false;
    const known = this.#others.get(id);
    if (known && (known.final || known.revision > revision)) return false;
    const final = isFinal(decision);
    // A copy: the bytes are a view of what came with one read of the socket.
    this.#others.set(id, { revision, final, bytes: final ? new Uint8Array(bytes) : null });
    return true;
  }

  get(id: string): Elsewhere | null {
    return this.#others.get(id) ?? null;
  }

  /** Whether the device has been told this much, or more, by somebody else. */
  covers(decision: Decision): boolean {
    const known = this.#others.get(decision.id);
    if (!known) return false;
    return known.final || (known.revision >= decision.revision && !isFinal(decision));
  }
}

import { isFinal, type Decision } from "../../protocol/index.ts";

/**
 * Which revisions were shown already: an agent may send one several times and the network may swap two, the listener
 * sees each once and in order. Bounded: at `idsMax` the id that was heard of longest ago is forgotten; if the agent then
 * sent its decision yet again, it would be shown again.
 */
export class RevisionLedger {
  readonly #latest = new Map<string, Decision>();
  readonly #idsMax: number;

  constructor(idsMax: number) {
    this.#idsMax = idsMax;
  }

  /** True if this revision is news. One that was overtaken by a later one is not. */
  admit(decision: Decision): boolean {
    const known = this.#latest.get(decision.id);
    const news = known === undefined || decision.revision > known.revision;
    this.#latest.delete(decision.id);
    this.#latest.set(decision.id, news ? decision : known);
    if (this.#latest.size > this.#idsMax) {
      const [oldest] = this.#latest.keys();
      if (oldest !== undefined) this.#latest.delete(oldest);
    }
    return news;
  }

  latest(id: string): Decision | null {
    return this.#latest.get(id) ?? null;
  }

  final(id: string): Decision | null {
    const decision = this.#latest.get(id);
    return decision !== undefined && isFinal(decision) ? decision : null;
  }
}

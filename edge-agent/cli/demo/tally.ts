import { isFinal, type Decision } from "../../../protocol/index.ts";

/** What `holdpoint demo` ends with (a contract: other software reads it). */
export interface DemoSummary {
  readonly requests: number;
  readonly accepted: number;
  readonly escalated: number;
  readonly abstained: number;
  readonly refused: number;
  /** Requests that got neither a decision nor a refusal. */
  readonly lost: number;
  /** Revisions that came with another body than before. */
  readonly doubled: number;
  /** Decisions that are final, by whomever. */
  readonly finals: number;
  /** From sending to the first decision, as the device sees it. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly source: string;
}

/** What the devices saw, counted from their side: nothing here asks the agent. */
export class Tally {
  readonly #sentAtMs = new Map<string, number>();
  readonly #bodies = new Map<string, string>();
  readonly #final = new Set<string>();
  readonly #verdicts = { accept: 0, escalate: 0, abstain: 0 };
  readonly #latenciesMs: number[] = [];
  readonly #decided = new Set<string>();
  #refused = 0;
  #doubled = 0;
  #revisions = 0;

  sent(id: string, atMs: number): void {
    this.#sentAtMs.set(id, atMs);
  }

  refused(id: string): void {
    if (this.#decided.has(id)) return;
    this.#decided.add(id);
    this.#refused += 1;
  }

  revision(decision: Decision, atMs: number): void {
    const key = `${decision.id} ${decision.revision}`;
    const body = JSON.stringify(decision);
    const before = this.#bodies.get(key);
    if (before !== undefined) {
      if (before !== body) this.#doubled += 1;
      return;
    }
    this.#bodies.set(key, body);
    this.#revisions += 1;
    if (isFinal(decision)) this.#final.add(decision.id);
    if (this.#decided.has(decision.id)) return;
    this.#decided.add(decision.id);
    this.#verdicts[decision.verdict] += 1;
    const sentAtMs = this.#sentAtMs.get(decision.id);
    if (sentAtMs !== undefined) this.#latenciesMs.push(atMs - sentAtMs);
  }

  get outstanding(): number {
    return this.#sentAtMs.size - this.#decided.size;
  }

  get decisions(): number {
    return this.#revisions;
  }

  summary(source: string): DemoSummary {
    const sorted = [...this.#latenciesMs].sort((a, b) => a - b);
    return {
      requests: this.#sentAtMs.size,
      accepted: this.#verdicts.accept,
      escalated: this.#verdicts.escalate,
      abstained: this.#verdicts.abstain,
      refused: this.#refused,
      lost: this.outstanding,
      doubled: this.#doubled,
      finals: this.#final.size,
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
      source,
    };
  }
}

/** Nearest rank; 0 of nothing. */
function quantile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0;
  return Math.round(value * 100) / 100;
}

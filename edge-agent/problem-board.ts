import { type Logger } from "../protocol/index.ts";
import { type Problem } from "./status-report.ts";

/** What works worse than it should, by the part that says so. One problem a part; saying it again replaces it. */
export class ProblemBoard {
  readonly #problems = new Map<string, Problem>();
  readonly #logger: Logger;
  readonly #changed: () => void;

  constructor(logger: Logger, changed: () => void) {
    this.#logger = logger;
    this.#changed = changed;
  }

  raise(part: string, problem: Problem): void {
    if (this.#problems.get(part)?.message === problem.message) return;
    this.#problems.set(part, problem);
    this.#logger.warn("degraded", { part, ...problem });
    this.#changed();
  }

  clear(part: string): void {
    if (!this.#problems.delete(part)) return;
    this.#logger.info("recovered", { part });
    this.#changed();
  }

  list(): readonly Problem[] {
    return [...this.#problems.values()];
  }
}

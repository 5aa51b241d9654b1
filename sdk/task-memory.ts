import { type TaskPolicy } from "../config/index.ts";
import { errorSpread } from "../models/index.ts";
import { type Clock } from "../protocol/index.ts";
import { noScale, scaledBy, type AuditScale } from "./audit.ts";
import { fullBudget, refilled, spent, type Budget } from "./budget.ts";
import {
  answeredUnder,
  answerP95Ms,
  decidedUnder,
  heldUnder,
  idleLoad,
  reviewPrice,
  toldUnder,
  type ReviewLoad,
} from "./capacity.ts";
import { type Decided, type DecideInputs } from "./decide.ts";

/** How people keep up with a task of stated capacity, as operators see it. */
export interface ReviewState {
  /** Expected losses at and above it go to people. */
  readonly price: number;
  /** Share of the stated capacity that is used. */
  readonly pace: number;
  readonly answerP95Ms: number | null;
}

/** What the decisions of a task left for the next ones, as plain data; null: nothing yet. */
export interface TaskRemains {
  /** Of the escalation budget. */
  readonly budgetTokens: number | null;
  readonly auditScale: AuditScale | null;
  readonly reviewLoad: ReviewLoad | null;
}

/** The same of an earlier life, by task. */
export interface EarlierTasks {
  readonly tasks: Readonly<Record<string, TaskRemains>>;
  /** Since it was written down, milliseconds: so long the escalation budget has filled up. */
  readonly agoMs: number;
}

/**
 * What a decision reads of the decisions before it: the escalation budget, the scale of audits, what people have to do.
 * In memory; each decision records what it read. Whoever has a place for it keeps `remains()` across restarts.
 */
export class TaskMemory {
  readonly #clock: Clock;
  readonly #budgets = new Map<string, Budget>();
  readonly #scales = new Map<string, AuditScale>();
  readonly #loads = new Map<string, ReviewLoad>();

  constructor(clock: Clock, earlier: EarlierTasks = { tasks: {}, agoMs: 0 }) {
    this.#clock = clock;
    const atMs = clock.monotonicMs() - Math.max(0, earlier.agoMs);
    for (const [task, { budgetTokens, auditScale, reviewLoad }] of Object.entries(earlier.tasks)) {
      if (budgetTokens !== null) this.#budgets.set(task, { tokens: budgetTokens, atMs });
      if (auditScale !== null) this.#scales.set(task, auditScale);
      if (reviewLoad !== null) this.#loads.set(task, reviewLoad);
    }
  }

  remains(): EarlierTasks["tasks"] {
    const tasks = new Set([...this.#budgets.keys(), ...this.#scales.keys(), ...this.#loads.keys()]);
    return Object.fromEntries(
      [...tasks].map((task) => {
        const { tokens: budgetTokens = null } = this.#budgets.get(task) ?? {};
        const [auditScale, reviewLoad] = [this.#scales.get(task) ?? null, this.#loads.get(task) ?? null];
        return [task, { budgetTokens, auditScale, reviewLoad }];
      }),
    );
  }

  /** Refills the budget by the time that has passed. */
  of(policy: TaskPolicy): Pick<DecideInputs, "budget" | "auditScale" | "reviewPrice"> {
    const { reviewCapacity, task } = policy;
    return {
      budget: this.#budgetOf(policy),
      auditScale: this.#scales.get(task)?.mean ?? 0,
      reviewPrice: reviewCapacity && reviewPrice(this.#loadOf(policy), reviewCapacity, policy),
    };
  }

  decided(policy: TaskPolicy, { audit, spent: isSpent, held, decision }: Decided): void {
    const { reviewCapacity, task } = policy;
    const budget = this.#budgets.get(task);
    if (isSpent && budget && policy.escalationsPerHour !== null) this.#budgets.set(task, spent(budget));
    if (decision.verdict === "accept" && decision.decidedBy === "model") {
      this.#scales.set(task, scaledBy(this.#scales.get(task) ?? noScale, errorSpread(decision.confidence)));
    }
    if (!reviewCapacity) return;
    const load = decidedUnder(this.#loadOf(policy), reviewCapacity, audit || isSpent ? 1 : 0);
    this.#loads.set(task, held ? heldUnder(load, decision.confidence) : load);
  }

  /** What people were given was not recorded: the case had been decided before. */
  refund(policy: TaskPolicy | null, { spent: wasSpent }: Decided): void {
    if (!policy || !wasSpent) return;
    const budget = this.#budgets.get(policy.task);
    if (budget) this.#budgets.set(policy.task, { ...budget, tokens: budget.tokens + 1 });
    const load = this.#loads.get(policy.task);
    if (load) this.#loads.set(policy.task, { ...load, tokens: load.tokens + 1 });
  }

  answered(policy: TaskPolicy | null, tookMs: number): void {
    if (!policy?.reviewCapacity) return;
    this.#loads.set(policy.task, answeredUnder(this.#loadOf(policy), policy.reviewCapacity, tookMs));
  }

  told(policy: TaskPolicy | null, p95Ms: number): void {
    if (!policy?.reviewCapacity) return;
    this.#loads.set(policy.task, toldUnder(this.#loadOf(policy), policy.reviewCapacity, p95Ms));
  }

  /** Null where the task has no stated capacity. */
  reviewState(policy: TaskPolicy | null): ReviewState | null {
    if (!policy?.reviewCapacity) return null;
    const load = this.#loadOf(policy);
    const price = reviewPrice(load, policy.reviewCapacity, policy);
    return { price, pace: load.pace, answerP95Ms: answerP95Ms(load) };
  }

  #budgetOf({ escalationsPerHour: perHour, task }: TaskPolicy): number | null {
    if (perHour === null) return null;
    const nowMs = this.#clock.monotonicMs();
    const budget = refilled(this.#budgets.get(task) ?? fullBudget(perHour, nowMs), perHour, nowMs);
    this.#budgets.set(task, budget);
    return budget.tokens;
  }

  #loadOf({ task, reviewCapacity }: TaskPolicy): ReviewLoad {
    return this.#loads.get(task) ?? idleLoad(reviewCapacity ?? { per1000: 0, answerWithinMs: 0 });
  }
}

import { type ReviewCapacity, type TaskPolicy } from "../config/index.ts";

/**
 * Reviewers' capacity as a second constraint beside the contract: "at most 50 of 1,000, answered within 30 s". Where more
 * is held than people can take, the cases of the highest expected loss go to them and the rest takes its declared
 * fallback. Pure: `ReviewLoad` is the state, `reviewPrice` the one number that a decision reads.
 */
export interface ReviewLoad {
  /** Cases that may go to people now: each decision adds its share of one, each case takes one. */
  readonly tokens: number;
  /** Share of the stated capacity that is used, because people are slower than stated: in [1/16, 1]. */
  readonly pace: number;
  /** Weights of recently held cases by √(1 − confidence), older ones fading; index 0 is the surest. */
  readonly held: readonly number[];
  /** How long people took for the last cases, milliseconds, newest last. */
  readonly answersMs: readonly number[];
  /** 95th percentile that the hub tells, milliseconds; null: it has not. */
  readonly hubP95Ms: number | null;
}

/** Price of "nobody": no case reaches it. */
export const reviewPriceMax = Number.MAX_VALUE;

const bins = 64;
/** How much the weight of earlier cases fades with each: about the last hundred count. */
const fading = 0.99;
const answersMax = 64;
/** Fewer answers than this say nothing about a 95th percentile. */
const answersMin = 20;
const paceMin = 1 / 16;

/** So many cases may come at once: what a thousand decisions are allowed, at least one. */
export function reviewBurst({ per1000 }: ReviewCapacity): number {
  return per1000 === 0 ? 0 : Math.max(1, per1000);
}

/** Whether a load that was kept is one that this version can go on with. */
export function isLoad({ held, answersMs }: ReviewLoad): boolean {
  return held.length === bins && answersMs.length <= answersMax;
}

export function idleLoad(capacity: ReviewCapacity): ReviewLoad {
  const held: number[] = Array.from({ length: bins }, () => 0);
  return { tokens: reviewBurst(capacity), pace: 1, held, answersMs: [], hubP95Ms: null };
}

/**
 * What a wrong answer of this case would cost on average: (1 − confidence) · wrong_accept, or 1 − confidence without
 * costs. A case without a prediction, and one that a rule gives to people, is worth most.
 */
export function expectedLoss(policy: Pick<TaskPolicy, "costs">, confidence: number): number {
  return (1 - confidence) * lossScale(policy);
}

function lossScale({ costs }: Pick<TaskPolicy, "costs">): number {
  return costs !== null && costs.wrongAccept > 0 ? costs.wrongAccept : 1;
}

/**
 * Cases of this expected loss and above may go to people: 0 while half of the burst is left, then rising with what is
 * used of it, so that what is left goes to those that are worth most. Of two cases at one moment the one with the higher
 * loss is never passed over for the other.
 */
export function reviewPrice(load: ReviewLoad, capacity: ReviewCapacity, policy: Pick<TaskPolicy, "costs">): number {
  const { tokens, held } = load;
  if (tokens < 1) return reviewPriceMax;
  let wanted = (2 * tokens) / reviewBurst(capacity);
  if (wanted >= 1) return 0;
  wanted *= held.reduce((sum, weight) => sum + weight, 0);
  let bin = bins - 1;
  for (let above = held[bin] ?? 0; bin > 0 && above < wanted; above += held[bin] ?? 0) bin -= 1;
  return (bin / bins) ** 2 * lossScale(policy);
}

/** After a decision: the share of a case that it allows, and the cases that people were given (an audit is one). */
export function decidedUnder(load: ReviewLoad, capacity: ReviewCapacity, given: number): ReviewLoad {
  const burst = reviewBurst(capacity);
  const refilled = Math.min(burst, load.tokens + (capacity.per1000 / 1000) * load.pace);
  // Audits are given whatever is left; what they owe is bounded, so that one bad hour is not paid for all day.
  return { ...load, tokens: Math.max(-burst, refilled - given) };
}

/** A case that the gate held, whether people were given it or not. */
export function heldUnder(load: ReviewLoad, confidence: number): ReviewLoad {
  const bin = Math.min(bins - 1, Math.floor(bins * Math.sqrt(Math.max(0, 1 - confidence))));
  return { ...load, held: load.held.map((weight, at) => weight * fading + (at === bin ? 1 : 0)) };
}

/** A case came back, answered or given up after so long. Slow people get less, and quickly; more again bit by bit. */
export function answeredUnder(load: ReviewLoad, capacity: ReviewCapacity, tookMs: number): ReviewLoad {
  const answersMs = [...load.answersMs.slice(1 - answersMax), tookMs];
  return paced({ ...load, answersMs }, capacity);
}

/** The hub has told how long its people take. */
export function toldUnder(load: ReviewLoad, capacity: ReviewCapacity, hubP95Ms: number): ReviewLoad {
  return paced({ ...load, hubP95Ms }, capacity);
}

function paced(load: ReviewLoad, { answerWithinMs }: ReviewCapacity): ReviewLoad {
  const isSlow = (answerP95Ms(load) ?? 0) > answerWithinMs;
  return { ...load, pace: isSlow ? Math.max(paceMin, load.pace * 0.9) : Math.min(1, load.pace + 0.02) };
}

/** The slower of what is seen here and what the hub tells; null while nobody knows. */
export function answerP95Ms({ answersMs, hubP95Ms }: ReviewLoad): number | null {
  if (answersMs.length < answersMin) return hubP95Ms;
  const sorted = [...answersMs].sort((a, b) => a - b);
  const own = sorted[Math.ceil(0.95 * sorted.length) - 1] ?? 0;
  return hubP95Ms === null ? own : Math.max(own, hubP95Ms);
}

import { type Draw } from "../seeded-draw.ts";

/** How a reviewer errs when fresh. Shares in [0, 1]. */
export interface ReviewerProfile {
  /** Calls a right answer of the model wrong. */
  readonly error: number;
  /** Repeats a wrong answer of the model. */
  readonly repeats: number;
}

/** What became of a case that people saw. */
export interface ReviewedCase {
  /** What the label says about the model's answer. */
  readonly isWrong: boolean;
  /** One, or two where reviewer and model disagreed and somebody else had to decide. */
  readonly reviews: number;
}

/** Six people as published studies describe them: 5 % wrong on average, 12 to 19 % of the model's errors repeated. */
export const builtInReviewers: readonly ReviewerProfile[] = [
  { error: 0.02, repeats: 0.12 },
  { error: 0.03, repeats: 0.13 },
  { error: 0.04, repeats: 0.15 },
  { error: 0.05, repeats: 0.16 },
  { error: 0.07, repeats: 0.18 },
  { error: 0.09, repeats: 0.19 },
];

/** Errors grow by this share of themselves with every hundred cases that the same person has answered that day. */
const fatigue = 0.25;
const adjudicatorError = 0.01;

/** The people of a fleet: cases go round among them, and they tire in the course of a day. */
export class ReviewRoom {
  readonly #profiles: readonly ReviewerProfile[];
  readonly #draw: Draw;
  #today = 0;

  constructor(profiles: readonly ReviewerProfile[], draw: Draw) {
    this.#profiles = profiles;
    this.#draw = draw;
  }

  newDay(): void {
    this.#today = 0;
  }

  /** A person answers; where that contradicts the model, another one decides. */
  review(isWrong: boolean): ReviewedCase {
    const people = this.#profiles.length;
    const { error, repeats } = this.#profiles[this.#today % people] ?? { error: 0, repeats: 0 };
    const tired = 1 + fatigue * (Math.floor(this.#today / people) / 100);
    this.#today += 1;
    const agrees = isWrong ? this.#draw() < Math.min(1, repeats * tired) : this.#draw() >= Math.min(1, error * tired);
    if (agrees) return { isWrong: false, reviews: 1 };
    this.#today += 1;
    return { isWrong: isWrong === this.#draw() >= adjudicatorError, reviews: 2 };
  }
}

import { type Decision, type DecisionRequest, type ReviewAnswer } from "../protocol/index.ts";
import { type Escalate } from "../sdk/index.ts";

/** A person for tests: answers when the test says so, and keeps what it was shown. */
export interface FakeReviewer {
  readonly escalateTo: Escalate;
  /** Cases that wait for an answer, oldest first. */
  readonly waiting: readonly { readonly decision: Decision; readonly request: DecisionRequest }[];
  /** Answers the oldest case. Throws if none waits. */
  answer(answer: ReviewAnswer | string): void;
}

/**
 * @example
 * const reviewer = fakeReviewer("Kim");
 * const decider = await createDecider({ config, models, escalateTo: reviewer.escalateTo });
 * reviewer.answer("Orange");
 */
export function fakeReviewer(name = "reviewer"): FakeReviewer {
  const held: {
    readonly decision: Decision;
    readonly request: DecisionRequest;
    readonly settle: (answer: ReviewAnswer) => void;
  }[] = [];
  return {
    escalateTo: async (decision, request) => {
      const answer = await new Promise<ReviewAnswer>((settle) => held.push({ decision, request, settle }));
      return { reviewer: name, answer };
    },
    get waiting() {
      return held.map(({ decision, request }) => ({ decision, request }));
    },
    answer: (answer) => {
      const next = held.shift();
      if (!next) throw new Error("no case waits for an answer");
      next.settle(typeof answer === "string" ? { kind: "label", label: answer } : answer);
    },
  };
}

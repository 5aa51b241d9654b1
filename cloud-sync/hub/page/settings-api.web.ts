import type { ReviewRules } from "../review/review-rules.ts";
import { ask, level, type Answered } from "./ask.web.ts";

/** The calls of the sections of the settings, one function each. */

/** As somebody typed it: a number where it is one, else the text, of which the hub says what is wrong. */
type Typed<Value> = Value | string;

export interface TaskRules {
  readonly task: string;
  readonly rules: ReviewRules;
  /** Null: nobody has set anything, and the defaults hold. */
  readonly changedMs: number | null;
}

export type TypedRules = { readonly [Key in keyof ReviewRules]: Typed<ReviewRules[Key]> };

export const reviewRules = {
  list: (): Promise<Answered<{ readonly defaults: ReviewRules; readonly tasks: readonly TaskRules[] }>> =>
    ask("GET", "/v1/reviews/rules"),
  change: (task: string, rules: TypedRules): Promise<Answered<TaskRules>> =>
    ask("PUT", `/v1/reviews/rules/${level(task)}`, rules),
};

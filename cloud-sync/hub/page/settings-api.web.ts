import type { Retention } from "../privacy/retention.ts";
import type { ReviewRules } from "../review/review-rules.ts";
import type { Layer } from "./api.web.ts";
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

/** How long boxes keep the input of a decided case, and the layer that says so; `default`: none does. */
export interface EdgeRetentionLine {
  readonly layer: Layer | "default";
  readonly scope: string;
  readonly keepMs: number;
  readonly stores: number;
}

export interface EdgeRetention {
  readonly defaultMs: number;
  readonly items: readonly EdgeRetentionLine[];
  readonly more: number;
}

export const retention = {
  get: (): Promise<Answered<Retention>> => ask("GET", "/v1/retention"),
  /** `task` as in the list, `-` for every other one; null: as every other task. */
  change: (task: string, keepMs: Typed<number> | null): Promise<Answered<Retention>> =>
    ask("PUT", `/v1/retention/${level(task)}`, { keepMs }),
  edge: (): Promise<Answered<EdgeRetention>> => ask("GET", "/v1/retention/edge"),
};

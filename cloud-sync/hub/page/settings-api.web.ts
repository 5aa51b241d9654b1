import type { Retention } from "../privacy/retention.ts";
import type { ReviewRules } from "../review/review-rules.ts";
import type { HubEventType } from "../webhooks/hub-event.ts";
import type { Layer, PageOf } from "./api.web.ts";
import { ask, level, search, type Answered } from "./ask.web.ts";

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

export interface Webhook {
  readonly id: string;
  readonly url: string;
  readonly events: readonly HubEventType[];
  /** Null: events of every store, and those of the whole fleet. */
  readonly stores: readonly string[] | null;
  readonly madeMs: number;
  readonly madeBy: string;
  /** Null while it is told. */
  readonly off: string | null;
  readonly waiting: number;
  readonly dead: number;
}

export const deliveryStates = ["waiting", "sent", "dead"] as const;
export type DeliveryState = (typeof deliveryStates)[number];

export interface Delivery {
  readonly id: string;
  readonly event: string;
  readonly madeMs: number;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly dueMs: number | null;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
}

const webhookPath = (id: string): string => `/v1/webhooks/${level(id)}`;

export const webhooks = {
  /** There are at most 50, so one page has them all. */
  list: (): Promise<Answered<PageOf<Webhook>>> => ask("GET", `/v1/webhooks${search({ limit: 50 })}`),
  add: (webhook: {
    readonly url: string;
    readonly events: readonly HubEventType[];
    readonly stores: readonly string[] | null;
  }): Promise<Answered<{ readonly id: string; readonly secret: string }>> => ask("POST", "/v1/webhooks", webhook),
  remove: (id: string): Promise<Answered<unknown>> => ask("DELETE", webhookPath(id)),
  deliveries: (id: string, state: DeliveryState | null, cursor: string | null): Promise<Answered<PageOf<Delivery>>> =>
    ask("GET", `${webhookPath(id)}/deliveries${search({ state, cursor })}`),
  retry: (id: string, delivery: string): Promise<Answered<unknown>> =>
    ask("POST", `${webhookPath(id)}/deliveries/${level(delivery)}/retry`),
};

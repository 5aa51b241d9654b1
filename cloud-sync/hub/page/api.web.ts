import type { Role, Scope } from "../api/caller.ts";
import type { CaseItem } from "../cases/case-list.ts";
import type { CaseStory } from "../cases/case-story.ts";
import type { StoreLine } from "../fleet/store-list.ts";
import type { StoreStory } from "../fleet/store-story.ts";
import type { Person, PersonChange } from "../people/accounts.ts";
import type { ReviewerFigures } from "../review/review-lists.ts";
import { ask, level, search, type Answered } from "./ask.web.ts";
import type { HubSession } from "./session.ts";

/** Every call that the pages make, one function each; the review screen has its own (review/page/api.web.ts). */

/** A list comes in pages; the cursor asks for the next one, null says that there is none. */
export interface PageOf<T> {
  readonly items: readonly T[];
  readonly cursor: string | null;
}

export interface Invitation {
  readonly token: string;
  readonly path: string;
  readonly url: string | null;
  readonly expiresMs: number;
}

export interface NewPerson {
  readonly login: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly stores: Scope;
  readonly tasks: Scope;
  readonly skills: readonly string[];
}

export interface ApiToken {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly stores: Scope;
  readonly tasks: Scope;
  readonly madeMs: number;
  readonly madeBy: string;
  readonly usedMs: number | null;
  readonly expiresMs: number | null;
  readonly revokedMs: number | null;
}

export const session = {
  get: (): Promise<Answered<HubSession>> => ask("GET", "/v1/session"),
  signIn: (login: string, password: string): Promise<Answered<HubSession>> =>
    ask("POST", "/v1/session", { login, password }),
  signOut: (): Promise<Answered<unknown>> => ask("DELETE", "/v1/session"),
  changePassword: (current: string, next: string): Promise<Answered<unknown>> =>
    ask("POST", "/v1/session/password", { current, next }),
  invited: (token: string): Promise<Answered<{ readonly login: string; readonly name: string }>> =>
    ask("POST", "/v1/invitation/person", { token }),
  takeInvitation: (token: string, password: string): Promise<Answered<HubSession>> =>
    ask("POST", "/v1/invitation", { token, password }),
};

export const people = {
  list: (cursor: string | null): Promise<Answered<PageOf<Person>>> => ask("GET", `/v1/people${search({ cursor })}`),
  add: (person: NewPerson): Promise<Answered<{ readonly person: Person; readonly invitation: Invitation }>> =>
    ask("POST", "/v1/people", person),
  change: (id: string, change: Partial<PersonChange>): Promise<Answered<Person>> =>
    ask("POST", `/v1/people/${level(id)}`, change),
  invite: (id: string): Promise<Answered<Invitation>> => ask("POST", `/v1/people/${level(id)}/invitation`),
  signOut: (id: string): Promise<Answered<{ readonly ended: number }>> =>
    ask("DELETE", `/v1/people/${level(id)}/sessions`),
};

export const tokens = {
  list: (cursor: string | null): Promise<Answered<PageOf<ApiToken>>> => ask("GET", `/v1/tokens${search({ cursor })}`),
  add: (token: {
    readonly name: string;
    readonly roles: readonly Role[];
    readonly validMs: number | null;
  }): Promise<Answered<{ readonly id: string; readonly token: string }>> => ask("POST", "/v1/tokens", token),
  revoke: (id: string): Promise<Answered<{ readonly revoked: boolean }>> => ask("DELETE", `/v1/tokens/${level(id)}`),
};

export type Layer = "fleet" | "region" | "store";

export interface LayerState {
  readonly layer: Layer;
  /** A region's or a store's name; `-` for the fleet. */
  readonly scope: string;
  /** 0: never written. */
  readonly revision: number;
  readonly changedMs: number | null;
  readonly changedBy: string | null;
}

export interface LayerChange {
  readonly change: number;
  readonly layer: Layer;
  readonly scope: string;
  readonly revision: number;
  readonly atMs: number;
  readonly by: string;
  readonly why: string;
  readonly revertOf: number | null;
}

export interface ConfigCheck {
  readonly ok: boolean;
  readonly faults: readonly {
    readonly file: string;
    readonly line: number;
    readonly column: number;
    readonly key: string;
    readonly message: string;
    readonly hint: string;
  }[];
  readonly changes: readonly {
    readonly stores: readonly string[];
    readonly storesTotal: number;
    readonly keys: readonly { readonly key: string; readonly from?: unknown; readonly to?: unknown }[];
  }[];
  readonly more: number;
  readonly locked: readonly {
    readonly key: string;
    readonly line: number;
    readonly by: string;
    readonly stores: number;
  }[];
}

export interface ConfigKey {
  readonly key: string;
  readonly kind: string;
  readonly default: string;
  readonly description: string;
}

export interface LayerName {
  readonly layer: Layer;
  readonly scope: string;
}

export interface LayerPut extends LayerName {
  readonly revision: number;
  readonly agents: number;
}

const layerPath = ({ layer, scope }: LayerName): string => `/v1/config/layers/${layer}/${level(scope)}`;

export const config = {
  layers: (cursor: string | null): Promise<Answered<PageOf<LayerState>>> =>
    ask("GET", `/v1/config/layers${search({ cursor })}`),
  layer: (name: LayerName): Promise<Answered<LayerState & { readonly text: string }>> => ask("GET", layerPath(name)),
  history: (of: Partial<LayerName>, cursor: string | null): Promise<Answered<PageOf<LayerChange>>> =>
    ask("GET", `/v1/config/history${search({ ...of, cursor, limit: 20 })}`),
  change: (change: number): Promise<Answered<LayerChange & { readonly text: string; readonly before: string }>> =>
    ask("GET", `/v1/config/history/${change}`),
  schema: (): Promise<Answered<{ readonly keys: readonly ConfigKey[] }>> => ask("GET", "/v1/config/schema"),
  check: ({ layer, scope }: LayerName, text: string): Promise<Answered<ConfigCheck>> =>
    ask("POST", "/v1/config/check", { layer, scope, text }),
  put: (
    name: LayerName,
    given: { readonly text: string; readonly why: string; readonly revision: number },
  ): Promise<Answered<LayerPut>> => ask("PUT", layerPath(name), given),
  revert: (
    { layer, scope }: LayerName,
    given: { readonly to: number; readonly revision: number; readonly why: string },
  ): Promise<Answered<LayerPut>> => ask("POST", "/v1/config/revert", { layer, scope, ...given }),
};

export interface EnrolToken {
  readonly token: string;
  readonly store: string;
  readonly agent: string;
  readonly expiresMs: number;
}

export const fleet = {
  stores: (q: string, cursor: string | null): Promise<Answered<PageOf<StoreLine>>> =>
    ask("GET", `/v1/stores${search({ q, cursor, limit: 100 })}`),
  store: (store: string): Promise<Answered<StoreStory>> => ask("GET", `/v1/stores/${level(store)}`),
  enrolToken: (store: string, agent: string): Promise<Answered<EnrolToken>> =>
    ask("POST", "/v1/fleet/tokens", { store, agent }),
  rename: (id: string, name: string): Promise<Answered<unknown>> =>
    ask("POST", `/v1/agents/${level(id)}/rename`, { name }),
  revoke: (id: string, why: string): Promise<Answered<unknown>> =>
    ask("POST", `/v1/agents/${level(id)}/revoke`, { why }),
};

export interface DecisionStep {
  readonly atMs: number;
  readonly group: string | null;
  readonly accepted: number;
  readonly escalated: number;
  readonly abstained: number;
}

export interface StepsQuery {
  readonly from: number;
  readonly to: number;
  readonly step: "hour" | "day";
  readonly by: "all" | "task" | "store";
  readonly store?: string | null;
  readonly task?: string | null;
}

export const stats = {
  decisions: (query: StepsQuery): Promise<Answered<PageOf<DecisionStep>>> =>
    ask("GET", `/v1/stats/decisions${search({ ...query })}`),
  csvAddress: (query: StepsQuery): string => `/v1/stats/decisions.csv${search({ ...query })}`,
};

export interface AuditLine {
  readonly n: number;
  readonly atMs: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly hash: string;
}

export interface AuditFilter {
  readonly actor: string | null;
  readonly action: string | null;
  readonly subject: string | null;
}

export const audit = {
  list: (filter: AuditFilter, cursor: string | null): Promise<Answered<PageOf<AuditLine>>> =>
    ask("GET", `/v1/audit${search({ ...filter, cursor })}`),
  csvAddress: (filter: AuditFilter): string => `/v1/audit.csv${search({ ...filter })}`,
  checkpoint: (): Promise<Answered<Readonly<Record<string, unknown>>>> => ask("GET", "/v1/audit/checkpoint"),
};

export interface CaseFilter {
  readonly store: string | null;
  readonly task: string | null;
  readonly state: string | null;
  readonly kind: string | null;
  readonly search: string | null;
}

export const cases = {
  list: (filter: CaseFilter, cursor: string | null): Promise<Answered<PageOf<CaseItem>>> =>
    ask("GET", `/v1/cases${search({ ...filter, cursor })}`),
  story: (id: string): Promise<Answered<CaseStory>> => ask("GET", `/v1/cases/${level(id)}`),
};

export interface OpenSlot {
  readonly id: string;
  readonly caseId: string;
  readonly store: string;
  readonly task: string;
  readonly role: "first" | "second" | "adjudication" | "audit" | "gold";
  readonly skill: string | null;
  readonly state: "waiting" | "leased" | "answered";
  readonly reviewer: string | null;
  readonly heldMs: number;
  readonly dueMs: number | null;
}

export const reviews = {
  queue: (
    filter: { readonly store: string | null; readonly task: string | null },
    cursor: string | null,
  ): Promise<Answered<PageOf<OpenSlot>>> => ask("GET", `/v1/reviews/queue${search({ ...filter, cursor, limit: 200 })}`),
  figures: (cursor: string | null): Promise<Answered<PageOf<ReviewerFigures>>> =>
    ask("GET", `/v1/reviews/stats${search({ cursor, limit: 100 })}`),
  release: (id: string): Promise<Answered<{ readonly released: boolean }>> =>
    ask("POST", `/v1/reviews/queue/${level(id)}/release`),
};

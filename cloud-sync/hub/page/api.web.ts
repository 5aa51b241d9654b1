import type { Role, Scope } from "../api/caller.ts";
import type { Person, PersonChange } from "../people/accounts.ts";
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

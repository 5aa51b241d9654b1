import type { Permission } from "../api/caller.ts";
import type { Person } from "../people/accounts.ts";
import { pageNames, type PageName } from "./router.ts";

/** Who is signed in here, and how one may sign in: what `GET /v1/session` answers. */
export interface HubSession {
  readonly signedIn: SignedIn | null;
  readonly methods: { readonly password: true; readonly oidc: string | null };
}

export interface SignedIn {
  readonly person: Person & { readonly permissions: readonly Permission[] };
  readonly openedMs: number;
  readonly endsMs: number;
  readonly idleMs: number;
}

/** The permission without which a page has nothing to show. */
const neededFor: Readonly<Record<PageName, Permission | null>> = {
  review: "review",
  queues: "cases.read",
  stores: "fleet.read",
  cases: "cases.read",
  automation: "fleet.read",
  gates: "config.read",
  people: "people.read",
  config: "config.read",
  audit: "audit.read",
  settings: null,
};

/** The pages that this person can use, in the order of the rail; the first is where they begin. */
export function pagesOf({ person }: SignedIn): readonly PageName[] {
  return pageNames.filter((page) => {
    const needed = neededFor[page];
    return needed === null || person.permissions.includes(needed);
  });
}

/** Whether somebody is answerable for every store and task, as what holds for the whole hub asks. */
export function ownsAll({ person }: SignedIn): boolean {
  return person.stores === null && person.tasks === null;
}

export function may({ person }: SignedIn, permission: Permission): boolean {
  return person.permissions.includes(permission);
}

/** Who calls the hub, and what they may do. */

export const roles = ["reviewer", "lead", "operator", "admin", "auditor"] as const;
export type Role = (typeof roles)[number];

/** What a route asks for. A role is a set of them; routes never ask for a role. */
export const permissions = [
  "review",
  /** Adjudicate, see who answered what, release somebody's lease. */
  "lead",
  "cases.read",
  "fleet.read",
  "fleet.write",
  "config.read",
  "config.write",
  "people.read",
  "people.write",
  "settings.write",
  "audit.read",
  /** Send work in and read its results: stores' systems, Label Studio, an A2I client. */
  "work.write",
] as const;
export type Permission = (typeof permissions)[number];

const every: readonly Permission[] = permissions;

export const permissionsOf: Readonly<Record<Role, readonly Permission[]>> = Object.freeze({
  reviewer: ["review"],
  lead: ["review", "lead", "cases.read", "fleet.read", "people.read"],
  operator: ["cases.read", "fleet.read", "fleet.write", "config.read", "config.write", "work.write"],
  admin: every,
  auditor: ["cases.read", "fleet.read", "config.read", "people.read", "audit.read"],
});

/** A set of stores or tasks; null means every one. */
export type Scope = readonly string[] | null;

export interface PersonCaller {
  /** A person at a page, or a program with an API token. */
  readonly kind: "person" | "program";
  readonly id: string;
  /** As others see it: in a lease, in the audit log. */
  readonly name: string;
  readonly roles: readonly Role[];
  readonly permissions: ReadonlySet<Permission>;
  readonly stores: Scope;
  readonly tasks: Scope;
  readonly skills: readonly string[];
  /** One sign-in of a person; leases belong to it, so that two windows of one person do not fight. */
  readonly sessionId: string;
}

export interface AgentCaller {
  readonly kind: "agent";
  readonly agentId: string;
  readonly store: string;
  readonly name: string;
}

export type Caller = PersonCaller | AgentCaller;

export function inScope(scope: Scope, name: string): boolean {
  return scope === null || scope.includes(name);
}

/** Whether a task of a store is within somebody's stores and tasks. */
export function isInReach(
  { stores, tasks }: { readonly stores: Scope; readonly tasks: Scope },
  { store, task }: { readonly store: string; readonly task: string },
): boolean {
  return inScope(stores, store) && inScope(tasks, task);
}

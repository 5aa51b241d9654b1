import { HoldpointError, namePattern } from "../../../protocol/index.ts";
import { inScope, type PersonCaller } from "../api/caller.ts";

/**
 * The store that work is for: the one that was named, or the caller's only one. Errors: HP_SCHEMA where it is neither,
 * HP_FORBIDDEN for a store or task that is not the caller's.
 */
export function workStore(
  caller: Pick<PersonCaller, "stores" | "tasks">,
  named: string | undefined,
  task: string,
): string {
  const [only, second] = caller.stores ?? [];
  const store = named ?? (second === undefined ? only : undefined);
  if (store === undefined) {
    throw new HoldpointError("HP_SCHEMA", "store: say which one", {
      hint: "Add ?store=<name>, or use an API token that is for one store only.",
    });
  }
  if (!namePattern.test(store)) throw new HoldpointError("HP_SCHEMA", "store: must be a name");
  if (!namePattern.test(task)) throw new HoldpointError("HP_SCHEMA", "task: must be a name");
  if (!inScope(caller.stores, store) || !inScope(caller.tasks, task)) {
    throw new HoldpointError("HP_FORBIDDEN", "this store or task is not the caller's", {
      hint: "Ask an admin of this hub for a token that covers it.",
    });
  }
  return store;
}

/** Who sent the work, as reviewers see it: a name without control characters, not too long. */
export function senderName(name: string): string {
  return name.replaceAll(/[\p{Cc}\p{Cf}]/gu, "").slice(0, 200) || "a program";
}

import { HoldpointError } from "../../../protocol/index.ts";
import { inScope, type PersonCaller } from "../api/caller.ts";

/** A cursor of two parts, the first of them a number. Throws HP_SCHEMA. */
export function splitCursor(cursor: string): readonly [number, string] {
  const at = cursor.indexOf(".");
  const first = Number(cursor.slice(0, at));
  if (at < 1 || !Number.isSafeInteger(first)) throw new HoldpointError("HP_SCHEMA", "cursor: is none of this list's");
  return [first, cursor.slice(at + 1)];
}

export function isWithin(
  caller: Pick<PersonCaller, "stores" | "tasks">,
  { store, task }: { readonly store: string; readonly task: string },
): boolean {
  return inScope(caller.stores, store) && inScope(caller.tasks, task);
}

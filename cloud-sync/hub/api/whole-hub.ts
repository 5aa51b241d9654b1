import { HoldpointError } from "../../../protocol/index.ts";
import { inScope, type PersonCaller } from "./caller.ts";

type Scopes = Pick<PersonCaller, "stores" | "tasks">;

const hint = { hint: "Ask an admin of the whole hub." };

/** What tells or touches every store and every task. Throws HP_FORBIDDEN with the message. */
export function checkWholeHub({ stores, tasks }: Scopes, message: string): void {
  if (stores !== null || tasks !== null) throw new HoldpointError("HP_FORBIDDEN", message, hint);
}

/**
 * A setting of one task is the same in every store, so it is for those who are answerable for all of them.
 * Throws HP_NOT_FOUND for a task that is not the caller's, HP_FORBIDDEN where only some stores are.
 */
export function checkWholeTask({ stores, tasks }: Scopes, task: string): void {
  if (!inScope(tasks, task)) throw new HoldpointError("HP_NOT_FOUND", `there is no task ${task} here`);
  if (stores !== null) throw new HoldpointError("HP_FORBIDDEN", "this is also of stores that are not yours", hint);
}

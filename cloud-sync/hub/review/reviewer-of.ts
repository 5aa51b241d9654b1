import { type Reviewer } from "../../review/review-store.ts";
import { type PersonCaller } from "../api/caller.ts";

/** A caller as the queue knows them: leases belong to the session, answers to the person. */
export function reviewerOf(caller: PersonCaller): Reviewer {
  const { sessionId, name, stores, tasks, skills } = caller;
  const person = `${caller.kind}:${caller.id}`;
  return { key: sessionId, name, scope: { person, stores, tasks, skills, isLead: caller.permissions.has("lead") } };
}

import { type HubNews } from "../database/database.ts";
import { inScope, isInReach, type PersonCaller } from "../api/caller.ts";

/** What changed in a short while, gathered: pages are told that they should look, and never what there is to see. */
export interface Gathered {
  readonly agentIds: ReadonlySet<string>;
  readonly caseIds: ReadonlySet<string>;
  readonly tasks: ReadonlySet<string>;
  /** Tasks whose gate is another, or has other labels. */
  readonly gates: ReadonlySet<string>;
  readonly config: boolean;
  /** More happened than is listed, or some of it may have been missed: everything is to be looked at anew. */
  readonly everything: boolean;
}

/** Names that one while may list; above it, "everything". */
export const gatheredMax = 500;

export const nothingYet: Gathered = Object.freeze({
  agentIds: new Set<string>(),
  caseIds: new Set<string>(),
  tasks: new Set<string>(),
  gates: new Set<string>(),
  config: false,
  everything: false,
});

/** Pure. News that no page shows change nothing. */
export function gather(before: Gathered, news: HubNews): Gathered {
  if (before.everything) return before;
  const after = added(before, news);
  const largest = Math.max(after.agentIds.size, after.caseIds.size, after.tasks.size, after.gates.size);
  return largest > gatheredMax ? { ...nothingYet, everything: true } : after;
}

function added(before: Gathered, news: HubNews): Gathered {
  switch (news.kind) {
    case "agent":
      return { ...before, agentIds: new Set(before.agentIds).add(news.agentId) };
    case "case":
      return { ...before, caseIds: new Set(before.caseIds).add(news.caseId) };
    case "queue":
      return { ...before, tasks: new Set(before.tasks).add(news.task) };
    case "gate":
      return { ...before, gates: new Set(before.gates).add(news.task) };
    case "config":
      return { ...before, config: true };
    case "resync":
      return { ...before, everything: true };
    default:
      return before;
  }
}

/** The same with the stores and tasks that the ids stand for, so that each caller hears of its own only. */
export interface LiveNews {
  readonly stores: readonly string[];
  readonly cases: readonly { readonly id: string; readonly store: string; readonly task: string }[];
  readonly tasks: readonly string[];
  readonly gates: readonly string[];
  readonly config: boolean;
  readonly everything: boolean;
}

export type LiveEvent =
  | { readonly event: "agents"; readonly data: { readonly stores: readonly string[] } }
  | { readonly event: "cases"; readonly data: { readonly ids: readonly string[] } }
  | { readonly event: "queues" | "gates"; readonly data: { readonly tasks: readonly string[] } }
  | { readonly event: "config" | "resync"; readonly data: Readonly<Record<string, never>> };

/** What of it one caller may hear. Pure. */
export function eventsFor({ stores, tasks, permissions }: PersonCaller, news: LiveNews): readonly LiveEvent[] {
  if (news.everything) return [{ event: "resync", data: {} }];
  const events: LiveEvent[] = [];
  const own = news.stores.filter((store) => inScope(stores, store));
  if (own.length > 0) events.push({ event: "agents", data: { stores: own } });
  const ofTask = news.tasks.filter((task) => inScope(tasks, task));
  if (ofTask.length > 0) events.push({ event: "queues", data: { tasks: ofTask } });
  const gates = permissions.has("config.read") ? news.gates.filter((task) => inScope(tasks, task)) : [];
  if (gates.length > 0) events.push({ event: "gates", data: { tasks: gates } });
  const cases = permissions.has("cases.read") ? news.cases.filter((one) => isInReach({ stores, tasks }, one)) : [];
  if (cases.length > 0) events.push({ event: "cases", data: { ids: cases.map(({ id }) => id) } });
  if (news.config && permissions.has("config.read")) events.push({ event: "config", data: {} });
  return events;
}

import { RecentMap } from "../../../protocol/index.ts";
import { type PersonCaller } from "../api/caller.ts";
import { type HubParts } from "../room.ts";

/**
 * Writes down who saw what. The line is durable before the picture or case is shown, and once is enough: a page that asks
 * again within some minutes adds no line, so that the log stays short and its one lock stays free.
 */
export interface ViewBook {
  /** `what` is a word such as `case` or `picture`; `subject` what it was: `case:<id>`. Errors: HP_DATABASE. */
  viewed(caller: PersonCaller, what: "case" | "picture", subject: string): Promise<void>;
}

const againMs = 10 * 60_000;
const viewsMax = 20_000;

export function createViewBook({ database, audit, clock }: Pick<HubParts, "database" | "audit" | "clock">): ViewBook {
  const seen = new RecentMap<string, number>(viewsMax);
  return {
    viewed: async (caller, what, subject) => {
      const key = `${caller.sessionId} ${what} ${subject}`;
      const nowMs = clock.monotonicMs();
      const before = seen.get(key);
      if (before !== undefined && nowMs - before < againMs) return;
      const entry = { actor: `${caller.kind}:${caller.id}`, action: `${what}.viewed`, subject };
      await database.write((trx) => audit.record(trx, entry));
      seen.set(key, nowMs);
    },
  };
}

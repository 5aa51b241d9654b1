import { keptConfig, type EffectiveConfig } from "../../config/index.ts";
import { type Decision, type Encoding, type ObservedEvent } from "../../protocol/index.ts";
import { caseOf, inputOf } from "./case-rows.ts";
import { type CaseRow, type OutboxRecord } from "./journal-wire.ts";
import { type CaseQuery, type ChainReport, type JournalReader } from "./journal.ts";

/** Asks `JournalQueries`, in a thread or in this one; `method` is a name there. */
export type Ask = (method: string, args: readonly unknown[], progress?: (records: number) => void) => Promise<unknown>;

const eventsMax = 10_000;
/** Rows of a listing, whatever the caller asks for. */
const rowsMax = 1000;

/**
 * The reading half over `ask`. `agentNowMs` is the running agent's time, or null where only the journalled one is known.
 */
export function journalReads(
  epoch: string,
  ask: Ask,
  agentNowMs: () => number | null,
): Omit<JournalReader, "counts" | "close"> {
  const cases = async (method: string, ...args: readonly unknown[]) => {
    const rows = (await ask(method, [...args, agentNowMs()])) as readonly CaseRow[];
    return rows.map(caseOf);
  };
  return {
    epoch,
    find: async (id) => {
      const row = (await ask("find", [id, agentNowMs()])) as CaseRow | null;
      return row === null ? null : caseOf(row);
    },
    list: async (query: CaseQuery) => {
      const limit = Math.max(1, Math.min(query.limit, rowsMax));
      const page = (await ask("list", [{ ...query, limit }])) as { bodies: readonly string[]; cursor: string | null };
      return { decisions: page.bodies.map((body) => JSON.parse(body) as Decision), cursor: page.cursor };
    },
    undelivered: async (device, limit) => {
      const rows = (await ask("undelivered", [device, bounded(limit)])) as readonly {
        body: string;
        encoding: string;
      }[];
      return rows.map((row) => ({
        device,
        decision: JSON.parse(row.body) as Decision,
        encoding: row.encoding as Encoding,
      }));
    },
    undecided: (limit, afterId) => cases("undecided", bounded(limit), afterId ?? null),
    pending: (limit) => cases("pending", bounded(limit)),
    audits: (limit) => cases("audits", bounded(limit)),
    input: async (id) => {
      const found = (await ask("input", [id])) as { header: string; kept: string | Uint8Array } | null;
      return found === null ? null : inputOf(found.header, found.kept);
    },
    config: async (digest) => {
      const found = (await ask("config", [digest])) as { revision: number; body: string } | null;
      return found === null
        ? null
        : keptConfig({ ...(JSON.parse(found.body) as EffectiveConfig), revision: found.revision });
    },
    events: async (entity, sinceMs, limit) => {
      const bodies = (await ask("events", [entity, sinceMs, Math.min(limit ?? eventsMax, eventsMax)])) as string[];
      return bodies.map((body) => JSON.parse(body) as ObservedEvent);
    },
    outbox: async (afterSeq, limit) => {
      const rows = (await ask("outbox", [afterSeq, bounded(limit)])) as readonly OutboxRecord[];
      return rows.map(({ created_ms, ...row }) => ({ ...row, createdAtMs: created_ms }));
    },
    verify: async (progress) => (await ask("verify", [], progress)) as ChainReport,
  };
}

function bounded(limit: number): number {
  return Math.max(0, Math.min(limit, rowsMax));
}

import type { Database } from "../../protocol/platform/sqlite.node.ts";
import { packedCases } from "./delivery-rows.node.ts";
import { revisionSlots } from "./journal-schema.ts";
import type { CaseRow, OutboxRecord } from "./journal-wire.ts";
import type { CaseQuery } from "./journal.ts";

/** Questions to the journal, on a connection of their own that can only read: they never make a commit wait. */

interface CaseHead extends Omit<CaseRow, "agent_ms" | "input" | "revisions" | "reviews" | "outcomes"> {
  readonly joint: number;
}

/** Cases that one page of a listing looks at, however few of them fit the query. */
const listScanMax = 20_000;

const packs = "SELECT first, cases FROM delivery_packs WHERE device = ? ORDER BY first LIMIT ?";

function prepareAll(database: Database) {
  // A journal of version 1 may be read beside the agent that wrote it; only an agent migrates.
  const schema = database.pragma("user_version", { simple: true }) as number;
  const prepare = <Row>(sql: string) => database.prepare<unknown[], Row>(sql);
  // Request and revision 1 of a case that was admitted and decided in one step stand in its record.
  const heads = `SELECT n, id, device, task, transport, encoding, received_ms, state, audit, input_state,
    patience_agent_ms, header = '' AS joint,
    CASE header WHEN '' THEN (SELECT r.header -> '$.request' FROM records r WHERE r.n = cases.n) ELSE header END AS header
    FROM cases`;
  return {
    agentMs: prepare<{ agent_ms: number }>("SELECT agent_ms FROM instance"),
    byId: prepare<CaseHead>(`${heads} WHERE id = ?`),
    undecided: prepare<CaseHead>(`${heads} WHERE state = 'received' AND n > ? ORDER BY n LIMIT ?`),
    nOf: prepare<{ n: number }>("SELECT n FROM cases WHERE id = ?"),
    pending: prepare<CaseHead>(`${heads} WHERE state = 'pending' ORDER BY patience_agent_ms LIMIT ?`),
    audits: prepare<CaseHead>(`${heads} WHERE audit = 'open' ORDER BY n LIMIT ?`),
    revisions: prepare<{ body: string; trace: string | null }>(
      "SELECT body, trace FROM revisions WHERE key BETWEEN ? AND ? ORDER BY key",
    ),
    jointRevision: prepare<{ body: string; trace: string | null }>(
      "SELECT header -> '$.decision' AS body, header -> '$.trace' AS trace FROM records WHERE n = ?",
    ),
    reviews: prepare<{ body: string }>("SELECT body FROM reviews WHERE n = ? ORDER BY rowid"),
    outcomes: prepare<{ body: string }>("SELECT body FROM outcomes WHERE n = ? ORDER BY rowid"),
    input: prepare<{ bytes: string | Uint8Array }>("SELECT bytes FROM inputs WHERE n = ?"),
    deliveries: prepare<{ key: number }>("SELECT key FROM deliveries WHERE device = ? ORDER BY key LIMIT ?"),
    packs: schema < 2 ? null : prepare<{ first: number; cases: Uint8Array }>(packs),
    encoding: prepare<{ encoding: string }>("SELECT encoding FROM cases WHERE n = ?"),
    scan: prepare<{
      n: number;
      device: string;
      task: string;
      verdict: string | null;
      received_ms: number;
      revision: number;
    }>("SELECT n, device, task, verdict, received_ms, revision FROM cases WHERE n < ? ORDER BY n DESC LIMIT ?"),
    body: prepare<{ body: string }>("SELECT body FROM revisions WHERE key = ?"),
    config: prepare<{ revision: number; body: string }>(
      "SELECT revision, body FROM configs WHERE digest = ? ORDER BY revision DESC LIMIT 1",
    ),
    events: prepare<{ body: string }>(
      "SELECT body FROM events WHERE entity = ? AND at_ms >= ? ORDER BY at_ms DESC, n DESC LIMIT ?",
    ),
    outbox: prepare<OutboxRecord>(
      `SELECT o.seq, o.kind, c.id, o.created_ms, o.body FROM outbox o JOIN cases c ON c.n = o.n
       WHERE o.seq > ? ORDER BY o.seq LIMIT ?`,
    ),
    counts: prepare<Record<string, number>>(
      "SELECT received, undecided, pending, undelivered, unsent, input_bytes, evicted FROM instance",
    ),
    epoch: prepare<{ epoch: string }>("SELECT epoch FROM instance"),
  };
}

export class JournalQueries {
  readonly #database: Database;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#sql = prepareAll(database);
  }

  epoch(): string {
    return this.#sql.epoch.get()?.epoch ?? "";
  }

  counts(): Readonly<Record<string, number>> {
    return this.#sql.counts.get() ?? {};
  }

  /** `agentMs`: agent time now, or null for the last that was committed. */
  find(id: string, agentMs: number | null): CaseRow | null {
    return this.#read(() => {
      const head = this.#sql.byId.get(id);
      return head === undefined ? null : this.#whole(head, this.#now(agentMs));
    });
  }

  undecided(limit: number, afterId: string | null, agentMs: number | null): readonly CaseRow[] {
    return this.#read(() => {
      const after = afterId === null ? 0 : (this.#sql.nOf.get(afterId)?.n ?? 0);
      return this.#sql.undecided.all(after, limit).map((head) => this.#whole(head, this.#now(agentMs)));
    });
  }

  pending(limit: number, agentMs: number | null): readonly CaseRow[] {
    return this.#read(() => this.#sql.pending.all(limit).map((head) => this.#whole(head, this.#now(agentMs))));
  }

  audits(limit: number, agentMs: number | null): readonly CaseRow[] {
    return this.#read(() => this.#sql.audits.all(limit).map((head) => this.#whole(head, this.#now(agentMs))));
  }

  input(id: string): { readonly header: string; readonly kept: string | Uint8Array } | null {
    return this.#read(() => {
      const head = this.#sql.byId.get(id);
      const kept = head === undefined ? undefined : this.#sql.input.get(head.n)?.bytes;
      return head === undefined || kept === undefined ? null : { header: head.header, kept };
    });
  }

  undelivered(device: string, limit: number): readonly { readonly body: string; readonly encoding: string }[] {
    return this.#read(() => {
      const keys = this.#sql.deliveries.all(device, limit).map((row) => row.key);
      for (const { first, cases } of this.#sql.packs?.iterate(device, limit) ?? []) {
        keys.push(...packedCases(first, cases).map((n) => n * revisionSlots + 1));
      }
      const oldest = keys.sort((a, b) => a - b).slice(0, limit);
      return oldest.flatMap((key) => {
        const n = Math.floor(key / revisionSlots);
        const body = this.#body(n, key % revisionSlots);
        const encoding = this.#sql.encoding.get(n)?.encoding;
        return body === undefined || encoding === undefined ? [] : [{ body, encoding }];
      });
    });
  }

  list(query: CaseQuery): { readonly bodies: readonly string[]; readonly cursor: string | null } {
    return this.#read(() => {
      const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number.parseInt(query.cursor, 10);
      const bodies: string[] = [];
      let scanned = 0;
      let last: number | null = null;
      for (const row of this.#sql.scan.iterate(Number.isNaN(before) ? 0 : before, listScanMax)) {
        scanned += 1;
        last = row.n;
        if (!fits(query, row)) continue;
        const body = this.#body(row.n, row.revision);
        if (body !== undefined) bodies.push(body);
        if (bodies.length >= query.limit) return { bodies, cursor: String(row.n) };
      }
      return { bodies, cursor: scanned === listScanMax && last !== null ? String(last) : null };
    });
  }

  config(digest: string): { readonly revision: number; readonly body: string } | null {
    return this.#sql.config.get(digest) ?? null;
  }

  events(entity: string, sinceMs: number, limit: number): readonly string[] {
    return this.#sql.events
      .all(entity, sinceMs, limit)
      .map((row) => row.body)
      .reverse();
  }

  outbox(afterSeq: number, limit: number): readonly OutboxRecord[] {
    return this.#sql.outbox.all(afterSeq, limit);
  }

  #body(n: number, revision: number): string | undefined {
    const apart = this.#sql.body.get(n * revisionSlots + revision)?.body;
    return apart ?? (revision === 1 ? this.#sql.jointRevision.get(n)?.body : undefined);
  }

  #now(agentMs: number | null): number {
    return agentMs ?? this.#sql.agentMs.get()?.agent_ms ?? 0;
  }

  #whole({ joint, ...head }: CaseHead, agentMs: number): CaseRow {
    const { n } = head;
    const kept = this.#small(head) ? this.#sql.input.get(n)?.bytes : undefined;
    return {
      ...head,
      agent_ms: agentMs,
      input: typeof kept === "string" ? kept : null,
      revisions: [
        ...(joint === 1 ? this.#sql.jointRevision.all(n) : []),
        ...this.#sql.revisions.all(n * revisionSlots, n * revisionSlots + revisionSlots - 1),
      ],
      reviews: this.#sql.reviews.all(n).map((row) => row.body),
      outcomes: this.#sql.outcomes.all(n).map((row) => row.body),
    };
  }

  /** Whether the input is a text: a picture is not read for the sake of its case. */
  #small(head: Omit<CaseHead, "joint">): boolean {
    return head.input_state === "kept" && /"input":\{"kind":"(features|items|event|entity)"\}/.test(head.header);
  }

  /** One state of the database for several statements. */
  #read<T>(body: () => T): T {
    return this.#database.transaction(body)();
  }
}

function fits(
  query: CaseQuery,
  row: {
    readonly device: string;
    readonly task: string;
    readonly verdict: string | null;
    readonly received_ms: number;
  },
): boolean {
  return (
    row.verdict !== null &&
    (query.task === undefined || query.task === row.task) &&
    (query.verdict === undefined || query.verdict === row.verdict) &&
    (query.device === undefined || query.device === row.device) &&
    (query.sinceMs === undefined || row.received_ms >= query.sinceMs)
  );
}

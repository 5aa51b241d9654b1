import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import type { Database } from "../../protocol/platform/sqlite.node.ts";
import { checkpointMac, genesisHash, sameBytes, type RecordKind } from "./chain.ts";
import { chainHash, commitment, textHash } from "./journal-ledger.node.ts";
import { revisionSlots } from "./journal-schema.ts";
import type { ChainReport } from "./journal.ts";

/** Recomputes the chain, and holds everything that is still there against what its record says of it. */

interface RecordRow {
  readonly n: number;
  readonly header: string;
  readonly hash: Uint8Array;
}

/** The members of a header that verification reads; which of them exist depends on the kind. */
interface Header {
  readonly n: number;
  readonly kind: RecordKind;
  readonly id: string;
  readonly of: number | readonly number[];
  /** A digest; or the request itself, with `decision` and `trace`, where one record admits and decides. */
  readonly request: string | { readonly id: string };
  readonly input: string | null;
  readonly body: string | null;
  readonly revision: number | null;
  readonly event: string;
  readonly events: number | null;
}

interface Fault {
  readonly n: number;
  readonly message: string;
}

export interface VerifyOptions {
  /** Key under which checkpoints are signed; null where the agent's secret cannot be read: then they are not checked. */
  readonly checkpointKey: Uint8Array | null;
  /** Only this many records at the end, from the hash of the one before them. */
  readonly tailMax?: number;
}

/** Records that are read in one go: a long read would hold the write-ahead log back. */
const chunkRecords = 1000;

/** Yields the number of records done after each chunk, so that a caller may do other things in between. */
export function* verifyChain(database: Database, options: VerifyOptions): Generator<number, ChainReport> {
  const walk = new ChainWalk(database);
  let fault = walk.begin(options);
  for (let done = fault !== null; !done;) {
    // Each chunk sees one state of the database, however busy the writer is.
    database.exec("BEGIN");
    try {
      const rows = walk.next();
      done = rows.length === 0;
      fault = done ? walk.end(options.tailMax === undefined) : walk.checkAll(rows);
    } finally {
      database.exec("COMMIT");
    }
    done ||= fault !== null;
    yield walk.records;
  }
  return { records: walk.records, intact: fault === null, fault, head: Buffer.from(walk.hash).toString("hex") };
}

function prepareAll(database: Database) {
  const prepare = <Row>(sql: string) => database.prepare<unknown[], Row>(sql);
  return {
    instance: prepare<{ epoch: string; head_n: number; head_hash: Uint8Array }>(
      "SELECT epoch, head_n, head_hash FROM instance",
    ),
    checkpoint: prepare<{ n: number; hash: Uint8Array; mac: Uint8Array }>("SELECT n, hash, mac FROM checkpoint"),
    records: prepare<RecordRow>("SELECT n, header, hash FROM records WHERE n > ? ORDER BY n LIMIT ?"),
    record: prepare<RecordRow>("SELECT n, header, hash FROM records WHERE n = ?"),
    caseOf: prepare<{ id: string; header: string; input_state: string; tombstone_n: number | null }>(
      "SELECT id, header, input_state, tombstone_n FROM cases WHERE n = ?",
    ),
    input: prepare<{ key: Uint8Array; bytes: Uint8Array | string }>("SELECT key, bytes FROM inputs WHERE n = ?"),
    revision: prepare<{ body: string; trace: string | null }>("SELECT body, trace FROM revisions WHERE key = ?"),
    event: prepare<{ key: Uint8Array; body: string }>("SELECT key, body FROM events WHERE n = ?"),
    config: prepare<{ body: string }>("SELECT body FROM configs WHERE revision = ?"),
    cases: prepare<{ c: number }>("SELECT count(*) AS c FROM cases WHERE n > ? AND n <= ?"),
  };
}

class ChainWalk {
  readonly #sql: ReturnType<typeof prepareAll>;
  hash: Uint8Array = new Uint8Array(32);
  records = 0;
  #from = 0;
  #n = 0;
  #cases = 0;
  #jumped = false;
  /** Cases whose rows are gone; a prune record further on must account for each. */
  readonly #missing = new Map<number, number>();
  #missingEvent = 0;

  constructor(database: Database) {
    this.#sql = prepareAll(database);
  }

  begin(options: VerifyOptions): Fault | null {
    const instance = this.#sql.instance.get();
    if (instance === undefined) return { n: 0, message: "the journal has no instance row" };
    this.hash = genesisHash(nodeHasher, instance.epoch);
    const checkpoint = this.#sql.checkpoint.get();
    if (checkpoint !== undefined) {
      this.hash = checkpoint.hash;
      this.#n = checkpoint.n;
      const key = options.checkpointKey;
      const mac = key && checkpointMac(nodeHasher, key, instance.epoch, checkpoint.n, checkpoint.hash);
      if (mac && !sameBytes(mac, checkpoint.mac)) {
        return { n: checkpoint.n, message: "the checkpoint of the pruned records is not signed by this agent" };
      }
    }
    const tail = instance.head_n - (options.tailMax ?? Infinity);
    if (tail > this.#n) {
      const row = this.#sql.record.get(tail);
      if (row === undefined) return { n: tail, message: "the record is missing" };
      this.hash = row.hash;
      this.#n = tail;
    }
    this.#from = this.#n;
    return null;
  }

  next(): readonly RecordRow[] {
    const checkpoint = this.#sql.checkpoint.get();
    if (checkpoint !== undefined && checkpoint.n > this.#n) {
      // Pruned while we walked: go on from there.
      this.#n = checkpoint.n;
      this.hash = checkpoint.hash;
      this.#jumped = true;
    }
    return this.#sql.records.all(this.#n, chunkRecords);
  }

  checkAll(rows: readonly RecordRow[]): Fault | null {
    for (const row of rows) {
      const fault = this.#check(row);
      if (fault !== null) return fault;
    }
    return null;
  }

  #check(row: RecordRow): Fault | null {
    const { n } = row;
    if (n !== this.#n + 1) return { n: this.#n + 1, message: "the record is missing" };
    const hash = chainHash(this.hash, row.header);
    if (!sameBytes(hash, row.hash)) return { n, message: "the hash does not follow from the record before it" };
    this.hash = hash;
    this.#n = n;
    this.records += 1;
    const header = JSON.parse(row.header) as Header;
    const message = header.n === n ? this.#checkContent(header) : `the header says record ${header.n}`;
    return message === null ? null : { n, message };
  }

  #checkContent(header: Header): string | null {
    switch (header.kind) {
      case "admit":
        return this.#checkCase(header);
      case "decide":
      case "review":
      case "settle":
        return header.revision === null ? null : this.#checkRevision(header, header.of as number, header.revision);
      case "observe":
        return this.#checkEvent(header);
      case "config": {
        const config = this.#sql.config.get(header.revision);
        if (config !== undefined && textHash(config.body) !== header.body) return "the config's body is another one";
        return null;
      }
      case "prune":
        for (const n of header.of as readonly number[]) this.#missing.delete(n);
        if (header.events !== null && header.events >= this.#missingEvent) this.#missingEvent = 0;
        return null;
      case "start":
      case "stop":
      case "clock":
      case "outcome":
      case "evict":
      case "erase":
        return null;
    }
  }

  #checkCase(header: Header): string | null {
    const row = this.#sql.caseOf.get(header.n);
    if (row === undefined) {
      this.#missing.set(header.n, header.n);
      return null;
    }
    this.#cases += 1;
    const { request } = header;
    const id = typeof request === "string" ? header.id : request.id;
    if (row.id !== id) return `the case has the id ${row.id}, its record ${id}`;
    const same = row.header === "" ? typeof request === "object" : textHash(row.header) === request;
    if (!same) return `the request of case ${row.id} is another one`;
    if (row.header === "" && this.#sql.revision.get(header.n * revisionSlots + 1) !== undefined) {
      return `revision 1 of case ${row.id} stands twice`;
    }
    const input = this.#sql.input.get(header.n);
    if (row.input_state === "kept") {
      if (input === undefined) return `the input of case ${row.id} is gone without a tombstone`;
      const kept = commitment(input.key, input.bytes) === header.input;
      return kept ? null : `the input of case ${row.id} is another one`;
    }
    if (input !== undefined) return `the input of case ${row.id} should be gone`;
    return row.tombstone_n === null ? null : this.#checkTombstone(row.id, header.n, row.tombstone_n);
  }

  #checkTombstone(id: string, n: number, tombstoneN: number): string | null {
    const row = this.#sql.record.get(tombstoneN);
    if (row === undefined) return null; // Pruned since.
    const tombstone = JSON.parse(row.header) as Header;
    const of = Array.isArray(tombstone.of) ? (tombstone.of as readonly number[]) : [tombstone.of as number];
    const fits = (tombstone.kind === "evict" || tombstone.kind === "erase") && of.includes(n);
    return fits ? null : `record ${tombstoneN} is not the tombstone of case ${id}`;
  }

  #checkRevision(header: Header, caseN: number, revision: number): string | null {
    const row = this.#sql.revision.get(caseN * revisionSlots + revision);
    if (row !== undefined) {
      const same = textHash(`${row.body}\0${row.trace ?? ""}`) === header.body;
      return same ? null : `revision ${revision} of case ${header.id} is another one`;
    }
    if (this.#sql.caseOf.get(caseN) !== undefined) return `revision ${revision} of case ${header.id} is gone`;
    if (caseN <= this.#from) this.#missing.set(caseN, header.n);
    return null;
  }

  #checkEvent(header: Header): string | null {
    const row = this.#sql.event.get(header.n);
    if (row === undefined) {
      this.#missingEvent = header.n;
      return null;
    }
    return commitment(row.key, row.body) === header.event ? null : `the event ${header.id} is another one`;
  }

  /** The head must be the last record; with `whole`, nothing may be missing and nothing may be there without a record. */
  end(whole: boolean): Fault | null {
    const instance = this.#sql.instance.get();
    if (instance === undefined) return { n: 0, message: "the journal has no instance row" };
    // Records that were committed since the last chunk was read are somebody else's turn.
    if (instance.head_n < this.#n) return { n: this.#n, message: `the head says that there are ${instance.head_n}` };
    if (instance.head_n === this.#n && !sameBytes(instance.head_hash, this.hash)) {
      return { n: this.#n, message: "the head has another hash" };
    }
    if (instance.head_n > this.#n && this.#sql.record.get(this.#n + 1) === undefined) {
      return { n: this.#n + 1, message: "the record is missing" };
    }
    if (!whole || this.#jumped) return null;
    for (const [caseN, n] of this.#missing) {
      return { n, message: `case ${caseN} is gone and no record says that it was pruned` };
    }
    if (this.#missingEvent > 0) return { n: this.#missingEvent, message: "the event is gone without a prune record" };
    const there = this.#sql.cases.get(this.#from, this.#n)?.c ?? 0;
    if (there > this.#cases) return { n: this.#n, message: `${there - this.#cases} cases have no record` };
    return null;
  }
}

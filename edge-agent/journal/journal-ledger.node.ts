import { createHash, hash, randomFillSync } from "node:crypto";
import type { Database } from "../../protocol/platform/sqlite.node.ts";

/**
 * What every operation of the writer shares: the running totals, the head of the chain, and the time of the batch.
 * Totals are kept in memory and written once a commit, in the commit; after a rollback they are put back.
 */

export interface Totals {
  headN: number;
  headHash: Uint8Array;
  agentMs: number;
  outboxSeq: number;
  outboxTaken: number;
  unsent: number;
  received: number;
  undecided: number;
  pending: number;
  undelivered: number;
  inputBytes: number;
  evicted: number;
  prunedCases: number;
}

interface InstanceRow {
  readonly epoch: string;
  readonly head_n: number;
  readonly head_hash: Uint8Array;
  readonly agent_ms: number;
  readonly outbox_seq: number;
  readonly outbox_taken: number;
  readonly unsent: number;
  readonly received: number;
  readonly undecided: number;
  readonly pending: number;
  readonly undelivered: number;
  readonly input_bytes: number;
  readonly evicted: number;
  readonly pruned_cases: number;
}

export class Ledger {
  readonly epoch: string;
  totals: Totals;
  wallMs = 0;
  agentMs: number;
  readonly #insert;
  readonly #save;
  #saved: Totals;

  constructor(database: Database) {
    const row = database.prepare<[], InstanceRow>("SELECT * FROM instance").get();
    if (row === undefined) throw new Error("the journal has no instance row");
    this.epoch = row.epoch;
    this.agentMs = row.agent_ms;
    this.totals = {
      headN: row.head_n,
      headHash: row.head_hash,
      agentMs: row.agent_ms,
      outboxSeq: row.outbox_seq,
      outboxTaken: row.outbox_taken,
      unsent: row.unsent,
      received: row.received,
      undecided: row.undecided,
      pending: row.pending,
      undelivered: row.undelivered,
      inputBytes: row.input_bytes,
      evicted: row.evicted,
      prunedCases: row.pruned_cases,
    };
    this.#saved = { ...this.totals };
    this.#insert = database.prepare("INSERT INTO records (n, agent_ms, header, hash) VALUES (?, ?, ?, ?)");
    this.#save = database.prepare(
      `UPDATE instance SET head_n = ?, head_hash = ?, agent_ms = ?, outbox_seq = ?, outbox_taken = ?, unsent = ?,
       received = ?, undecided = ?, pending = ?, undelivered = ?, input_bytes = ?, evicted = ?, pruned_cases = ?`,
    );
  }

  /** Number of the record that `append` writes next: its header must carry it. */
  get nextN(): number {
    return this.totals.headN + 1;
  }

  /** Appends a record. The header is JSON with sorted keys and has `n` and `kind`. */
  append(header: string): void {
    const { totals } = this;
    totals.headN += 1;
    totals.headHash = chainHash(totals.headHash, header);
    this.#insert.run(totals.headN, this.agentMs, header, totals.headHash);
  }

  /** Writes the totals if anything changed, or if agent time has run on long enough to be worth a commit. */
  save(agentMsLagMax: number): void {
    const t = this.totals;
    const s = this.#saved;
    const isBeside = t.outboxTaken !== s.outboxTaken || t.outboxSeq !== s.outboxSeq;
    const changed = t.headN !== s.headN || t.undelivered !== s.undelivered || isBeside;
    if (!changed && this.agentMs - s.agentMs < agentMsLagMax) return;
    t.agentMs = this.agentMs;
    this.#save.run(
      ...[t.headN, t.headHash, t.agentMs, t.outboxSeq, t.outboxTaken, t.unsent, t.received, t.undecided, t.pending],
      ...[t.undelivered, t.inputBytes, t.evicted, t.prunedCases],
    );
  }

  committed(): void {
    this.#saved = { ...this.totals };
  }

  rolledBack(): void {
    this.totals = { ...this.#saved };
  }
}

/** The hashes of chain.ts by Node's one-call functions: twice as fast for the short texts of the hot path. */
export function chainHash(previous: Uint8Array, header: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(32 + Buffer.byteLength(header));
  bytes.set(previous, 0);
  bytes.write(header, 32);
  return hash("sha256", bytes, "buffer");
}

export function textHash(text: string): string {
  return hash("sha256", text, "hex");
}

/** One-call hashing wants one buffer; above this many bytes copying costs more than a hash object. */
const oneCallBytesMax = 4096;
const inner = Buffer.alloc(64 + oneCallBytesMax);
const outer = Buffer.alloc(64 + 32);

/**
 * HMAC-SHA-256 (RFC 2104) under a key of 32 bytes, hex. Node's own makes a key object for each call, which costs ten
 * times the two hashes that short inputs need.
 */
export function commitment(key: Uint8Array, bytes: Uint8Array | string): string {
  for (let index = 0; index < 64; index += 1) {
    const byte = key[index] ?? 0;
    inner[index] = byte ^ 0x36;
    outer[index] = byte ^ 0x5c;
  }
  outer.set(innerHash(bytes), 64);
  return hash("sha256", outer, "hex");
}

function innerHash(bytes: Uint8Array | string): Uint8Array {
  const length = typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.byteLength;
  if (length > oneCallBytesMax) return createHash("sha256").update(inner.subarray(0, 64)).update(bytes).digest();
  if (typeof bytes === "string") inner.write(bytes, 64);
  else inner.set(bytes, 64);
  return hash("sha256", inner.subarray(0, 64 + length), "buffer");
}

const keyPool = Buffer.allocUnsafe(32 * 128);
let keyAt = keyPool.length;

/** A fresh key of 32 bytes; randomness is drawn for many at once. */
export function freshKey(): Uint8Array {
  if (keyAt === keyPool.length) {
    randomFillSync(keyPool);
    keyAt = 0;
  }
  keyAt += 32;
  return Buffer.from(keyPool.subarray(keyAt - 32, keyAt));
}

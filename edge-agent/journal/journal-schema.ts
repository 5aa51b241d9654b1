/** The journal's tables. A change of any of them raises the version and brings a migration. */

export const journalSchemaVersion = 2;
/** "HPJ1": tells a journal from any other SQLite file. */
export const journalApplicationId = 0x48504a31;

/** Revisions of a case live at `n * revisionSlots + revision`, so that one integer key is their identity. */
export const revisionSlots = 16;

/**
 * `n` of a case is the number of the chain record that admitted it. Times named `agent_ms` are agent time: milliseconds
 * for which agents have run on this journal, which no clock jump moves. Input bytes are apart, so that an eviction
 * rewrites nothing else.
 */
const deliveryPacks = `
CREATE TABLE delivery_packs (
  device TEXT NOT NULL,
  first INTEGER NOT NULL,
  cases BLOB NOT NULL,
  PRIMARY KEY (device, first)
) STRICT, WITHOUT ROWID;
`;

/**
 * What brings a journal of version `from` to this one, in one transaction, or null for a version that never was. Since
 * 2, a case that was admitted and decided in one step has an empty `header`: request, revision 1 and trace stand in its
 * record, and its delivery in a pack.
 */
export function journalMigration(from: number): string | null {
  return from === 1 ? deliveryPacks : null;
}

export const journalTables = `
CREATE TABLE instance (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  head_n INTEGER NOT NULL,
  head_hash BLOB NOT NULL,
  agent_ms INTEGER NOT NULL,
  outbox_seq INTEGER NOT NULL,
  outbox_taken INTEGER NOT NULL,
  unsent INTEGER NOT NULL,
  received INTEGER NOT NULL,
  undecided INTEGER NOT NULL,
  pending INTEGER NOT NULL,
  undelivered INTEGER NOT NULL,
  input_bytes INTEGER NOT NULL,
  evicted INTEGER NOT NULL,
  pruned_cases INTEGER NOT NULL
) STRICT;

CREATE TABLE records (
  n INTEGER PRIMARY KEY,
  agent_ms INTEGER NOT NULL,
  header TEXT NOT NULL,
  hash BLOB NOT NULL
) STRICT;

CREATE TABLE checkpoint (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  n INTEGER NOT NULL,
  hash BLOB NOT NULL,
  at_ms INTEGER NOT NULL,
  mac BLOB NOT NULL
) STRICT;

CREATE TABLE cases (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  device TEXT NOT NULL,
  task TEXT NOT NULL,
  transport TEXT NOT NULL,
  encoding TEXT NOT NULL,
  received_ms INTEGER NOT NULL,
  body_digest BLOB,
  header TEXT NOT NULL,
  state TEXT NOT NULL,
  verdict TEXT,
  revision INTEGER NOT NULL DEFAULT 0,
  audit TEXT NOT NULL DEFAULT 'none',
  input_state TEXT NOT NULL,
  input_bytes INTEGER NOT NULL,
  patience_agent_ms INTEGER,
  answered_agent_ms INTEGER,
  evict_rank INTEGER,
  tombstone_n INTEGER
) STRICT;
CREATE INDEX cases_undecided ON cases (n) WHERE state = 'received';
CREATE INDEX cases_pending ON cases (patience_agent_ms) WHERE state = 'pending';
CREATE INDEX cases_audit ON cases (n) WHERE audit = 'open';
CREATE INDEX cases_evictable ON cases (evict_rank, answered_agent_ms) WHERE evict_rank IS NOT NULL;

CREATE TABLE inputs (
  n INTEGER PRIMARY KEY,
  key BLOB NOT NULL,
  bytes ANY NOT NULL
) STRICT;

CREATE TABLE revisions (
  key INTEGER PRIMARY KEY,
  body TEXT NOT NULL,
  trace TEXT
) STRICT;

CREATE TABLE deliveries (
  device TEXT NOT NULL,
  key INTEGER NOT NULL,
  PRIMARY KEY (device, key)
) STRICT, WITHOUT ROWID;

${deliveryPacks.trim()}

CREATE TABLE reviews (
  n INTEGER NOT NULL,
  review_id TEXT NOT NULL,
  body TEXT NOT NULL,
  made_final INTEGER NOT NULL,
  conflict INTEGER NOT NULL,
  PRIMARY KEY (n, review_id)
) STRICT;

CREATE TABLE outcomes (
  n INTEGER NOT NULL,
  digest BLOB NOT NULL,
  device TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (n, digest)
) STRICT;

CREATE TABLE events (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  device TEXT NOT NULL,
  entity TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  agent_ms INTEGER NOT NULL,
  key BLOB NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX events_entity ON events (entity, at_ms);

CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  n INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_case ON outbox (n);

CREATE TABLE configs (
  revision INTEGER PRIMARY KEY,
  digest TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX configs_digest ON configs (digest);
`;

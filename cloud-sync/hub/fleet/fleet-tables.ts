/** Tables of the fleet: which agents there are, what they last said, and what was made ready for them to enrol. */
export interface FleetTables {
  readonly agents: {
    readonly agent_id: string;
    readonly store: string;
    readonly name: string;
    /** Ed25519, raw 32 bytes in base64url. */
    readonly public_key: string;
    readonly state: "active" | "revoked";
    readonly enrolled_ms: number;
    readonly seen_ms: number | null;
    /** The start of the agent that reports now, and the one before it: if that one reports again, a box was cloned. */
    readonly boot_id: string | null;
    readonly boot_before: string | null;
    readonly software: string | null;
    /** The last heartbeat as it came (JSON), or null. */
    readonly heartbeat: string | null;
    /** Last number given out in this agent's feed, and the newest that it has said to have. */
    readonly feed_seq: number;
    readonly feed_taken: number;
    readonly config_version: number;
    /** Since when it is missed: set when `agent.offline` was told, null again when it reports. */
    readonly offline_ms: number | null;
    /** When a second box last reported with this agent's key, or null. */
    readonly cloned_ms: number | null;
    readonly revoked_ms: number | null;
  };
  /** Decisions by store, task and hour. */
  readonly decision_hours: {
    readonly store: string;
    readonly task: string;
    /** Start of the hour, wall clock. */
    readonly hour_ms: number;
    /** Decided by a model or a rule. */
    readonly accepted: number;
    /** Given to people. */
    readonly escalated: number;
    /** Ended by a fallback at once. */
    readonly abstained: number;
    /** Those of `accepted` that a rule decided. */
    readonly by_rule: number;
  };
  /** What the stores' tasks ask and may answer, as the agents report it. */
  readonly store_tasks: {
    readonly store: string;
    readonly task: string;
    readonly labels_digest: string | null;
    /** JSON array of texts. */
    readonly labels: string;
    readonly question: string | null;
    /** Groups of the labels (`TaskCounts.coarse`, JSON), where the model has them. */
    readonly coarse: string | null;
  };
  readonly enrol_tokens: {
    /** SHA-256 of the token, hexadecimal: the token itself is shown once and kept nowhere. */
    readonly token_hash: string;
    readonly store: string;
    readonly agent_name: string;
    readonly expires_ms: number;
    readonly used_ms: number | null;
    readonly used_by: string | null;
    readonly made_by: string;
  };
  /** What each journal of an agent has sent: rows up to `watermark` are durable here. */
  readonly ingest_streams: {
    readonly agent_id: string;
    readonly epoch: string;
    readonly watermark: number;
    readonly last_seq: number;
  };
  readonly feed_items: {
    readonly agent_id: string;
    readonly seq: number;
    readonly kind: "review" | "erase" | "config";
    readonly body: string;
    readonly made_ms: number;
  };
}

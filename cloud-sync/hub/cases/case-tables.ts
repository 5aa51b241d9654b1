/** Tables of the cases: what came in, what became of it, and what must not be lost on the way. */
export interface CaseTables {
  readonly cases: {
    /** The hub's own id (UUIDv7). */
    readonly case_id: string;
    readonly store: string;
    /** The device's id of its request; unique within the store. */
    readonly decision_id: string;
    /** Whose journal holds the case; null for work that came in by another road (import, A2I). */
    readonly agent_id: string | null;
    readonly device: string;
    readonly task: string;
    readonly kind: "escalation" | "audit" | "import";
    /** SHA-256 of the body that opened the case, hexadecimal: the same id with another body is quarantined. */
    readonly body_digest: string;
    /** The newest revision (JSON). Null where nothing has decided (imports). */
    readonly decision: string | null;
    /** The first one, written when another takes its place: until then it is null and `decision` is the first. */
    readonly first_decision: string | null;
    /** What a reviewer sees (JSON of the brief's view). */
    readonly view: string;
    /** Whatever else an import wants back with its result (JSON), or null. */
    readonly extra: string | null;
    /** What a review and a wrong accept cost (JSON), or null. */
    readonly costs: string | null;
    readonly state: "open" | "final" | "erased";
    readonly received_ms: number;
    readonly held_ms: number;
    /** When the store's patience ends, by the hub's clock; null where nobody waits. */
    readonly due_ms: number | null;
    readonly final_ms: number | null;
    readonly picture_sha256: string | null;
    readonly picture_bytes: number;
    readonly picture_type: "image/jpeg" | "image/png" | "image/webp" | null;
    readonly picture_state: "none" | "wanted" | "kept" | "gone";
  };
  /** AES-256-GCM keys of the pictures: deleting a row is the erasure. */
  readonly case_keys: {
    readonly case_id: string;
    readonly key: Uint8Array;
    /** Where the sealed picture lies (blobs/blob-store.ts). */
    readonly segment: string;
    readonly segment_offset: number;
    readonly sealed_bytes: number;
  };
  /** Uploads that are not whole yet. */
  readonly blob_parts: {
    readonly case_id: string;
    readonly sha256: string;
    readonly part_offset: number;
    readonly bytes: Uint8Array;
    readonly came_ms: number;
  };
  /** The story of a case, a line for each thing that happened. */
  readonly case_events: {
    /** UUIDv7: its order is the order of happening within one hub process. */
    readonly event_id: string;
    readonly case_id: string;
    readonly at_ms: number;
    /**
     * `opened` (imports only: of a case that a device sent, its own row says when and how), `picture`, `leased`, `answered`,
     * `undone`, `sent`, `revised`, `delivered`, `outcome`, `erased` …
     */
    readonly kind: string;
    /** Plain data (JSON). */
    readonly body: string;
  };
  /** What the hub could not take as it was: kept for a person to look at, never applied. */
  readonly quarantine: {
    readonly quarantine_id: string;
    readonly agent_id: string;
    readonly store: string;
    readonly decision_id: string;
    readonly kind: string;
    readonly epoch: string;
    readonly seq: number;
    readonly reason: string;
    readonly body: string;
    readonly at_ms: number;
  };
  readonly outcomes: {
    readonly outcome_id: string;
    readonly store: string;
    readonly decision_id: string;
    readonly source: string;
    readonly body: string;
    readonly at_ms: number;
  };
}

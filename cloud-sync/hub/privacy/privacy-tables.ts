/** Tables of privacy: how long content is kept. */
export interface PrivacyTables {
  readonly retention: {
    /** A task's name; `-` for every task that has no row of its own. */
    readonly task: string;
    /** Counted from the answer. */
    readonly keep_ms: number;
    readonly changed_ms: number;
    readonly changed_by: string;
  };
}

/** The audit log: who saw and did what, chained by hash. */
export interface AuditTables {
  readonly audit_log: {
    /** 1, 2, 3 … without a gap. */
    readonly n: number;
    readonly at_ms: number;
    readonly actor: string;
    readonly action: string;
    readonly subject: string;
    /** JSON. */
    readonly detail: string;
    /** SHA-256(hash of n − 1 ‖ canonical JSON of the other columns), hexadecimal. */
    readonly hash: string;
  };
  /** One row: the end of the chain. Its lock puts writers in order. */
  readonly audit_head: { readonly one: number; readonly n: number; readonly hash: string };
}

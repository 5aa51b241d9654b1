/** Answers that are remembered under their Idempotency-Key, by caller and operation. */
export interface RepeatTables {
  readonly repeats: {
    readonly caller: string;
    readonly operation: string;
    readonly key: string;
    /** SHA-256 of the call's content, hexadecimal: the same key with another call is refused. */
    readonly digest: string;
    /** The answer (JSON of status, headers, body in base64url), or null while the first call runs. */
    readonly answer: string | null;
    readonly at_ms: number;
  };
}

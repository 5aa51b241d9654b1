/** Tables of people and of programs that act for them. */
export interface PeopleTables {
  readonly api_tokens: {
    /** SHA-256 of the token, hexadecimal: the token itself is shown once and kept nowhere. */
    readonly token_hash: string;
    readonly token_id: string;
    readonly name: string;
    /** JSON array of roles. */
    readonly roles: string;
    readonly made_ms: number;
    readonly made_by: string;
    readonly used_ms: number | null;
    readonly expires_ms: number | null;
    readonly revoked_ms: number | null;
  };
}

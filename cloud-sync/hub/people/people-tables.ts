/** Tables of people and of programs that act for them. Secrets are kept as hashes only. */
export interface PeopleTables {
  readonly people: {
    readonly person_id: string;
    /** Lower case, unique. */
    readonly login: string;
    readonly name: string;
    /** JSON arrays; null in `stores` and `tasks` means every one. */
    readonly roles: string;
    readonly stores: string | null;
    readonly tasks: string | null;
    readonly skills: string;
    /** `scrypt$N$r$p$salt$hash`, or null until an invitation was taken up. */
    readonly password: string | null;
    readonly disabled_ms: number | null;
    readonly made_ms: number;
    readonly made_by: string;
  };
  /** Who may set a password once. */
  readonly invitations: {
    readonly token_hash: string;
    readonly person_id: string;
    readonly expires_ms: number;
    readonly made_by: string;
  };
  readonly sessions: {
    readonly token_hash: string;
    readonly session_id: string;
    readonly person_id: string;
    readonly opened_ms: number;
    /** Last call, to within a minute. */
    readonly seen_ms: number;
    readonly ends_ms: number;
  };
  /** Browsers in which a person has signed in before: strangers' wrong tries do not delay them. */
  readonly known_browsers: {
    readonly token_hash: string;
    readonly person_id: string;
    readonly seen_ms: number;
  };
  readonly api_tokens: {
    /** SHA-256 of the token, hexadecimal: the token itself is shown once and kept nowhere. */
    readonly token_hash: string;
    readonly token_id: string;
    readonly name: string;
    /** JSON arrays; null in `stores` and `tasks` means every one. */
    readonly roles: string;
    readonly stores: string | null;
    readonly tasks: string | null;
    readonly made_ms: number;
    readonly made_by: string;
    /** Last call, to within a minute. */
    readonly used_ms: number | null;
    readonly expires_ms: number | null;
    readonly revoked_ms: number | null;
  };
  /** Who an OIDC provider says that somebody is; without a person it waits for an admin's decision. */
  readonly identities: {
    readonly issuer: string;
    readonly subject: string;
    readonly person_id: string | null;
    /** As the provider tells them; shown to the admin who decides. */
    readonly email: string | null;
    readonly name: string | null;
    readonly seen_ms: number;
  };
  /** Sign-ins that are under way at an OIDC provider. */
  readonly oidc_flows: {
    /** SHA-256 of the token in the cookie of the browser that began. */
    readonly token_hash: string;
    readonly state: string;
    readonly nonce: string;
    readonly verifier: string;
    readonly expires_ms: number;
  };
}

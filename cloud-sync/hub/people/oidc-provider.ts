/** Port: an OpenID Connect provider that people may sign in with. `oidc-client.node.ts` has it over openid-client. */
export interface OidcProvider {
  /** Where to send the browser, and what the hub keeps until it comes back. Errors: HP_UNREACHABLE. */
  begin(): Promise<{ readonly url: string } & OidcFlow>;
  /** Exchanges the code that the browser brought; state, nonce, PKCE and the token's signature must all fit. */
  finish(callbackSearch: string, flow: OidcFlow): Promise<OidcClaims>;
}

export interface OidcFlow {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

export interface OidcClaims {
  readonly issuer: string;
  readonly subject: string;
  readonly email: string | null;
  /** The provider says that the address is that person's. */
  readonly emailVerified: boolean;
  readonly name: string | null;
}

import type * as openid from "openid-client";
import { HoldpointError } from "../../../protocol/index.ts";
import { type OidcProvider } from "./oidc-provider.ts";

/** The one file that knows openid-client. It is an optional peer, so it is loaded when a provider is named. */
export interface OidcClientOptions {
  /** The provider's issuer: `https://…`; plain HTTP on this machine only. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** `<public url>/v1/oidc/callback`, as it is registered with the provider. */
  readonly redirectUri: string;
}

/** The provider's settings and keys are asked for again after so long. */
const discoveredMs = 3_600_000;

/** Errors: HP_RUNTIME_MISSING, HP_USAGE (an issuer that is no address). */
export async function createOidcClient(options: OidcClientOptions): Promise<OidcProvider> {
  const client = await loadOpenid();
  const issuer = URL.canParse(options.issuer) ? new URL(options.issuer) : null;
  const isHere = issuer !== null && ["localhost", "127.0.0.1", "[::1]"].includes(issuer.hostname);
  if (issuer === null || (issuer.protocol !== "https:" && !isHere)) {
    throw new HoldpointError("HP_USAGE", `${options.issuer} is no issuer`, { hint: "Give its https address." });
  }
  let known: { readonly config: openid.Configuration; readonly atMs: number } | null = null;
  const discover = async (): Promise<openid.Configuration> => {
    if (known && performance.now() - known.atMs < discoveredMs) return known.config;
    const execute = [client.enableNonRepudiationChecks, ...(isHere ? [allowPlainHttp(client)] : [])];
    const config = await client
      .discovery(issuer, options.clientId, options.clientSecret, undefined, { execute, timeout: 10 })
      .catch((cause: unknown) => {
        const hint = "Check the issuer's address and that this machine reaches it.";
        throw new HoldpointError("HP_UNREACHABLE", "the sign-in provider does not answer", { hint, cause });
      });
    known = { config, atMs: performance.now() };
    return config;
  };
  return {
    begin: async () => {
      const config = await discover();
      const verifier = client.randomPKCECodeVerifier();
      const [state, nonce] = [client.randomState(), client.randomNonce()];
      const url = client.buildAuthorizationUrl(config, {
        ...{ redirect_uri: options.redirectUri, scope: "openid email profile", state, nonce },
        ...{ code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256" },
      });
      return { url: url.href, state, nonce, verifier };
    },
    finish: async (callbackSearch, { state, nonce, verifier }) => {
      const config = await discover();
      const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
      const tokens = await client
        .authorizationCodeGrant(config, new URL(callbackSearch, options.redirectUri), checks)
        .catch((cause: unknown) => {
          const hint = "Begin again at the sign-in page.";
          throw new HoldpointError("HP_UNAUTHORIZED", "the sign-in provider's answer does not hold", { hint, cause });
        });
      const claims = tokens.claims();
      if (!claims) throw new HoldpointError("HP_UNAUTHORIZED", "the sign-in provider told nothing of who it is");
      const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);
      return {
        ...{ issuer: claims.iss, subject: claims.sub, email: text(claims["email"]), name: text(claims["name"]) },
        emailVerified: claims["email_verified"] === true,
      };
    },
  };
}

/** For a provider on this very machine; the function is marked as deprecated so that nobody uses it for another. */
function allowPlainHttp(client: typeof openid): (config: openid.Configuration) => void {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- no byte of it leaves this machine
  return client.allowInsecureRequests;
}

async function loadOpenid(): Promise<typeof openid> {
  try {
    return await import("openid-client");
  } catch (cause) {
    throw new HoldpointError("HP_RUNTIME_MISSING", "the package openid-client is not installed or does not load", {
      hint: "Install it beside holdpoint: npm install openid-client@6",
      cause,
    });
  }
}

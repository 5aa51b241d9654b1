import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";

/** A small OpenID Connect provider that signs real tokens: discovery, authorize (nobody is asked), token, keys. */
export interface TestProvider {
  readonly issuer: string;
  /** Who is signed in there: the claims of the next token. */
  who: Record<string, unknown>;
  /** Changes the claims of the next tokens, or how they are signed, as an attacker or a broken provider would. */
  spoil: { readonly claims?: Record<string, unknown>; readonly foreignKey?: boolean } | null;
  close(): Promise<void>;
}

interface Grant {
  readonly challenge: string;
  readonly nonce: string;
  readonly redirectUri: string;
}

export const client = { clientId: "hub", clientSecret: "client secret" };

export async function startProvider(): Promise<TestProvider> {
  const key = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const foreign = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const grants = new Map<string, Grant>();
  const provider = { issuer: "", who: {} as Record<string, unknown>, spoil: null as TestProvider["spoil"] };
  const token = (nonce: string): string => {
    const nowS = Math.floor(Date.now() / 1000);
    const claims = { iss: provider.issuer, aud: client.clientId, iat: nowS, exp: nowS + 60, nonce };
    const body = { ...claims, ...provider.who, ...provider.spoil?.claims };
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${part({ alg: "RS256", kid: "k" })}.${part(body)}`;
    const by = provider.spoil?.foreignKey === true ? foreign : key;
    return `${signed}.${sign("sha256", Buffer.from(signed), by.privateKey).toString("base64url")}`;
  };
  const redeem = async (request: IncomingMessage): Promise<[number, unknown]> => {
    const form = new URLSearchParams(await bodyOf(request));
    const code = form.get("code") ?? "";
    const grant = grants.get(code);
    grants.delete(code);
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    const knows = form.get("client_secret") === client.clientSecret || (request.headers.authorization ?? "") !== "";
    if (grant?.challenge !== challenge || grant.redirectUri !== form.get("redirect_uri") || !knows) {
      return [400, { error: "invalid_grant" }];
    }
    return [200, { access_token: "a", token_type: "Bearer", id_token: token(grant.nonce) }];
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", provider.issuer);
    const json = (status: number, value: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
    if (url.pathname === "/.well-known/openid-configuration") json(200, discovery(provider.issuer));
    else if (url.pathname === "/keys") {
      json(200, { keys: [{ ...key.publicKey.export({ format: "jwk" }), kid: "k", alg: "RS256", use: "sig" }] });
    } else if (url.pathname === "/token") void redeem(request).then(([status, value]) => json(status, value));
    else if (url.pathname === "/authorize") {
      const asked = (name: string): string => url.searchParams.get(name) ?? "";
      const code = randomBytes(8).toString("hex");
      grants.set(code, {
        ...{ challenge: asked("code_challenge"), nonce: asked("nonce"), redirectUri: asked("redirect_uri") },
      });
      const back = new URL(asked("redirect_uri"));
      back.search = new URLSearchParams({ code, state: asked("state"), iss: provider.issuer }).toString();
      response.writeHead(302, { location: back.href }).end();
    } else json(404, {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the provider does not listen");
  provider.issuer = `http://127.0.0.1:${address.port}`;
  return Object.assign(provider, {
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  });
}

function discovery(issuer: string): Record<string, unknown> {
  return {
    ...{ issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` },
    ...{ jwks_uri: `${issuer}/keys`, response_types_supported: ["code"], subject_types_supported: ["public"] },
    ...{ id_token_signing_alg_values_supported: ["RS256"], code_challenge_methods_supported: ["S256"] },
    authorization_response_iss_parameter_supported: true,
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

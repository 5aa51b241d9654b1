import { randomBytes } from "node:crypto";
import { encodeMessage, signatureHeaders } from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createSigningKey, type SigningKey } from "../../protocol/platform/signing.node.ts";

/** An agent as the hub sees one: it enrols and signs its calls. */
export interface TestAgent {
  readonly agentId: string;
  readonly key: SigningKey;
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<TestAnswer>;
}

export interface CallOptions {
  readonly msgpack?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly nowMs?: number;
  readonly nonce?: string;
}

export interface TestAnswer {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

export async function enrolAgent(hubUrl: string, adminToken: string, store: string, name = "box"): Promise<TestAgent> {
  const made = await callHub(hubUrl, adminToken, "POST", "/v1/fleet/tokens", { store, agent: name });
  const key = createSigningKey();
  const enrolled = await fetch(`${hubUrl}/v1/enrol`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      v: 1,
      token: made.json["token"],
      publicKey: key.publicKey,
      agent: name,
      store,
      software: "test",
    }),
  });
  const { agentId } = (await enrolled.json()) as { agentId: string };
  return signingAgent(hubUrl, agentId, key);
}

export function signingAgent(hubUrl: string, agentId: string, key: SigningKey): TestAgent {
  return {
    agentId,
    key,
    call: async (method, path, body, options = {}) => {
      const url = new URL(path, hubUrl);
      const bytes = bodyBytes(body, options.msgpack ?? false);
      const createdS = Math.floor((options.nowMs ?? Date.now()) / 1000);
      const nonce = options.nonce ?? randomBytes(12).toString("base64url");
      const request = { method, path: url.pathname, query: url.search, body: bytes };
      const signed = signatureHeaders(request, { keyId: agentId, createdS, nonce }, nodeHasher, (base) =>
        key.sign(base),
      );
      const answer = await fetch(url, {
        method,
        headers: { ...signed, ...options.headers },
        ...(bytes.byteLength > 0 ? { body: Uint8Array.from(bytes) } : {}),
      });
      return readAnswer(answer);
    },
  };
}

/** A call of a program with an API token. */
export async function callHub(
  hubUrl: string,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<TestAnswer> {
  const answer = await fetch(`${hubUrl}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return readAnswer(answer);
}

async function readAnswer(answer: Response): Promise<TestAnswer> {
  const text = await answer.text();
  return { status: answer.status, json: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
}

function bodyBytes(body: unknown, msgpack: boolean): Uint8Array {
  if (body === undefined) return new Uint8Array(0);
  if (body instanceof Uint8Array) return body;
  return msgpack ? encodeMessage(body, "msgpack") : new TextEncoder().encode(JSON.stringify(body));
}

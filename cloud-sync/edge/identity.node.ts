import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { enrolReplySchema, HoldpointError, toHex, type Hasher } from "../../protocol/index.ts";
import { createSigningKey, readSigningKey, type SigningKey } from "../../protocol/platform/signing.node.ts";
import { writeDurable } from "./durable-file.node.ts";
import { type CallSigner } from "./exchange.node.ts";
import { type HubAnswer, type HubExchange } from "./hub-port.ts";

/**
 * Who this agent is at its hub, in `<data>/hub/`: `hub.json`, and a private key of its own for every token, readable by
 * its owner only. The key is on the disk before the token is spent, and the hub answers the same key and token again, so
 * a crash or a lost answer in between costs nothing.
 */
const identitySchema = z.strictObject({
  v: z.literal(1),
  agentId: z.string(),
  agent: z.string(),
  store: z.string(),
  hub: z.strictObject({ id: z.string(), publicKey: z.string() }),
  url: z.string(),
  keyFile: z.string().regex(/^key-[0-9a-f]{16}\.pem$/),
});
export type HubIdentity = z.infer<typeof identitySchema> & { readonly signer: CallSigner };

export interface EnrolAs {
  readonly token: string;
  readonly url: string;
  readonly agent: string;
  readonly store: string;
  readonly software: string;
  readonly hasher: Hasher;
}

/** Null where the agent is not enrolled. Throws HP_JOURNAL where the files are there and damaged. */
export async function readIdentity(dir: string): Promise<HubIdentity | null> {
  const text = await readOrNull(join(dir, "hub.json"));
  if (text === null) return null;
  try {
    const identity = identitySchema.parse(JSON.parse(text));
    const key = readSigningKey(await readFile(join(dir, identity.keyFile), "utf8"));
    return { ...identity, signer: { keyId: identity.agentId, sign: (bytes) => key.sign(bytes) } };
  } catch (cause) {
    throw new HoldpointError("HP_JOURNAL", `the agent's identity in ${dir} is damaged`, {
      hint: "Put hub.json and its key back from a copy, or remove them and enrol anew with a new token.",
      cause,
    });
  }
}

/** Whether this identity came from this token: a new one in the command means to enrol anew. */
export function isOfToken(identity: HubIdentity, token: string, hasher: Hasher): boolean {
  return identity.keyFile === keyName(token, hasher);
}

/** Spends the token. Resolves with what the hub said; the identity is on the disk when that is good. */
export async function enrol(dir: string, exchange: HubExchange, as: EnrolAs): Promise<HubAnswer<HubIdentity>> {
  const keyFile = keyName(as.token, as.hasher);
  const key = await keyOf(join(dir, keyFile));
  const { token, agent, store, software, url } = as;
  const body = { v: 1, token, publicKey: key.publicKey, agent, store, software };
  const answer = await exchange.call({
    name: "enrol",
    method: "POST",
    path: "/v1/enrol",
    unsigned: true,
    body: { bytes: new TextEncoder().encode(JSON.stringify(body)), contentType: "application/json" },
    reply: enrolReplySchema,
  });
  if (!answer.ok) return answer;
  const { agentId, agent: named, store: of, hub } = answer.value;
  const identity = { v: 1 as const, agentId, agent: named, store: of, hub, url, keyFile };
  await writeDurable(join(dir, "hub.json"), `${JSON.stringify(identity, null, 2)}\n`);
  return { ok: true, value: { ...identity, signer: { keyId: agentId, sign: (bytes) => key.sign(bytes) } } };
}

/** The token itself is kept nowhere. */
function keyName(token: string, hasher: Hasher): string {
  return `key-${toHex(hasher.sha256(new TextEncoder().encode(token))).slice(0, 16)}.pem`;
}

async function keyOf(path: string): Promise<SigningKey> {
  const known = await readOrNull(path);
  if (known !== null) return readSigningKey(known);
  const key = createSigningKey();
  await writeDurable(path, key.pem);
  return key;
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new HoldpointError("HP_JOURNAL", `cannot read ${path}`, { cause });
  }
}

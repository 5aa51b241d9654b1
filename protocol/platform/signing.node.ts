import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from "node:crypto";

/** Ed25519 (RFC 8032) by Node. Public keys travel as their raw 32 bytes in base64url. */
export interface SigningKey {
  readonly publicKey: string;
  sign(bytes: Uint8Array): Uint8Array;
  /** The same signature, made in one of Node's threads: the event loop goes on meanwhile. */
  signAside(bytes: Uint8Array): Promise<Uint8Array>;
  /** PKCS #8 in PEM: what is written to a file that only its owner reads. */
  readonly pem: string;
}

/** A new key. */
export function createSigningKey(): SigningKey {
  return signingKey(generateKeyPairSync("ed25519").privateKey);
}

/** The key of a PEM text; throws what Node throws where it is none, and on a key of another kind. */
export function readSigningKey(pem: string): SigningKey {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== "ed25519")
    throw new Error(`an Ed25519 key is needed, this one is ${key.asymmetricKeyType ?? "of no kind"}`);
  return signingKey(key);
}

function signingKey(key: KeyObject): SigningKey {
  const publicKey = createPublicKey(key).export({ format: "jwk" }).x ?? "";
  return {
    publicKey,
    sign: (bytes) => sign(null, bytes, key),
    signAside: (bytes) =>
      new Promise((resolve, reject) => {
        sign(null, bytes, key, (cause, signature) => (cause ? reject(cause) : resolve(signature)));
      }),
    pem: key.export({ format: "pem", type: "pkcs8" }).toString(),
  };
}

/** Whoever checks a signature of that public key; null where it is no key. */
export function signatureVerifier(publicKey: string): ((bytes: Uint8Array, signature: Uint8Array) => boolean) | null {
  const key = readPublicKey(publicKey);
  return key && ((bytes, signature) => verify(null, bytes, key, signature));
}

/**
 * The same for whoever serves many callers: the check runs in one of Node's threads and the event loop goes on. A
 * signature costs more than everything else that a small call asks of a hub.
 */
export function asideVerifier(
  publicKey: string,
): ((bytes: Uint8Array, signature: Uint8Array) => Promise<boolean>) | null {
  const key = readPublicKey(publicKey);
  if (!key) return null;
  return (bytes, signature) =>
    new Promise((resolve, reject) => {
      verify(null, bytes, key, signature, (cause, isIt) => (cause ? reject(cause) : resolve(isIt)));
    });
}

function readPublicKey(publicKey: string): KeyObject | null {
  try {
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: publicKey }, format: "jwk" });
  } catch {
    return null;
  }
}

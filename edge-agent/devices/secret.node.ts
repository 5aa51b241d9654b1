import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { type DeviceRecord } from "./device-file.node.ts";

type Hash = DeviceRecord["scrypt"];

/**
 * A secret is `<device>.<43 characters>`: 256 random bits after the name, so that one string is enough to connect with.
 * Against so much randomness no hash needs to be slow; scrypt at 1 MiB is there for whoever steals the file and hopes
 * that somebody chose a secret by hand.
 */
const parameters = { n: 1024, r: 8, p: 1 } as const;

export function newSecret(device: string): string {
  return `${device}.${randomBytes(32).toString("base64url")}`;
}

/** A device may give its secret with its name or without: the part behind the name is what counts. */
export function randomPart(device: string, secret: string): string {
  return secret.startsWith(`${device}.`) ? secret.slice(device.length + 1) : secret;
}

export async function hashSecret(secret: string): Promise<Hash> {
  const salt = randomBytes(16);
  const hash = await derive(secret, salt, parameters);
  return { ...parameters, salt: salt.toString("base64url"), hash: hash.toString("base64url") };
}

export async function secretMatches(secret: string, hash: Hash): Promise<boolean> {
  const wanted = Buffer.from(hash.hash, "base64url");
  const given = await derive(secret, Buffer.from(hash.salt, "base64url"), hash);
  return wanted.byteLength === given.byteLength && timingSafeEqual(wanted, given);
}

/** Costs what `secretMatches` costs, and never matches: an unknown name is not answered faster than a known one. */
export async function nothingMatches(secret: string): Promise<false> {
  await derive(secret, decoySalt, parameters);
  return false;
}

const decoySalt = randomBytes(16);

function derive(secret: string, salt: Buffer, { n, r, p }: Pick<Hash, "n" | "r" | "p">): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, 32, { N: n, r, p, maxmem: 256 * n * r + (1 << 20) }, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

import { createHmac, randomBytes, randomUUID } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { HoldpointError } from "../../protocol/errors.ts";

/**
 * The agent's root secret: 32 random bytes in `secret.key`, readable by its owner only. Keys of single purposes are
 * derived from it, so that none of them tells another.
 */

const secretBytes = 32;

/**
 * The secret for a purpose ("audit", "checkpoint", …), 32 bytes, the same on every start. Makes the root secret on first
 * use. Errors: HP_JOURNAL where the file is there and not a secret: a new one would silently change every coin.
 */
export function agentSecret(dataDir: string, purpose: string): Uint8Array {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  return deriveSecret(readSecret(dataDir) ?? makeSecret(dataDir), purpose);
}

export function deriveSecret(root: Uint8Array | null, purpose: string): Uint8Array {
  return createHmac("sha256", root ?? Buffer.alloc(secretBytes))
    .update(`holdpoint secret 1\n${purpose}`)
    .digest();
}

/** The root secret, or null where there is none yet. */
export function readSecret(dataDir: string): Uint8Array | null {
  const file = join(dataDir, "secret.key");
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new HoldpointError("HP_JOURNAL", `the agent's secret cannot be read: ${file}`, { cause: error });
  }
  if (bytes.length === secretBytes) return bytes;
  throw new HoldpointError("HP_JOURNAL", `the agent's secret is damaged: ${file} has ${bytes.length} bytes, not 32`, {
    hint: "Put the file back from a copy, or remove it: audit samples are then drawn by a new coin.",
  });
}

function makeSecret(dataDir: string): Uint8Array {
  const bytes = randomBytes(secretBytes);
  const file = join(dataDir, "secret.key");
  const temporary = `${file}.${randomUUID()}.new`;
  const fd = openSync(temporary, "wx", 0o600);
  try {
    writeSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  chmodSync(temporary, 0o600);
  try {
    linkSync(temporary, file); // Unlike a rename it never replaces the secret that another process has just made.
    return bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return readSecret(dataDir) ?? bytes;
  } finally {
    rmSync(temporary, { force: true });
  }
}

import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { fewAtOnce } from "../api/few-at-once.ts";
import { type Passwords } from "./passwords.ts";

/**
 * scrypt with N = 2^15, r = 8, p = 3: 32 MB and about 0.2 s of one core for each try, one of the settings that OWASP's
 * cheat sheet on password storage names. The parameters stand in each hash, so that they can grow.
 */
const costDefault: PasswordCost = { n: 2 ** 15, r: 8, p: 3 };

/** Parameters of scrypt (RFC 7914). */
export interface PasswordCost {
  readonly n: number;
  readonly r: number;
  readonly p: number;
}
const hashBytes = 32;
/** The thread pool has four threads and the hub needs some of them; memory is bounded by it too. */
const atOnceMax = 2;
/** Checks that wait; above it HP_BUSY. At two at once the last one waits some seconds. */
const waitingMax = 64;

export function createPasswords(cost: PasswordCost = costDefault): Passwords {
  const tooMany = "too many passwords wait to be checked";
  const slowly = fewAtOnce({ atOnceMax, waitingMax, tooMany, retryAfterMs: 2_000 });
  const decoy = { ...cost, salt: randomBytes(16), hash: randomBytes(hashBytes) };
  return {
    hash: (password) =>
      slowly(async () => {
        const salt = randomBytes(16);
        const hash = await derive(password, { ...cost, salt });
        const { n, r, p } = cost;
        return ["scrypt", n, r, p, salt.toString("base64url"), hash.toString("base64url")].join("$");
      }),
    fits: (password, kept) =>
      slowly(async () => {
        const known = kept === null ? null : read(kept);
        const wanted = known ?? decoy;
        const given = await derive(password, wanted);
        return timingSafeEqual(given, wanted.hash) && known !== null;
      }),
  };
}

interface Work extends PasswordCost {
  readonly salt: Uint8Array;
}

function read(kept: string): (Work & { readonly hash: Buffer }) | null {
  const [kind, n, r, p, salt = "", hash = ""] = kept.split("$");
  const bytes = Buffer.from(hash, "base64url");
  if (kind !== "scrypt" || bytes.byteLength !== hashBytes) return null;
  return { n: Number(n), r: Number(r), p: Number(p), salt: Buffer.from(salt, "base64url"), hash: bytes };
}

function derive(password: string, { n, r, p, salt }: Work): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // The same letters may come as different code points from two keyboards.
    const text = password.normalize("NFKC");
    scrypt(text, salt, hashBytes, { N: n, r, p, maxmem: 256 * n * r + (1 << 20) }, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

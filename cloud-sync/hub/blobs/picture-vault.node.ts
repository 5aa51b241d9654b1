import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { type HubDatabase, type HubTransaction } from "../database/database.ts";
import { type BlobStore } from "./blob-store.ts";

/**
 * Pictures at rest: AES-256-GCM under a key of each case. The key is a row of the database, so deleting that row is the
 * erasure of the picture, in backups of the blob store too.
 */
export interface PictureVault {
  /** Seals and stores the pictures, durably. Returns the keys, which the caller writes in the transaction of the cases. */
  seal(pictures: readonly OpenPicture[]): Promise<readonly CaseKey[]>;
  /** Writes the keys: from the commit on the pictures can be read. */
  keep(trx: HubTransaction, keys: readonly CaseKey[]): Promise<void>;
  /** The picture, or null: never came, erased, or changed at rest. */
  open(caseId: string): Promise<Uint8Array | null>;
  /** Deletes the keys; the bytes follow outside of the transaction. */
  erase(trx: HubTransaction, caseIds: readonly string[]): Promise<void>;
  /** Deletes the bytes of cases whose keys are gone. */
  sweep(caseIds: readonly string[]): Promise<void>;
}

export interface OpenPicture {
  readonly caseId: string;
  readonly bytes: Uint8Array;
}

export interface CaseKey {
  readonly case_id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

export function createPictureVault(database: HubDatabase, blobs: BlobStore): PictureVault {
  return {
    seal: async (pictures) => {
      const keys = pictures.map(({ caseId }) => ({ case_id: caseId, key: randomBytes(keyBytes) }));
      await blobs.putAll(
        pictures.map(({ caseId, bytes }, index) => ({
          name: caseId,
          bytes: sealed(bytes, keys[index]?.key ?? randomBytes(keyBytes), caseId),
        })),
      );
      return keys;
    },
    keep: async (trx, keys) => {
      if (keys.length === 0) return;
      await trx.db
        .insertInto("case_keys")
        .values(keys.map(({ case_id, key }) => ({ case_id, key })))
        .onConflict((conflict) =>
          conflict.column("case_id").doUpdateSet((excluded) => ({ key: excluded.ref("excluded.key") })),
        )
        .execute();
    },
    open: async (caseId) => {
      const row = await database.read((db) =>
        db.selectFrom("case_keys").select("key").where("case_id", "=", caseId).executeTakeFirst(),
      );
      const bytes = row ? await blobs.get(caseId) : null;
      return row && bytes ? opened(bytes, row.key, caseId) : null;
    },
    erase: async (trx, caseIds) => {
      await trx.db
        .deleteFrom("case_keys")
        .where("case_id", "in", [...caseIds])
        .execute();
    },
    sweep: (caseIds) => blobs.deleteAll(caseIds),
  };
}

/** Nonce, cipher text, tag. The case's id is bound in, so that no picture can stand in for another's. */
function sealed(bytes: Uint8Array, key: Uint8Array, caseId: string): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(caseId));
  return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}

function opened(bytes: Uint8Array, key: Uint8Array, caseId: string): Uint8Array | null {
  if (bytes.byteLength < nonceBytes + tagBytes) return null;
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, nonceBytes));
  decipher.setAAD(Buffer.from(caseId));
  decipher.setAuthTag(bytes.subarray(bytes.byteLength - tagBytes));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, bytes.byteLength - tagBytes)), decipher.final()]);
  } catch {
    return null;
  }
}

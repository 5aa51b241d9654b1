import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import { type Clock } from "../../../protocol/index.ts";
import { type HubDatabase } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { type BlobParts, type BlobPlace, type BlobStore } from "./blob-store.ts";
import { type CaseKey, type PictureVault } from "./picture-vault.ts";

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
/** A segment that is younger may hold pictures whose keys are being written this moment. */
const sweepAgeMs = 2 * 3_600_000;

export function createPictureVault(
  database: HubDatabase,
  blobs: BlobStore,
  clock: Pick<Clock, "wallMs">,
): PictureVault {
  return {
    seal: async (pictures) => {
      // One call for all the randomness: the call costs more than the bytes.
      const secrets = randomBytes(pictures.length * (keyBytes + nonceBytes));
      const secretOf = (index: number): Secret => {
        const at = index * (keyBytes + nonceBytes);
        const key = secrets.subarray(at, at + keyBytes);
        return { key, nonce: secrets.subarray(at + keyBytes, at + keyBytes + nonceBytes) };
      };
      const places = await blobs.putAll(
        pictures.map(({ caseId, bytes }, index) => sealed(bytes, secretOf(index), caseId)),
      );
      return places.map(({ segment, offset, bytes }, index) => {
        const case_id = pictures[index]?.caseId ?? "";
        return { case_id, key: secretOf(index).key, segment, segment_offset: offset, sealed_bytes: bytes };
      });
    },
    keep: async (trx, keys) => {
      if (keys.length === 0) return;
      const places = "segment = excluded.segment, segment_offset = excluded.segment_offset";
      const values = `key = excluded.key, ${places}, sealed_bytes = excluded.sealed_bytes`;
      await insertRows(trx, "case_keys", keys, `on conflict (case_id) do update set ${values}`);
    },
    open: async (caseId) => {
      const row = await database.read((db) =>
        db.selectFrom("case_keys").selectAll().where("case_id", "=", caseId).executeTakeFirst(),
      );
      const bytes = row ? await blobs.get(placeOf(row)) : null;
      return row && bytes ? opened(bytes, row.key, caseId) : null;
    },
    erase: async (trx, caseIds) => {
      await trx.db
        .deleteFrom("case_keys")
        .where("case_id", "in", [...caseIds])
        .execute();
    },
    sweep: () =>
      blobs.deleteUnused(clock.wallMs() - sweepAgeMs, async (segments) => {
        const rows = await database.read((db) =>
          db
            .selectFrom("case_keys")
            .select("segment")
            .distinct()
            .where("segment", "in", [...segments])
            .execute(),
        );
        return new Set(rows.map(({ segment }) => segment));
      }),
  };
}

interface Secret {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
}

function placeOf({ segment, segment_offset: offset, sealed_bytes: bytes }: CaseKey): BlobPlace {
  return { segment, offset, bytes };
}

/** Nonce, cipher text, tag. The case's id is bound in, so that no picture can stand in for another's. */
function sealed(bytes: Uint8Array, { key, nonce }: Secret, caseId: string): BlobParts {
  // A key object: of plain bytes Node first finds out, by an error that it catches, that they are none.
  const cipher = createCipheriv("aes-256-gcm", createSecretKey(key), nonce);
  cipher.setAAD(Buffer.from(caseId));
  const text = cipher.update(bytes);
  // In this mode nothing is left for the end (NIST SP 800-38D 7.1).
  cipher.final();
  return [nonce, text, cipher.getAuthTag()];
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

import { createDecipheriv } from "node:crypto";
import { type Clock } from "../../../protocol/index.ts";
import { type HubDatabase } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { type BlobPlace, type BlobStore } from "./blob-store.ts";
import { type CaseKey, type PictureVault } from "./picture-vault.ts";
import { type Sealer } from "./sealing-thread.node.ts";
import { keyBytes, nonceBytes, sealPictures, tagBytes, type SealedPictures } from "./sealing.node.ts";

/** A segment that is younger may hold pictures whose keys are being written this moment. */
const sweepAgeMs = 2 * 3_600_000;

export function createPictureVault(
  database: HubDatabase,
  blobs: BlobStore,
  clock: Pick<Clock, "wallMs">,
  sealer: Pick<Sealer, "seal">,
): PictureVault {
  /** Writes what was sealed; `pictures` are asked for nothing but their cases. */
  async function store(
    pictures: readonly { readonly caseId: string }[],
    { bytes, keys, sizes }: SealedPictures,
  ): Promise<readonly CaseKey[]> {
    let end = 0;
    const kept = pictures.flatMap(({ caseId }, index) => {
      const size = sizes[index] ?? 0;
      return size === 0 ? [] : [{ caseId, sealed: bytes.subarray(end, (end += size)) }];
    });
    const places = await blobs.putAll(kept.map(({ sealed }) => sealed));
    return places.map(({ segment, offset, bytes: sealed_bytes }, index) => {
      const key = keys.subarray(index * keyBytes, (index + 1) * keyBytes);
      return { case_id: kept[index]?.caseId ?? "", key, segment, segment_offset: offset, sealed_bytes };
    });
  }

  return {
    seal: (pictures) => store(pictures, sealPictures(pictures.map((one) => ({ ...one, sha256: null })))),
    sealTaken: async (pictures) => store(pictures, await sealer.seal(pictures)),
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

function placeOf({ segment, segment_offset: offset, sealed_bytes: bytes }: CaseKey): BlobPlace {
  return { segment, offset, bytes };
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

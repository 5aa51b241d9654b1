import { type HubTransaction } from "../database/database.ts";

/**
 * Pictures at rest: AES-256-GCM under a key of each case. The key is a row of the database, so deleting that row is the
 * erasure of the picture, in backups of the blob store too.
 */
export interface PictureVault {
  /** Seals and stores the pictures, durably. Returns the keys, which the caller writes in the transaction of the cases. */
  seal(pictures: readonly OpenPicture[]): Promise<readonly CaseKey[]>;
  /**
   * The same for pictures that came in one message. One whose bytes do not have their digest is left out. The message is
   * given away with them: its memory may be gone afterwards. Errors: HP_BUSY.
   */
  sealTaken(pictures: readonly TakenPicture[]): Promise<readonly CaseKey[]>;
  /** Writes the keys: from the commit on the pictures can be read. */
  keep(trx: HubTransaction, keys: readonly CaseKey[]): Promise<void>;
  /** The picture, or null: never came, erased, or changed at rest. */
  open(caseId: string): Promise<Uint8Array | null>;
  /** Deletes the keys: from the commit on nobody can read the pictures. */
  erase(trx: HubTransaction, caseIds: readonly string[]): Promise<void>;
  /**
   * Frees the space of pictures whose keys are gone, as far as whole segments of them are; returns how many went. For
   * whoever erases, now and then.
   */
  sweep(): Promise<number>;
}

interface OpenPicture {
  readonly caseId: string;
  readonly bytes: Uint8Array;
}

export interface TakenPicture extends OpenPicture {
  /** SHA-256 that its bytes must have, hexadecimal; null where the caller has looked. */
  readonly sha256: string | null;
}

export interface CaseKey {
  readonly case_id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly segment: string;
  readonly segment_offset: number;
  readonly sealed_bytes: number;
}

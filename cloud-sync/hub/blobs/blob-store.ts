/**
 * Where sealed pictures lie: files by default, anything that keeps bytes and gives them a place otherwise. A store sees
 * only what was encrypted before (picture-vault.ts); deleting a case's key erases its picture wherever copies may be.
 */
export interface BlobStore {
  /** Durable when the promise resolves. Returns the place of each, in order. Errors: HP_DISK_FULL. */
  putAll(blobs: readonly Uint8Array[]): Promise<readonly BlobPlace[]>;
  /** Null where there is nothing at that place any more. */
  get(place: BlobPlace): Promise<Uint8Array | null>;
  /**
   * Deletes every segment that is older than `beforeMs` (wall clock) and of which `isUsed` says that nothing refers to it;
   * returns how many. A younger one may belong to a commit that has not returned yet.
   */
  deleteUnused(
    beforeMs: number,
    isUsed: (segments: readonly string[]) => Promise<ReadonlySet<string>>,
  ): Promise<number>;
  close(): Promise<void>;
}

export interface BlobPlace {
  /** Letters, digits and dashes. */
  readonly segment: string;
  readonly offset: number;
  readonly bytes: number;
}

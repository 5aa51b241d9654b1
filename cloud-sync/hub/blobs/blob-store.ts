/**
 * Where sealed pictures lie: files by default, anything that keeps bytes under a name otherwise. A store sees only what
 * was encrypted before (picture-vault.ts); deleting a case's key erases its picture wherever copies of it may be.
 */
export interface BlobStore {
  /** Durable when the promise resolves. The same name again replaces the bytes. Errors: HP_DISK_FULL. */
  putAll(blobs: readonly Blob[]): Promise<void>;
  get(name: string): Promise<Uint8Array | null>;
  /** Names that are not there are no error. */
  deleteAll(names: readonly string[]): Promise<void>;
}

export interface Blob {
  /** Letters, digits and dashes. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

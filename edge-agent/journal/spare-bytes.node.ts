/**
 * Memory for the bytes of pictures on their way to the writer. Fresh memory is paid page by page when it is first written,
 * paid again when it is given back, and makes the collector look for it; what comes back with the writer's answer carries
 * the next pictures instead.
 */
export class SpareBytes {
  /** The largest first. */
  readonly #spares: ArrayBuffer[] = [];

  /** Memory of at least so many bytes, with whatever was in it before. */
  take(bytes: number): ArrayBuffer {
    if (bytes < spareBytesMin || bytes > spareBytesMax) return fresh(bytes);
    const at = this.#spares.findLastIndex((spare) => spare.byteLength >= bytes);
    // In powers of two, so that messages of about one size can carry each other's bytes.
    return this.#spares.splice(at, at < 0 ? 0 : 1)[0] ?? fresh(2 ** Math.ceil(Math.log2(bytes)));
  }

  give(spare: ArrayBuffer): void {
    if (spare.byteLength > spareBytesMax) return;
    this.#spares.push(spare);
    this.#spares.sort((a, b) => b.byteLength - a.byteLength);
    if (this.#spares.length > sparesMax) this.#spares.pop();
  }
}

/** What is shorter comes from memory that the process has anyway. */
export const spareBytesMin = 64 * 1024;
/** A single picture may be larger than a message is otherwise; its memory is not kept. */
const spareBytesMax = 4 * 1024 * 1024;
/** As many messages as are under way at once. */
const sparesMax = 2;

/** Not zeroed: all of it is written before it is read. */
function fresh(bytes: number): ArrayBuffer {
  return Buffer.allocUnsafeSlow(bytes).buffer;
}

/** A refill is a call into the runtime, and costs as much for a page as for one id. */
const poolBytes = 2048;
/** Longer requests are rare, and are keys: they get bytes of their own. */
const pooledBytesMax = 32;

/**
 * Hands out short runs of unpredictable bytes from a page that `fill` fills. A byte is handed out once, and is wiped from
 * the page when it is.
 */
export function randomPool(fill: (page: Uint8Array<ArrayBuffer>) => void): (length: number) => Uint8Array {
  const page = new Uint8Array(poolBytes);
  let at = poolBytes;
  return (length) => {
    if (length > pooledBytesMax) {
      const own = new Uint8Array(length);
      fill(own);
      return own;
    }
    if (at + length > poolBytes) {
      fill(page);
      at = 0;
    }
    const bytes = page.slice(at, at + length);
    page.fill(0, at, at + length);
    at += length;
    return bytes;
  };
}

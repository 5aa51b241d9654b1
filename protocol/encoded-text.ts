const encoder = new TextEncoder();
const scratch = new Uint8Array(4096);
/** UTF-8 takes at most three bytes for a UTF-16 code unit. */
const scratchCharsMax = Math.floor(scratch.byteLength / 3);

/**
 * UTF-8 of a text that is read at once: the bytes are good until the next call. Memory for each text costs more than
 * its encoding, and there is a text to hash for every request.
 */
export function encodedText(text: string): Uint8Array {
  if (text.length > scratchCharsMax) return encoder.encode(text);
  return scratch.subarray(0, encoder.encodeInto(text, scratch).written);
}

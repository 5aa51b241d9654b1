import { jpegFrameAt } from "./picture-header.ts";

/**
 * What browsers decode into other pixels than Node and training had, without a word: a JPEG in CMYK (each has its own
 * way into RGB), and a WebP that its EXIF turns (Chromium leaves it lying). Null for everything else.
 */
export function decodeDoubt(bytes: Uint8Array, encoding: "jpeg" | "png" | "webp"): string | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (encoding === "jpeg") {
    const frame = jpegFrameAt(view);
    return frame !== null && view.getUint8(frame + 9) === 4 ? "browsers do not agree about CMYK pictures" : null;
  }
  if (encoding === "webp" && isTurned(view)) return "browsers do not agree about a WebP that its EXIF turns";
  return null;
}

/** Finds the `EXIF` chunk (RFC 9649, 2.7.1.5) and reads the orientation; 1 is upright. */
function isTurned(view: DataView): boolean {
  let at = 12;
  while (at + 8 <= view.byteLength) {
    const size = view.getUint32(at + 4, true);
    if (view.getUint32(at) === 0x45584946) return orientationOf(view, at + 8, size) !== 1;
    // Chunks are padded to an even length.
    at += 8 + size + (size & 1);
  }
  return false;
}

const orientationTag = 0x0112;

/** Tag 0x0112 of the first directory (TIFF 6.0, section 2); 1 where there is none, or none can be read. */
function orientationOf(view: DataView, from: number, bytes: number): number {
  const end = Math.min(view.byteLength, from + bytes);
  // Some writers keep the header that EXIF has in a JPEG.
  const start = from + 6 <= end && view.getUint32(from) === 0x45786966 ? from + 6 : from;
  if (start + 8 > end) return 1;
  const little = view.getUint16(start) === 0x4949;
  const directory = start + view.getUint32(start + 4, little);
  if (directory + 2 > end) return 1;
  const entries = view.getUint16(directory, little);
  for (let i = 0, at = directory + 2; i < entries && at + 12 <= end; i += 1, at += 12) {
    if (view.getUint16(at, little) === orientationTag) return view.getUint16(at + 8, little);
  }
  return 1;
}

import { limits, refused, ok, type Result } from "../../protocol/index.ts";

/** What the first bytes of a picture claim, read without decoding a pixel. */
export interface PictureHeader {
  readonly encoding: "jpeg" | "png" | "webp";
  readonly width: number;
  readonly height: number;
}

/**
 * Reads and bounds a picture's header. Everything that is not a JPEG, PNG or WebP by its magic bytes is refused, SVG
 * first of all; so is a picture whose encoding is not the one that was declared, an animated one (the reviewer would see
 * it move while the model saw one frame), and one that claims more pixels than are allowed. Errors: HP_PICTURE.
 */
export function readPictureHeader(bytes: Uint8Array, declared: PictureHeader["encoding"]): Result<PictureHeader> {
  const encoding = encodingOf(bytes);
  if (encoding === null) return refused("HP_PICTURE", "the bytes are neither JPEG, PNG nor WebP");
  if (encoding !== declared) return refused("HP_PICTURE", `the bytes are ${encoding}, declared is ${declared}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = { jpeg: jpegSize, png: pngSize, webp: webpSize }[encoding](view);
  if (size === null) return refused("HP_PICTURE", `the ${encoding} header is damaged or cut off`);
  if (size === "animated") return refused("HP_PICTURE", `an animated ${encoding} is not a picture of one moment`);
  const { width, height } = size;
  if (width < 1 || height < 1) return refused("HP_PICTURE", "the picture has no pixels");
  if (width > limits.pictureSideMax || height > limits.pictureSideMax || width * height > limits.picturePixelsMax) {
    return refused("HP_PICTURE", `${width} × ${height} pixels are more than are allowed`);
  }
  return ok({ encoding, width, height });
}

type Size = { readonly width: number; readonly height: number } | "animated" | null;

const pngMagic = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

function encodingOf(bytes: Uint8Array): PictureHeader["encoding"] | null {
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return "jpeg";
  if (pngMagic.every((byte, i) => bytes[i] === byte)) return "png";
  const text = String.fromCharCode(...bytes.subarray(0, 12));
  return text.startsWith("RIFF") && text.endsWith("WEBP") && bytes.length >= 12 ? "webp" : null;
}

function jpegSize(view: DataView): Size {
  const at = jpegFrameAt(view);
  return at === null ? null : { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
}

/** Walks the segments to the marker of the first start of frame (ITU T.81, B.1.1.3 and B.2.2); null without one. */
export function jpegFrameAt(view: DataView): number | null {
  let at = 2;
  // Up to the number of components.
  while (at + 10 <= view.byteLength) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    // Fill bytes, and the markers that stand alone.
    if (marker === 0xff || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    const frame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (frame) return at;
    if (marker === 0xda || marker === 0xd9) return null;
    at += 2 + Math.max(2, view.getUint16(at + 2));
  }
  return null;
}

/** IHDR is the first chunk; an `acTL` before the first IDAT is an animation (PNG third edition, 5.6, 11.3.6.1). */
function pngSize(view: DataView): Size {
  if (view.byteLength < 33 || view.getUint32(12) !== 0x49484452) return null;
  const size = { width: view.getUint32(16), height: view.getUint32(20) };
  let at = 8;
  while (at + 8 <= view.byteLength) {
    const type = view.getUint32(at + 4);
    if (type === 0x6163544c) return "animated";
    if (type === 0x49444154) break;
    at += 12 + view.getUint32(at);
  }
  return size;
}

/** Simple lossy, lossless and extended files (RFC 9649, 2.5 to 2.7). */
function webpSize(view: DataView): Size {
  if (view.byteLength < 30) return null;
  const little24 = (at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  switch (view.getUint32(12)) {
    case 0x56503820: {
      // The frame header of RFC 6386, 9.1: key frame bit, then the start code and two 14-bit sizes.
      if (little24(23) !== 0x2a019d) return null;
      return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
    }
    case 0x5650384c: {
      if (view.getUint8(20) !== 0x2f) return null;
      const bits = view.getUint32(21, true);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 0x56503858:
      if ((view.getUint8(20) & 0x02) !== 0) return "animated";
      return { width: little24(24) + 1, height: little24(27) + 1 };
    default:
      return null;
  }
}

import { HoldpointError, ok, refused } from "../../protocol/index.ts";
import { decodeDoubt } from "./decode-doubt.ts";
import { type DecodePicture } from "./decode.ts";
import { readPictureHeader } from "./picture-header.ts";

/**
 * Decodes with the browser's own decoder. Colour management is switched off, because training had none; EXIF orientation
 * is applied, as it is in Node. Chromium's pixels are Node's to the last bit; a browser with another JPEG decoder may
 * differ by a level or two. What would differ by more is refused: CMYK, a WebP that its EXIF turns, and transparency,
 * because a canvas forgets the colour of what it cannot show. Errors: HP_PICTURE, HP_RUNTIME_MISSING.
 */
export const decodePictureInBrowser: DecodePicture = async (bytes, encoding) => {
  const header = readPictureHeader(bytes, encoding);
  if (!header.ok) return header;
  const doubt = decodeDoubt(bytes, encoding);
  if (doubt !== null) return refused("HP_PICTURE", doubt, { hint });
  try {
    const blob = new Blob([bytes.slice()], { type: `image/${encoding}` });
    const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none" });
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    if (!context) return refused("HP_RUNTIME_MISSING", "this browser has no 2D canvas");
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const { data } = context.getImageData(0, 0, width, height);
    if (encoding !== "jpeg" && !isOpaque(data)) {
      return refused("HP_PICTURE", "a browser does not give away the colours of a transparent picture", { hint });
    }
    return ok({ width, height, channels: 4, data: new Uint8Array(data.buffer) });
  } catch (cause) {
    return { ok: false, error: new HoldpointError("HP_PICTURE", "the picture cannot be decoded", { cause }) };
  }
};

const hint = "Send an opaque RGB picture that stands upright, or its pixels.";

/** RGBA. */
function isOpaque(data: Uint8ClampedArray): boolean {
  for (let i = 3; i < data.length; i += 4) if (data[i] !== 255) return false;
  return true;
}

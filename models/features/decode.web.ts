import { HoldpointError, ok, refused } from "../../protocol/index.ts";
import { type DecodePicture } from "./decode.ts";
import { readPictureHeader } from "./picture-header.ts";

/**
 * Decodes with the browser's own decoder. Colour management and premultiplied alpha are switched off, because training
 * had neither; EXIF orientation is applied, as it is in Node. The pixels may differ from Node's by a level or two where
 * the browser's JPEG decoder rounds otherwise.
 */
export const decodePictureInBrowser: DecodePicture = async (bytes, encoding) => {
  const header = readPictureHeader(bytes, encoding);
  if (!header.ok) return header;
  try {
    const blob = new Blob([bytes.slice()], { type: `image/${encoding}` });
    const bitmap = await createImageBitmap(blob, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    if (!context) return refused("HP_RUNTIME_MISSING", "this browser has no 2D canvas");
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const { data } = context.getImageData(0, 0, width, height);
    return ok({ width, height, channels: 4, data: new Uint8Array(data.buffer) });
  } catch (cause) {
    return { ok: false, error: new HoldpointError("HP_PICTURE", "the picture cannot be decoded", { cause }) };
  }
};

import { type Result } from "../../protocol/index.ts";
import { type Picture } from "./picture.ts";

/**
 * Decodes a picture file. Upright (EXIF orientation applied), eight bits, RGB without alpha; an embedded colour profile
 * is not applied to RGB pictures, because it was not in training. The errors are values: HP_PICTURE, or
 * HP_RUNTIME_MISSING where the decoder is not installed.
 */
export type DecodePicture = (bytes: Uint8Array, encoding: "jpeg" | "png" | "webp") => Promise<Result<Picture>>;

import { availableParallelism } from "node:os";
import type { SharpConstructor } from "sharp";
import { HoldpointError, limits, ok, refused, type Result } from "../../protocol/index.ts";
import { type DecodePicture } from "./decode.ts";
import { readPictureHeader } from "./picture-header.ts";
import { type Picture } from "./picture.ts";

let loading: Promise<Result<SharpConstructor>> | undefined;

/** sharp is an optional peer: a box whose devices send pixels needs none. */
async function loadSharp(): Promise<Result<SharpConstructor>> {
  try {
    const { default: sharp } = await import("sharp");
    // One thread a picture: several pictures are decoded beside each other already. And no cache: no picture comes twice.
    sharp.concurrency(1);
    sharp.cache(false);
    return ok(sharp);
  } catch (cause) {
    const hint = "Install sharp: npm install sharp";
    return refused("HP_RUNTIME_MISSING", "pictures cannot be decoded here: sharp is not installed", { cause, hint });
  }
}

/** Decodes on libuv's threads; the header has been bounded before a pixel is. */
export const decodePicture: DecodePicture = async (bytes, encoding) => {
  const header = readPictureHeader(bytes, encoding);
  if (!header.ok) return header;
  const loaded = await (loading ??= loadSharp());
  if (!loaded.ok) return loaded;
  try {
    const { data, info } = await loaded
      .value(bytes, {
        // A picture that ends early is refused; a stray byte between two markers is not.
        failOn: "error",
        limitInputPixels: limits.picturePixelsMax,
        ignoreIcc: true,
        autoOrient: true,
      })
      .toColourspace("srgb")
      .removeAlpha()
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return pictureOf(data, info.width, info.height, info.channels);
  } catch (cause) {
    return {
      ok: false,
      error: new HoldpointError("HP_PICTURE", `the picture cannot be decoded: ${reasonOf(cause)}`, { cause }),
    };
  }
};

/** Draws our own SVG as a picture, for the demo. Never for input: a device may not send SVG. Errors: HP_RUNTIME_MISSING. */
export async function rasterise(
  svg: string,
  as: { readonly encoding: "jpeg"; readonly quality: number } | { readonly encoding: "png" },
): Promise<Result<Uint8Array>> {
  const loaded = await (loading ??= loadSharp());
  if (!loaded.ok) return loaded;
  const drawing = loaded.value(new TextEncoder().encode(svg));
  return ok(await (as.encoding === "png" ? drawing.png() : drawing.jpeg({ quality: as.quality })).toBuffer());
}

/** Pictures that may be decoded beside each other: libuv has four threads, the model needs one core. */
export const decodesAtOnceMax = Math.max(1, Math.min(4, availableParallelism()));

function pictureOf(data: Uint8Array, width: number, height: number, channels: number): Result<Picture> {
  if (channels !== 1 && channels !== 3) return refused("HP_PICTURE", `the picture has ${channels} channels`);
  return ok({ width, height, channels, data });
}

function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.split("\n")[0]?.slice(0, 200) ?? "unknown";
}

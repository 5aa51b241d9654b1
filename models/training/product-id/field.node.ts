import { readFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";

/** A picture of a split with its true class. */
export interface LabelledPicture {
  readonly name: string;
  readonly label: string;
  readonly bytes: Uint8Array;
}

/** Reads the pictures `<label>/<file>` of a tar file, in the order of their names. */
export async function readPictures(file: string): Promise<readonly LabelledPicture[]> {
  const tar = await readFile(file);
  const pictures: LabelledPicture[] = [];
  let at = 0;
  // POSIX ustar: a header of 512 bytes (name at 0, size in octal at 124, type at 156), then the content in blocks.
  while (at + 512 <= tar.length && tar[at] !== 0) {
    const text = (from: number, length: number): string =>
      tar.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "");
    const size = Number.parseInt(text(124, 12), 8);
    const name = text(0, 100);
    if (["", "0"].includes(text(156, 1))) {
      const label = path.posix.basename(path.posix.dirname(name));
      pictures.push({ name, label, bytes: tar.subarray(at + 512, at + 512 + size) });
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return pictures.sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** A decoded picture: RGB, shape [height, width, 3]. */
export interface Decoded {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** The picture as it is, and as the model sees it. */
export async function decodePicture(
  bytes: Uint8Array,
  size: { readonly width: number; readonly height: number; readonly resize: { readonly shortSide: number } },
): Promise<{ readonly decoded: Decoded; readonly pixels: Uint8Array }> {
  const whole = await sharp(bytes).rotate().removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const short = size.resize.shortSide;
  const resized = await sharp(whole.data, { raw: { width: whole.info.width, height: whole.info.height, channels: 3 } })
    .resize(short, short, { kernel: "linear", fit: "outside" })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const pixels = await sharp(resized.data, {
    raw: { width: resized.info.width, height: resized.info.height, channels: 3 },
  })
    .extract({
      left: (resized.info.width - size.width) >> 1,
      top: (resized.info.height - size.height) >> 1,
      width: size.width,
      height: size.height,
    })
    .raw()
    .toBuffer();
  return { decoded: { data: whole.data, width: whole.info.width, height: whole.info.height }, pixels };
}

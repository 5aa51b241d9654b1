import { readFile } from "node:fs/promises";
import path from "node:path";
import { decodePicture } from "../../features/decode.node.ts";
import { type Picture } from "../../features/picture.ts";

/** A picture of a split with its true class. */
export interface LabelledPicture {
  readonly name: string;
  readonly label: string;
  readonly picture: Picture;
}

/** Reads and decodes the pictures `<label>/<file>` of a tar file, in the order of their names. */
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
      const decoded = await decodePicture(tar.subarray(at + 512, at + 512 + size), "jpeg");
      if (!decoded.ok) throw new Error(`${name}: ${decoded.error.message}`);
      pictures.push({ name, label, picture: decoded.value });
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return pictures.sort((left, right) => (left.name < right.name ? -1 : 1));
}

import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { extract } from "tar-stream";
import { HoldpointError, type Input } from "../../../protocol/index.ts";
import { drawShelfCrop } from "./drawn-crops.node.ts";

/** A picture that a simulated device sends; the label is what its folder says, for whoever compares. */
export interface DemoPicture {
  readonly input: Extract<Input, { kind: "image" }>;
  readonly label: string;
}

export interface DemoPictures {
  /** What the summary says of them. */
  readonly source: string;
  readonly pictures: readonly DemoPicture[];
}

/** Pictures that are kept in memory; more are left out. */
const picturesMax = 20_000;
const picturesBytesMax = 512 * 1024 * 1024;
/** Drawn crops: enough that a reviewer does not see the same one twice in a sitting. */
const drawnCount = 48;

const encodings: Readonly<Record<string, DemoPicture["input"]["encoding"]>> = {
  ".jpg": "jpeg",
  ".jpeg": "jpeg",
  ".png": "png",
  ".webp": "webp",
};

/** Crops that the demo draws by itself, so that it needs nothing; it says that they are drawn. */
export async function drawnPictures(): Promise<DemoPictures> {
  const pictures: DemoPicture[] = [];
  for (let seed = 1; seed <= drawnCount; seed += 1) {
    const { jpeg, label } = await drawShelfCrop(seed);
    pictures.push({ input: { kind: "image", encoding: "jpeg", data: jpeg }, label });
  }
  return { source: "drawn", pictures };
}

/**
 * Real pictures from a folder or a tar file in the ImageFolder layout, `<label>/<file>.jpg`.
 *
 * Errors: HP_USAGE where the path has none.
 */
export async function realPictures(path: string): Promise<DemoPictures> {
  const found = await stat(path).catch(() => null);
  if (!found) throw new HoldpointError("HP_USAGE", `there is nothing at ${path}`);
  const collected = new Collected();
  await (found.isDirectory() ? fromFolder(path, collected) : fromTar(path, collected));
  if (collected.pictures.length === 0) {
    throw new HoldpointError("HP_USAGE", `${path} has no pictures`, { hint: "Lay them out as <label>/<file>.jpg." });
  }
  return { source: path, pictures: collected.pictures };
}

class Collected {
  readonly pictures: DemoPicture[] = [];
  #bytes = 0;

  get full(): boolean {
    return this.pictures.length >= picturesMax || this.#bytes >= picturesBytesMax;
  }

  add(name: string, data: Uint8Array): void {
    const encoding = encodings[extname(name).toLowerCase()];
    if (!encoding || data.byteLength === 0 || this.full) return;
    this.#bytes += data.byteLength;
    this.pictures.push({ input: { kind: "image", encoding, data }, label: basename(dirname(name)) });
  }
}

async function fromFolder(path: string, collected: Collected): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files.sort()) {
    if (collected.full) return;
    if (encodings[extname(file).toLowerCase()]) collected.add(file, await readFile(file));
  }
}

async function fromTar(path: string, collected: Collected): Promise<void> {
  const entries = createReadStream(path).pipe(extract());
  try {
    for await (const entry of entries) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
      if (entry.header.type === "file") collected.add(entry.header.name, Buffer.concat(chunks));
      if (collected.full) return;
    }
  } catch (cause) {
    throw new HoldpointError("HP_USAGE", `${path} is not a readable tar file`, { cause });
  }
}

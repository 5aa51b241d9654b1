import { limits, type Result } from "../../protocol/index.ts";
import { type DecodePicture } from "../features/decode.ts";
import { readPictureHeader } from "../features/picture-header.ts";
import { type Picture } from "../features/picture.ts";

type Encoding = Parameters<DecodePicture>[1];

/**
 * Bounds the memory of decoding: a batch of the largest allowed pictures would take gigabytes at once. At most
 * `atOnceMax` pictures and `pixelsMax` pixels are decoded at a time, in order; one picture is always allowed. The pixels
 * are handed to `use` and must not be kept.
 */
export class DecodeGate {
  readonly #atOnceMax: number;
  readonly #pixelsMax: number;
  #running = 0;
  #pixels = 0;
  readonly #queue: { readonly pixels: number; readonly go: () => void }[] = [];

  constructor(atOnceMax: number, pixelsMax: number = limits.picturePixelsMax) {
    this.#atOnceMax = atOnceMax;
    this.#pixelsMax = pixelsMax;
  }

  async decode(
    decode: DecodePicture,
    bytes: Uint8Array,
    encoding: Encoding,
    use: (result: Result<Picture>) => void,
  ): Promise<void> {
    const header = readPictureHeader(bytes, encoding);
    if (!header.ok) {
      use(header);
      return;
    }
    const pixels = header.value.width * header.value.height;
    await this.#enter(pixels);
    try {
      use(await decode(bytes, encoding));
    } finally {
      this.#running -= 1;
      this.#pixels -= pixels;
      this.#admit();
    }
  }

  #enter(pixels: number): Promise<void> {
    return new Promise((go) => {
      this.#queue.push({ pixels, go });
      this.#admit();
    });
  }

  #admit(): void {
    for (;;) {
      const [next] = this.#queue;
      if (!next || this.#running >= this.#atOnceMax) return;
      if (this.#running > 0 && this.#pixels + next.pixels > this.#pixelsMax) return;
      this.#queue.shift();
      this.#running += 1;
      this.#pixels += next.pixels;
      next.go();
    }
  }
}

import fc from "fast-check";
import sharp, { type Sharp } from "sharp";
import { expect, test } from "vitest";
import { decodeDoubt } from "../../models/features/decode-doubt.ts";

const grey = (): Sharp => sharp({ create: { width: 9, height: 7, channels: 3, background: "#777" } });
const turned = (orientation: number): Sharp => grey().withMetadata({ orientation });

test("a CMYK JPEG is in doubt, and no other JPEG", async () => {
  expect(decodeDoubt(await grey().toColourspace("cmyk").jpeg().toBuffer(), "jpeg")).toMatch(/CMYK/);
  for (const jpeg of [grey().jpeg(), grey().greyscale().jpeg(), turned(6).jpeg(), grey().jpeg({ progressive: true })]) {
    expect(decodeDoubt(await jpeg.toBuffer(), "jpeg")).toBeNull();
  }
});

test("a WebP is in doubt where its EXIF turns it, wherever the chunk stands and whichever its byte order", async () => {
  for (const orientation of [2, 3, 4, 5, 6, 7, 8]) {
    expect(decodeDoubt(await turned(orientation).webp().toBuffer(), "webp")).toMatch(/EXIF/);
    expect(decodeDoubt(await turned(orientation).withIccProfile("p3").webp().toBuffer(), "webp")).toMatch(/EXIF/);
  }
  expect(decodeDoubt(await turned(1).webp().toBuffer(), "webp")).toBeNull();
  expect(decodeDoubt(await grey().webp({ lossless: true }).toBuffer(), "webp")).toBeNull();

  const exif = (tiff: readonly number[]): Uint8Array => Uint8Array.from([...riff, ...chunk([...tiff])]);
  const little = [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
  const big = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0];
  for (const tiff of [little, big, [...text("Exif"), 0, 0, ...big]]) {
    expect(decodeDoubt(exif(tiff), "webp")).toMatch(/EXIF/);
    // Cut short there is no orientation left to read.
    expect(decodeDoubt(exif(tiff.slice(0, -8)), "webp")).toBeNull();
  }
});

test("no bytes make it throw or run for ever", () => {
  const bytes = fc.uint8Array({ maxLength: 64 });
  fc.assert(
    fc.property(bytes, (tail) => {
      const jpeg = Uint8Array.from([0xff, 0xd8, 0xff, ...tail]);
      const webp = Uint8Array.from([...riff, ...chunk([...tail])]);
      for (const doubt of [decodeDoubt(jpeg, "jpeg"), decodeDoubt(webp, "webp"), decodeDoubt(tail, "webp")]) {
        expect(doubt === null || doubt.length > 0).toBe(true);
      }
    }),
    { numRuns: 2_000 },
  );
});

function text(ascii: string): readonly number[] {
  return [...new TextEncoder().encode(ascii)];
}

const riff = [...text("RIFF"), 0, 0, 0, 0, ...text("WEBP")];

function chunk(body: readonly number[]): number[] {
  return [...text("EXIF"), body.length, 0, 0, 0, ...body];
}

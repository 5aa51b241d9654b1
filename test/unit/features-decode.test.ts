import sharp, { type Sharp } from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { decodePicture } from "../../models/index.node.ts";
import { DecodeGate } from "../../models/runtimes/decode-gate.ts";
import { ok } from "../../protocol/index.ts";

/** 8 × 4 pixels, red left half, blue right half. */
const halves = Buffer.alloc(8 * 4 * 3);
for (let i = 0; i < 32; i += 1) halves[i * 3 + (i % 8 < 4 ? 0 : 2)] = 255;
const source = (): Sharp => sharp(halves, { raw: { width: 8, height: 4, channels: 3 } });

const at = (picture: { width: number; channels: number; data: Uint8Array }, x: number, y: number): number[] => {
  const from = (y * picture.width + x) * picture.channels;
  return [...picture.data.subarray(from, from + 3)];
};

async function decoded(bytes: Uint8Array, encoding: "jpeg" | "png" | "webp") {
  const result = await decodePicture(bytes, encoding);
  if (!result.ok) throw result.error;
  return result.value;
}

async function refusal(bytes: Uint8Array, encoding: "jpeg" | "png" | "webp"): Promise<string> {
  const result = await decodePicture(bytes, encoding);
  if (result.ok) return "decoded";
  expect(result.error.code).toBe("HP_PICTURE");
  return result.error.message;
}

describe("decoding pictures", () => {
  let jpeg: Buffer;
  let png: Buffer;
  let webp: Buffer;
  beforeAll(async () => {
    jpeg = await source().jpeg({ quality: 95, chromaSubsampling: "4:4:4" }).toBuffer();
    png = await source().png().toBuffer();
    webp = await source().webp({ lossless: true }).toBuffer();
  });

  it("reads PNG and lossless WebP exactly and JPEG closely", async () => {
    expect(Buffer.from((await decoded(png, "png")).data)).toEqual(halves);
    expect(Buffer.from((await decoded(webp, "webp")).data)).toEqual(halves);
    const [red = 0, , blue = 255] = at(await decoded(jpeg, "jpeg"), 0, 0);
    expect(red).toBeGreaterThan(240);
    expect(blue).toBeLessThan(15);
  });

  it("applies the orientation that the camera noted", async () => {
    const turned = await source().jpeg({ quality: 95 }).withMetadata({ orientation: 6 }).toBuffer();
    const picture = await decoded(turned, "jpeg");
    expect([picture.width, picture.height]).toEqual([4, 8]);
    expect(at(picture, 1, 0)[0]).toBeGreaterThan(200);
    expect(at(picture, 1, 7)[2]).toBeGreaterThan(200);
  });

  it("turns CMYK and 16 bits into sRGB with eight, and drops alpha", async () => {
    const cmyk = await decoded(await source().toColourspace("cmyk").jpeg().toBuffer(), "jpeg");
    expect(cmyk.channels).toBe(3);
    expect(at(cmyk, 0, 0)[0]).toBeGreaterThan(150);
    const deep = await source().toColourspace("rgb16").png().toBuffer();
    const picture = await decoded(deep, "png");
    expect(picture.data).toHaveLength(8 * 4 * 3);
    expect(at(picture, 0, 0)).toEqual([255, 0, 0]);
    const clear = await source().ensureAlpha(0).png().toBuffer();
    // Pillow's convert("RGB") keeps the colour below a transparent pixel; so does this.
    expect(at(await decoded(clear, "png"), 0, 0)).toEqual([255, 0, 0]);
    const grey = await decoded(await source().greyscale().png().toBuffer(), "png");
    expect([1, 3]).toContain(grey.channels);
  });

  it("refuses a picture that ends early, whichever its encoding", async () => {
    const large = sharp({
      create: {
        width: 300,
        height: 300,
        channels: 3,
        background: "#345",
        noise: { type: "gaussian", mean: 128, sigma: 30 },
      },
    });
    for (const encoding of ["jpeg", "png", "webp"] as const) {
      const whole = await large.clone().toFormat(encoding).toBuffer();
      expect(await refusal(whole, encoding)).toBe("decoded");
      expect(await refusal(whole.subarray(0, Math.floor(whole.length / 2)), encoding)).toMatch(/cannot be decoded/);
      expect(await refusal(whole.subarray(0, 12), encoding)).toMatch(/damaged|neither/);
    }
  });

  it("refuses an image bomb by its header, in no time", async () => {
    const bomb = Buffer.from(png);
    bomb.writeUInt32BE(65_535, 16);
    bomb.writeUInt32BE(65_535, 20);
    const began = performance.now();
    expect(await refusal(bomb, "png")).toMatch(/65535 × 65535 pixels are more than are allowed/);
    // Four thousand million pixels would take minutes.
    expect(performance.now() - began).toBeLessThan(2_000);
    const frame = Buffer.from(jpeg);
    const marker = frame.findIndex((byte, i) => byte === 0xff && [0xc0, 0xc2].includes(frame[i + 1] ?? 0));
    frame.writeUInt16BE(65_535, marker + 5);
    frame.writeUInt16BE(65_535, marker + 7);
    expect(await refusal(frame, "jpeg")).toMatch(/more than are allowed/);
  });

  it("refuses what is animated", async () => {
    const other = await source().negate().png().toBuffer();
    const frames = await sharp([png, other], { join: { animated: true } })
      .webp({ loop: 0, delay: [100, 100] })
      .toBuffer();
    expect(await refusal(frames, "webp")).toMatch(/animated/);
    const chunk = Buffer.concat([Buffer.from([0, 0, 0, 8]), Buffer.from("acTL"), Buffer.alloc(12)]);
    const animated = Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
    expect(await refusal(animated, "png")).toMatch(/animated/);
  });

  it("refuses SVG, GIF and text, and bytes under another name", async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'.padEnd(200, " "));
    expect(await refusal(svg, "png")).toMatch(/neither JPEG, PNG nor WebP/);
    expect(await refusal(await source().gif().toBuffer(), "png")).toMatch(/neither/);
    expect(await refusal(Buffer.from("not a picture"), "jpeg")).toMatch(/neither/);
    expect(await refusal(png, "jpeg")).toBe("the bytes are png, declared is jpeg");
  });

  it("reads the sizes of every WebP form", async () => {
    const alpha = await source().ensureAlpha(0.5).webp().toBuffer();
    const lossy = await source().webp({ quality: 50 }).toBuffer();
    for (const bytes of [alpha, lossy, webp]) {
      const { width, height, channels } = await decoded(bytes, "webp");
      expect([width, height, channels]).toEqual([8, 4, 3]);
    }
  });
});

describe("the decode gate", () => {
  it("bounds pictures and pixels that are decoded at once, and always lets one through", async () => {
    const png = await source().png().toBuffer();
    const gate = new DecodeGate(3, 70);
    let running = 0;
    let most = 0;
    const decode = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((done) => setTimeout(done, 2));
      running -= 1;
      return ok({ width: 8, height: 4, channels: 3 as const, data: new Uint8Array(halves) });
    };
    let used = 0;
    await Promise.all(Array.from({ length: 7 }, () => gate.decode(decode, png, "png", () => (used += 1))));
    // 32 pixels each: two fit into seventy.
    expect(most).toBe(2);
    expect(used).toBe(7);
    const narrow = new DecodeGate(3, 1);
    await narrow.decode(decode, png, "png", () => (used += 1));
    expect(used).toBe(8);
  });
});

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  createRows,
  featureBuilder,
  manifestSchema,
  PictureWriter,
  type Manifest,
  type Picture,
} from "../../models/index.ts";
import { decodePicture } from "../../models/index.node.ts";
import { fromHalfBits } from "../../models/features/half.ts";
import { linearModel, manifestOf, shared } from "../support/models-fixtures.ts";

type Input = Manifest["inputs"][number];
type Spec = ConstructorParameters<typeof PictureWriter>[0];

const script = fileURLToPath(new URL("../fixtures/models/pillow_resize.py", import.meta.url));

function lcg(seed: number, length: number): Uint8Array {
  let x = seed;
  return Uint8Array.from({ length }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x >>> 24;
  });
}

const square = (side: number, changes: Partial<Spec> = {}): Spec => ({
  kind: "image",
  width: side,
  height: side,
  channels: 3,
  colour: "rgb",
  resize: { shortSide: side, filter: "bilinear" },
  crop: "center",
  ...changes,
});
const nhwc = (side: number, dtype: Input["dtype"] = "uint8"): Input => ({
  name: "p",
  dtype,
  shape: ["batch", side, side, 3],
  layout: "NHWC",
});

function served(picture: Picture, side: number): string {
  const rows = createRows("uint8", side * side * 3, 1);
  expect(new PictureWriter(square(side), nhwc(side)).write(picture, rows, 0)).toEqual({ ok: true });
  return Buffer.from(rows.data.buffer).toString("hex");
}

interface Fixture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  readonly side: number;
  readonly hex: string;
}

describe("pictures as the model sees them", () => {
  const fixtures = JSON.parse(
    readFileSync(new URL("../fixtures/models/pillow-resize.json", import.meta.url), "utf8"),
  ) as readonly Fixture[];

  it.each(fixtures)(
    "$width × $height × $channels to $side is Pillow's, byte for byte",
    ({ width, height, channels, side, hex }) => {
      const data = lcg(width * 1000 + height, width * height * channels);
      expect(served({ width, height, channels, data }, side)).toBe(hex);
    },
  );

  const python = ["/usr/bin/python3", "python3"].find((name) => {
    try {
      execFileSync(name, ["-c", "import PIL"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
  const field = shared === null ? null : path.join(shared, "data", "grocery", "field.tar");
  // Skipped where HOLDPOINT_SHARED is unset or Python has no Pillow.
  it.runIf(python !== undefined && field !== null && existsSync(field))(
    "real JPEGs, decoded and resized, are Pillow's within one level, and the resize adds nothing",
    async () => {
      const text = execFileSync(python ?? "", [script, field ?? "", "128", "12"], { maxBuffer: 1 << 28 }).toString();
      const pictures = JSON.parse(text) as readonly { readonly picture: string; readonly hex: string }[];
      expect(pictures).toHaveLength(12);
      for (const { picture, hex } of pictures) {
        const decoded = await decodePicture(Buffer.from(picture, "hex"), "jpeg");
        if (!decoded.ok) throw decoded.error;
        const expected = Buffer.from(hex, "hex");
        const actual = Buffer.from(served(decoded.value, 128), "hex");
        const worst = actual.reduce((most, byte, i) => Math.max(most, Math.abs(byte - (expected[i] ?? 0))), 0);
        expect(worst).toBeLessThanOrEqual(1);
      }
    },
  );

  it("writes rows of a batch beside each other and touches no other", () => {
    const writer = new PictureWriter(square(2), nhwc(2));
    const rows = createRows("uint8", 12, 3);
    rows.data.fill(7 as never);
    writer.write({ width: 2, height: 2, channels: 3, data: lcg(1, 12) }, rows, 1);
    expect(Array.from(rows.data.subarray(0, 12), Number)).toEqual(Array(12).fill(7));
    expect(Array.from(rows.data.subarray(12, 24), Number)).toEqual([...lcg(1, 12)]);
    expect(Array.from(rows.data.subarray(24), Number)).toEqual(Array(12).fill(7));
  });

  it.each(["float32", "float16"] as const)(
    "normalises into planes of %s, blue first where the model wants it",
    (dtype) => {
      const data = lcg(3, 12);
      const spec = square(2, { colour: "bgr", scale: 1 / 255, mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 2] });
      const rows = createRows(dtype, 12, 1);
      const input: Input = { name: "p", dtype, shape: ["batch", 3, 2, 2], layout: "NCHW" };
      new PictureWriter(spec, input).write({ width: 2, height: 2, channels: 3, data }, rows, 0);
      const means = [0.1, 0.2, 0.3];
      const deviations = [0.5, 0.25, 2];
      const expected = [2, 1, 0].flatMap((channel, plane) =>
        [0, 1, 2, 3].map(
          (pixel) => ((data[pixel * 3 + channel] ?? 0) / 255 - (means[plane] ?? 0)) / (deviations[plane] ?? 0),
        ),
      );
      const numbers = Array.from(rows.data, Number);
      const actual = dtype === "float16" ? numbers.map(fromHalfBits) : numbers;
      actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, dtype === "float16" ? 2 : 5));
    },
  );

  it('makes grey as Pillow\'s convert("L") does where the model wants one channel', () => {
    const input: Input = { name: "p", dtype: "uint8", shape: ["batch", 1, 2, 1], layout: "NHWC" };
    const spec = square(1, { channels: 1, width: 2, height: 1, resize: { exact: true }, crop: "none" });
    const rows = createRows("uint8", 2, 1);
    new PictureWriter(spec, input).write(
      { width: 2, height: 1, channels: 3, data: Uint8Array.of(200, 100, 50, 1, 2, 3) },
      rows,
      0,
    );
    // (19595·r + 38470·g + 7471·b + 32768) >> 16
    expect(Array.from(rows.data, Number)).toEqual([124, 2]);
  });

  it("stretches, or takes only its own size, where the manifest says so", () => {
    const exact = new PictureWriter(square(2, { resize: { exact: true }, crop: "none" }), nhwc(2));
    const rows = createRows("uint8", 12, 1);
    expect(exact.write({ width: 3, height: 2, channels: 3, data: lcg(1, 18) }, rows, 0)).toMatchObject({
      ok: false,
      reason: "bad_input",
    });
    const stretched = new PictureWriter(
      square(2, { resize: { stretch: true, filter: "bilinear" }, crop: "none" }),
      nhwc(2),
    );
    expect(stretched.write({ width: 5, height: 2, channels: 1, data: lcg(1, 10) }, rows, 0)).toEqual({ ok: true });
  });

  it("rounds as torchvision does where the manifest says so", () => {
    // 7 × 5 to 4: torchvision's long side is ⌊5.6⌋ = 5, Pillow's round(5.6) = 6; the crop's offsets are 0 and 1.
    const data = lcg(5, 7 * 5 * 3);
    const rows = createRows("uint8", 48, 1);
    const spec = square(4, { resize: { shortSide: 4, filter: "bilinear", rounding: "torchvision" } });
    new PictureWriter(spec, nhwc(4)).write({ width: 7, height: 5, channels: 3, data }, rows, 0);
    expect(Buffer.from(rows.data.buffer).toString("hex")).not.toBe(
      served({ width: 7, height: 5, channels: 3, data }, 4),
    );
  });

  it.each([
    ["a size that its bytes do not have", { width: 3, height: 3, channels: 3, data: new Uint8Array(26) }],
    ["no pixels", { width: 0, height: 3, channels: 3, data: new Uint8Array(0) }],
    ["too many pixels", { width: 8193, height: 1, channels: 1, data: new Uint8Array(8193) }],
  ] as const)("refuses a picture with %s", (_what, picture) => {
    const result = new PictureWriter(square(2), nhwc(2)).write(picture, createRows("uint8", 12, 1), 0);
    expect(result).toMatchObject({ ok: false, reason: "bad_picture" });
  });

  it("takes the narrowest picture that is allowed without asking for its weight in memory", () => {
    const writer = new PictureWriter(square(64), nhwc(64));
    const rows = createRows("uint8", 64 * 64 * 3, 1);
    for (let height = 8000; height < 8100; height += 1) {
      writer.write({ width: 1, height, channels: 1, data: new Uint8Array(height) }, rows, 0);
    }
    expect(process.memoryUsage().arrayBuffers).toBeLessThan(200 * 1024 * 1024);
  });
});

describe("a feature builder", () => {
  it("says which input its model takes", () => {
    const picture = manifestSchema.parse({
      ...manifestOf(linearModel()),
      inputs: [nhwc(2)],
      features: square(2),
    });
    const rows = createRows("uint8", 12, 1);
    const result = featureBuilder(picture).build({ kind: "features", values: {} }, rows, 0);
    expect(result).toEqual({ ok: false, reason: "bad_input", message: "the model takes pixels input, not features" });
  });
});

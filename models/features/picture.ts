import { limits } from "../../protocol/index.ts";
import { type ImageFeatures } from "../feature-spec.ts";
import { type Manifest } from "../manifest.ts";
import { toHalfBits } from "./half.ts";
import { bilinearKernel, resampleColumns, resampleRows, type Kernel } from "./resample.ts";
import { built, unfit, type FeatureResult, type RowBuffer } from "./rows.ts";

/** A decoded picture: uint8 [height, width, channels], grey, RGB or RGBA. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  readonly data: Uint8Array;
}

/** Resized sizes whose coefficients are kept: a store has a handful of cameras. Above it the oldest one goes. */
const kernelsMax = 32;

/**
 * Writes pictures into a model's input. Made once per model: it keeps the coefficients of the sizes it has seen and its
 * scratch memory, so that a picture costs no allocation but the first of its size.
 */
export class PictureWriter {
  readonly #spec: ImageFeatures;
  readonly #planar: boolean;
  readonly #kernels = new Map<string, Kernel>();
  readonly #tables: Tables | null;
  #lines = new Uint8Array(0);
  #crop = new Uint8Array(0);

  constructor(spec: ImageFeatures, input: Manifest["inputs"][number]) {
    this.#spec = spec;
    this.#planar = input.layout === "NCHW";
    this.#tables = input.dtype === "uint8" || input.dtype === "int64" ? null : tablesOf(spec, input.dtype);
  }

  /** Writes one picture as row `row` of `target`. */
  write(picture: Picture, target: RowBuffer, row: number): FeatureResult {
    const { width, height, channels, data } = picture;
    if (width > limits.pictureSideMax || height > limits.pictureSideMax || width * height > limits.picturePixelsMax) {
      return unfit("bad_picture", `${width} × ${height} pixels are more than are allowed`);
    }
    if (width < 1 || height < 1 || data.byteLength !== width * height * channels) {
      return unfit("bad_picture", `${data.byteLength} bytes are not ${width} × ${height} × ${channels}`);
    }
    const plan = planResize(this.#spec, width, height);
    if (plan === null) {
      return unfit(
        "bad_input",
        `the model takes ${this.#spec.width} × ${this.#spec.height} pixels, not ${width} × ${height}`,
      );
    }
    const start = row * target.elements;
    if (target.dtype === "uint8" && this.#plainBytes) {
      this.#resize(picture, plan, target.data.subarray(start, start + target.elements));
      return built;
    }
    const pixels = this.#spec.width * this.#spec.height;
    if (this.#crop.length < pixels * 3) this.#crop = new Uint8Array(pixels * 3);
    this.#resize(picture, plan, this.#crop);
    this.#store(target, start, pixels);
    return built;
  }

  get #plainBytes(): boolean {
    return !this.#planar && this.#spec.channels === 3 && this.#spec.colour === "rgb";
  }

  /** Resizes and crops into `target`, uint8 [height, width, 3] of the model. */
  #resize(picture: Picture, plan: Plan, target: Uint8Array): void {
    const { width, height, channels, data } = picture;
    const { window } = plan;
    if (plan.width === width && plan.height === height) {
      copyWindow(picture, window, target);
      return;
    }
    const vertical = this.#kernel(height, plan.height, window.top, window.height);
    const lastRow = window.height - 1;
    const fromRow = vertical.first[0] ?? 0;
    const rows = (vertical.first[lastRow] ?? 0) + (vertical.count[lastRow] ?? 0) - fromRow;
    const bytes = rows * window.width * 3;
    if (this.#lines.length < bytes) this.#lines = new Uint8Array(bytes);
    // A side that keeps its length is copied by Pillow; its kernel is then the identity, to the same effect.
    const horizontal = this.#kernel(width, plan.width, window.left, window.width);
    resampleRows(data, width, channels, horizontal, fromRow, rows, this.#lines);
    resampleColumns(this.#lines, fromRow, vertical, window.width * 3, target);
  }

  #kernel(inputSize: number, outputSize: number, from: number, outputs: number): Kernel {
    const key = `${inputSize}:${outputSize}:${from}:${outputs}`;
    let kernel = this.#kernels.get(key);
    if (!kernel) {
      kernel = bilinearKernel(inputSize, outputSize, from, outputs);
      for (const oldest of this.#kernels.keys()) {
        if (this.#kernels.size < kernelsMax) break;
        this.#kernels.delete(oldest);
      }
      this.#kernels.set(key, kernel);
    }
    return kernel;
  }

  /** Crop buffer → target: channel order, layout and normalisation. */
  #store(target: RowBuffer, start: number, pixels: number): void {
    const { channels, colour } = this.#spec;
    const step = this.#planar ? 1 : channels;
    const plane = this.#planar ? pixels : 1;
    for (let channel = 0; channel < channels; channel += 1) {
      const from = colour === "bgr" && channels === 3 ? 2 - channel : channel;
      const read = channels === 1 ? this.#grey(pixels) : from;
      const write = start + channel * plane;
      const stride = channels === 1 ? 1 : 3;
      this.#storeChannel(target, channel, read, stride, write, step, pixels);
    }
  }

  /** Replaces the crop by its luma, packed in front: Pillow's `convert("L")`, ITU-R 601-2 in 16-bit fixed point. */
  #grey(pixels: number): number {
    const crop = this.#crop;
    for (let i = 0; i < pixels; i += 1) {
      const luma = (crop[i * 3] ?? 0) * 19595 + (crop[i * 3 + 1] ?? 0) * 38470 + (crop[i * 3 + 2] ?? 0) * 7471;
      crop[i] = (luma + 0x8000) >> 16;
    }
    return 0;
  }

  #storeChannel(
    target: RowBuffer,
    channel: number,
    read: number,
    stride: number,
    write: number,
    step: number,
    pixels: number,
  ): void {
    const crop = this.#crop;
    if (target.dtype === "uint8") {
      for (let i = 0; i < pixels; i += 1) target.data[write + i * step] = crop[read + i * stride] as number;
    } else if (target.dtype === "float32" || target.dtype === "float16") {
      const table = this.#tables?.[channel];
      if (!table) throw new RangeError("the target's dtype is not the input's");
      for (let i = 0; i < pixels; i += 1) {
        target.data[write + i * step] = table[crop[read + i * stride] as number] as number;
      }
    }
  }
}

/** Per channel the model's number for each byte: a picture is then a table look-up per value. */
type Tables = readonly (Float32Array | Uint16Array)[];

function tablesOf(spec: ImageFeatures, dtype: "float32" | "float16"): Tables {
  const { scale = 1, mean, std } = spec;
  return Array.from({ length: spec.channels }, (_, channel) => {
    const value = (_byte: unknown, byte: number): number =>
      (byte * scale - (mean?.[channel] ?? 0)) / (std?.[channel] ?? 1);
    const numbers = Float32Array.from({ length: 256 }, value);
    return dtype === "float32" ? numbers : Uint16Array.from(numbers, toHalfBits);
  });
}

/** A rectangle of the resized picture, in its pixels. */
interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Size to resize to, and the rectangle of it that the model sees. */
interface Plan {
  readonly width: number;
  readonly height: number;
  readonly window: Window;
}

function planResize(spec: ImageFeatures, width: number, height: number): Plan | null {
  const { resize } = spec;
  const size = { width: spec.width, height: spec.height };
  if ("exact" in resize) {
    if (spec.crop === "none" && (width !== size.width || height !== size.height)) return null;
    if (width < size.width || height < size.height) return null;
    return { width, height, window: centre(width, height, size, "pillow") };
  }
  if ("stretch" in resize) return { ...size, window: { left: 0, top: 0, ...size } };
  const rounding = resize.rounding ?? "pillow";
  const short = Math.min(width, height);
  const side = (length: number): number => {
    if (length === short) return resize.shortSide;
    const exact = (length * resize.shortSide) / short;
    return Math.max(resize.shortSide, rounding === "pillow" ? halfEven(exact) : Math.trunc(exact));
  };
  const resized = { width: side(width), height: side(height) };
  return { ...resized, window: centre(resized.width, resized.height, size, rounding) };
}

function centre(
  width: number,
  height: number,
  size: { readonly width: number; readonly height: number },
  rounding: "pillow" | "torchvision",
): Window {
  const offset = (spare: number): number => (rounding === "pillow" ? Math.floor(spare / 2) : halfEven(spare / 2));
  return { left: offset(width - size.width), top: offset(height - size.height), ...size };
}

/** Python's `round`: halves go to the even neighbour. */
function halfEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

function copyWindow(picture: Picture, window: Window, target: Uint8Array): void {
  const { width, channels, data } = picture;
  const line = window.width * 3;
  if (channels === 3 && window.width === width) {
    // Whole lines lie behind each other: one copy, the common case of a device that sends the model's own size.
    target.set(data.subarray(window.top * line, (window.top + window.height) * line));
    return;
  }
  if (channels === 3) {
    for (let y = 0; y < window.height; y += 1) {
      const from = ((window.top + y) * width + window.left) * 3;
      target.set(data.subarray(from, from + line), y * line);
    }
    return;
  }
  const grey = channels === 1;
  let write = 0;
  for (let y = 0; y < window.height; y += 1) {
    let read = ((window.top + y) * width + window.left) * channels;
    for (let x = 0; x < window.width; x += 1, read += channels, write += 3) {
      target[write] = data[read] as number;
      target[write + 1] = data[grey ? read : read + 1] as number;
      target[write + 2] = data[grey ? read : read + 2] as number;
    }
  }
}

/**
 * Pillow's antialiased bilinear resize, number for number (`src/libImaging/Resample.c`): the triangle filter is widened
 * by the scale when shrinking, coefficients are fixed-point with 22 bits, the horizontal pass runs first and rounds to
 * bytes before the vertical one. Exactness matters: a model answers pictures that were resized otherwise than in
 * training visibly worse, and nothing reports it.
 */

/** 32 − 8 − 2: eight bits of pixel, and two so that the sum of a filter with negative lobes still fits. */
const precisionBits = 22;
const half = 1 << (precisionBits - 1);

/** Which input pixels an output pixel reads, and how much of each. */
export interface Kernel {
  /** Int32Array, shape [outputs]: first input pixel. */
  readonly first: Int32Array;
  /** Int32Array, shape [outputs]: number of input pixels. */
  readonly count: Int32Array;
  /** Int32Array, shape [outputs, taps], row-major, fixed-point. */
  readonly weights: Int32Array;
  readonly taps: number;
}

/**
 * `precompute_coeffs` and `normalize_coeffs_8bpc` for the bilinear filter (support 1), for the outputs
 * `from … from + outputs` of a side: what the crop drops is never computed, however long the side.
 */
export function bilinearKernel(inputSize: number, outputSize: number, from: number, outputs: number): Kernel {
  const scale = inputSize / outputSize;
  const filterScale = Math.max(scale, 1);
  const support = filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outputs);
  const count = new Int32Array(outputs);
  const weights = new Int32Array(outputs * taps);
  const row = new Float64Array(taps);
  for (let output = 0; output < outputs; output += 1) {
    const center = (from + output + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const length = Math.min(inputSize, Math.trunc(center + support + 0.5)) - start;
    let sum = 0;
    for (let x = 0; x < length; x += 1) {
      const distance = Math.abs((x + start - center + 0.5) * (1 / filterScale));
      row[x] = distance < 1 ? 1 - distance : 0;
      sum += row[x] ?? 0;
    }
    for (let x = 0; x < length; x += 1) {
      const share = sum === 0 ? (row[x] ?? 0) : (row[x] ?? 0) / sum;
      weights[output * taps + x] = Math.trunc(0.5 + share * (1 << precisionBits));
    }
    first[output] = start;
    count[output] = length;
  }
  return { first, count, weights, taps };
}

/**
 * Horizontal pass: uint8 [height, sourceWidth, channels] → uint8 [rows, outputs, 3] for the rows
 * `fromRow … fromRow + rows`: the vertical pass needs no others. Grey becomes three equal channels and alpha is
 * dropped, as Pillow's `convert("RGB")` does.
 */
export function resampleRows(
  source: Uint8Array,
  sourceWidth: number,
  channels: 1 | 3 | 4,
  kernel: Kernel,
  fromRow: number,
  rows: number,
  target: Uint8Array,
): void {
  const { first, count, weights, taps } = kernel;
  const outputs = first.length;
  let write = 0;
  for (let row = 0; row < rows; row += 1) {
    const line = (fromRow + row) * sourceWidth * channels;
    for (let x = 0; x < outputs; x += 1) {
      let weight = x * taps;
      const end = weight + (count[x] as number);
      let read = line + (first[x] as number) * channels;
      let red = half;
      let green = half;
      let blue = half;
      if (channels === 1) {
        for (; weight < end; weight += 1, read += 1) {
          red += Math.imul(source[read] as number, weights[weight] as number);
        }
        green = blue = red;
      } else {
        for (; weight < end; weight += 1, read += channels) {
          const share = weights[weight] as number;
          red += Math.imul(source[read] as number, share);
          green += Math.imul(source[read + 1] as number, share);
          blue += Math.imul(source[read + 2] as number, share);
        }
      }
      // No clipping: the triangle filter has no negative lobes, so a sum cannot leave 0 … 255.
      target[write] = red >> precisionBits;
      target[write + 1] = green >> precisionBits;
      target[write + 2] = blue >> precisionBits;
      write += 3;
    }
  }
}

/** Vertical pass: uint8 [rows, line], whose first row is `fromRow` → uint8 [outputs, line]. */
export function resampleColumns(
  source: Uint8Array,
  fromRow: number,
  kernel: Kernel,
  line: number,
  target: Uint8Array,
): void {
  const { first, count, weights, taps } = kernel;
  const outputs = first.length;
  const sums = new Int32Array(line);
  let write = 0;
  for (let y = 0; y < outputs; y += 1) {
    sums.fill(half);
    let read = ((first[y] as number) - fromRow) * line;
    const end = y * taps + (count[y] as number);
    for (let weight = y * taps; weight < end; weight += 1) {
      const share = weights[weight] as number;
      for (let x = 0; x < line; x += 1) {
        sums[x] = (sums[x] as number) + Math.imul(source[read + x] as number, share);
      }
      read += line;
    }
    for (let x = 0; x < line; x += 1) target[write + x] = (sums[x] as number) >> precisionBits;
    write += line;
  }
}

import { type Picture } from "../../features/picture.ts";

/** Edge of the thumbnails that pictures are compared by. */
const thumbnailSide = 16;
/** Almost no pictures of different classes are as alike as this (the card says how few): what is, shows one shelf. */
const alikeMin = 0.6;

/**
 * A thumbnail of one picture as a vector of length 1, so that a dot product is a correlation: mean colour of each cell,
 * less the mean of its channel.
 */
export function thumbnail({ data, width, height, channels }: Picture): Float64Array {
  const side = thumbnailSide;
  const cells = new Float64Array(side * side * 3);
  for (let cell = 0; cell < side * side; cell += 1) {
    const [row, column] = [Math.floor(cell / side), cell % side];
    const [top, bottom] = [Math.floor((row * height) / side), Math.floor(((row + 1) * height) / side)];
    const [left, right] = [Math.floor((column * width) / side), Math.floor(((column + 1) * width) / side)];
    for (let y = top; y < bottom; y += 1) {
      for (let x = left; x < right; x += 1) {
        for (let channel = 0; channel < 3; channel += 1) {
          const value = data[(y * width + x) * channels + (channels === 1 ? 0 : channel)] ?? 0;
          cells[cell * 3 + channel] = (cells[cell * 3 + channel] ?? 0) + value / ((bottom - top) * (right - left));
        }
      }
    }
  }
  return centred(cells);
}

function centred(cells: Float64Array): Float64Array {
  for (let channel = 0; channel < 3; channel += 1) {
    const own = cells.filter((_, i) => i % 3 === channel);
    const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
    for (let i = channel; i < cells.length; i += 3) cells[i] = (cells[i] ?? 0) - mean;
  }
  const length = Math.sqrt(cells.reduce((sum, value) => sum + value * value, 0));
  return cells.map((value) => value / Math.max(length, 1e-12));
}

/**
 * Groups of near-duplicates: pictures of one class that a chain of alike pairs connects (single linkage). Returns the
 * group of each picture. Neighbours in file order are no special case: in `field` they are not more alike than others.
 */
export function nearDuplicateGroups(thumbnails: readonly Float64Array[], labels: readonly number[]): readonly number[] {
  const group = labels.map((_, i) => i);
  thumbnails.forEach((one, i) => {
    for (let j = 0; j < i; j += 1) {
      const other = thumbnails[j];
      if (labels[i] !== labels[j] || other === undefined || correlation(one, other) < alikeMin) continue;
      const [from, to] = [group[i], group[j]];
      group.forEach((value, at) => {
        if (value === from && to !== undefined) group[at] = to;
      });
    }
  });
  return group;
}

function correlation(one: Float64Array, other: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < one.length; i += 1) sum += (one[i] ?? 0) * (other[i] ?? 0);
  return sum;
}

/** How often a pair of pictures passes for near-duplicates, by how the two are related. */
export interface AlikeShares {
  readonly strangers: number;
  readonly neighbours: number;
  readonly others: number;
}

/** The shares behind the choice of `alikeMin`; `labels` in file order, as the thumbnails are. */
export function alikeShares(thumbnails: readonly Float64Array[], labels: readonly number[]): AlikeShares {
  const pairs = { strangers: 0, neighbours: 0, others: 0 };
  const alike = { strangers: 0, neighbours: 0, others: 0 };
  thumbnails.forEach((one, i) => {
    for (let j = 0; j < i; j += 1) {
      const other = thumbnails[j];
      if (other === undefined) continue;
      const kind = labels[i] !== labels[j] ? "strangers" : i - j === 1 ? "neighbours" : "others";
      pairs[kind] += 1;
      if (correlation(one, other) >= alikeMin) alike[kind] += 1;
    }
  });
  const share = (kind: keyof AlikeShares): number => alike[kind] / Math.max(1, pairs[kind]);
  return { strangers: share("strangers"), neighbours: share("neighbours"), others: share("others") };
}

export type Part = "calibrate" | "certify" | "report";

/** Of the split that the card reports and the shipped calibrations were fitted on. */
export const cardSplitSeed = 1;

/** A quarter calibrates, a half certifies, a quarter reports: whole groups, in an order shuffled by `seed`. */
export function splitGroups(groups: readonly number[], seed: number): readonly Part[] {
  const size = new Map<number, number>();
  for (const group of groups) size.set(group, (size.get(group) ?? 0) + 1);
  const order = [...size.keys()];
  let state = seed >>> 0;
  for (let i = order.length - 1; i > 0; i -= 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  const part = new Map<number, Part>();
  let placed = 0;
  for (const group of order) {
    const share = placed / groups.length;
    part.set(group, share < 0.25 ? "calibrate" : share < 0.75 ? "certify" : "report");
    placed += size.get(group) ?? 0;
  }
  return groups.map((group) => part.get(group) ?? "report");
}

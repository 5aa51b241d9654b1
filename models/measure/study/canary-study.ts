import { lnCanaryWorse, noUnpairedEvidence, revertAt, unpairedAfter } from "../canary.ts";
import { type Draw, seededDraw } from "../seeded-draw.ts";

/** How long a canary runs until it is reverted, or how often one is that is no worse. */
export interface CanaryRow {
  readonly test: "paired" | "unpaired";
  readonly baseError: number;
  readonly canaryError: number;
  /** Share of the base's errors that the canary makes too; null where they answer different cases. */
  readonly shared: number | null;
  readonly draws: number;
  /** Draws in which it was reverted within `itemsMax` items (pairs, or items of the canary). */
  readonly reverts: number;
  readonly itemsMax: number;
  readonly median: number | null;
  readonly ninetieth: number | null;
}

export interface CanaryOptions {
  readonly seed: number;
  readonly draws: number;
  readonly onProgress?: (share: number) => void;
}

const itemsMax = 5000;
/** Items of each side in one block of the unpaired test. */
const blockItems = 10;
const errors = [
  { baseError: 0.033, canaryError: 0.061 },
  { baseError: 0.033, canaryError: 0.1 },
  { baseError: 0.033, canaryError: 0.033 },
  { baseError: 0.033, canaryError: 0.02 },
] as const;
/** Two versions of one model err on the same hard cases, more or less; pairs that differ are what counts. */
const sharedErrors = [0.25, 0.5, 0.75] as const;

/** A canary beside its base, looked at after every item, reverted at E ≥ 20. */
export function canaryStudy({ seed, draws, onProgress }: CanaryOptions): readonly CanaryRow[] {
  const draw = seededDraw(seed + 4);
  const cases = [
    ...errors.flatMap((both) => sharedErrors.map((shared) => ({ test: "paired" as const, ...both, shared }))),
    ...errors.map((both) => ({ test: "unpaired" as const, ...both, shared: null })),
  ];
  return cases.map(({ test, baseError, canaryError, shared }, at) => {
    const run = (): number | null =>
      shared === null
        ? itemsToRevert(baseError, canaryError, draw)
        : pairsToRevert(baseError, canaryError, shared, draw);
    const waits: number[] = [];
    for (let round = 0; round < draws; round += 1) {
      const wait = run();
      if (wait !== null) waits.push(wait);
      onProgress?.((at + (round + 1) / draws) / cases.length);
    }
    waits.sort((one, other) => one - other);
    const quantile = (share: number): number | null => waits[Math.floor(share * waits.length)] ?? null;
    const found = { reverts: waits.length, itemsMax, median: quantile(0.5), ninetieth: quantile(0.9) };
    return { test, baseError, canaryError, shared, draws, ...found };
  });
}

/** Both answer the same cases. */
function pairsToRevert(baseError: number, canaryError: number, shared: number, draw: Draw): number | null {
  const both = Math.min(shared * baseError, canaryError);
  let [canaryWrong, baseWrong] = [0, 0];
  for (let pair = 1; pair <= itemsMax; pair += 1) {
    const luck = draw();
    if (luck < canaryError - both) canaryWrong += 1;
    else if (luck < canaryError + baseError - 2 * both) baseWrong += 1;
    else continue;
    if (lnCanaryWorse({ canaryWrong, baseWrong }) >= Math.log(revertAt)) return pair;
  }
  return null;
}

/** Each answers cases of its own, in blocks of ten and ten. */
function itemsToRevert(baseError: number, canaryError: number, draw: Draw): number | null {
  let evidence = noUnpairedEvidence;
  for (let items = blockItems; items <= itemsMax; items += blockItems) {
    evidence = unpairedAfter(evidence, {
      ...{ baseItems: blockItems, baseErrors: errorsOf(blockItems, baseError, draw) },
      ...{ canaryItems: blockItems, canaryErrors: errorsOf(blockItems, canaryError, draw) },
    });
    if (evidence.lnEvidence >= Math.log(revertAt)) return items;
  }
  return null;
}

function errorsOf(items: number, error: number, draw: Draw): number {
  let wrong = 0;
  for (let item = 0; item < items; item += 1) wrong += draw() < error ? 1 : 0;
  return wrong;
}

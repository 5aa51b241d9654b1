/**
 * Measures the shipped product-id on the `field` pictures, completes its manifest and writes its card:
 *
 *   npm run zoo:card -- --data ../shared/data/grocery [--model models/zoo/product-id] [--pillow FILE]
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { createRows, type RowBuffer } from "../../features/rows.ts";
import { type Manifest, parseManifest } from "../../manifest.ts";
import { clopperPearson } from "../../measure/binomial.ts";
import { type CardFacts, cardText } from "./card-text.ts";
import { type Answer, evaluate, type Evaluation, type Share } from "./evaluate.ts";
import { readPictures } from "./field.node.ts";
import { MeasuredModel, softmax } from "./measured-model.node.ts";
import { alikeShares, nearDuplicateGroups, type Part, splitGroups, thumbnail } from "./near-duplicates.ts";

const splitSeed = 1;
const goldenSeed = 1;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: "string", default: "../shared/data/grocery" },
      model: { type: "string", default: "models/zoo/product-id" },
      pillow: { type: "string" },
    },
  });
  const manifestFile = path.join(values.model, "manifest.json");
  const draft = served(JSON.parse(await readFile(manifestFile, "utf8")), manifestFile);
  const model = await MeasuredModel.open(values.model, draft);
  const pictures = await readPictures(path.join(values.data, "field.tar"));
  const pixels = model.pixels(pictures.map((one) => one.picture));
  const found: Found = {
    truths: pictures.map((one) => indexOf(draft.labels, one.label)),
    thumbnails: pictures.map((one) => thumbnail(one.picture)),
    probabilities: (await model.logits(pixels)).map(softmax),
  };
  const groups = nearDuplicateGroups(found.thumbnails, found.truths);
  const parts = splitGroups(groups, splitSeed);
  const fine = evaluate(answers(found, parts, groups, null));
  const coarse = evaluate(answers(found, parts, groups, coarseOf(draft)));
  const facts: CardFacts = {
    fine,
    coarse,
    parts: partSizes(parts, groups),
    manifest: draft,
    runtime: model.runtime,
    speed: await model.speed(pixels),
    batchDifference: await model.batchDifference(pixels),
    confusions: confusions(found, draft.labels),
    pillow: values.pillow === undefined ? null : await comparePillow(values.pillow, model, pixels, found),
    alike: alikeShares(found.thumbnails, found.truths),
  };
  const golden = Array.from(await model.golden(goldenSeed), (value) => Number(value.toFixed(6)));
  const manifest = {
    ...draft,
    calibration: fine.calibration,
    coarseCalibration: coarse.calibration,
    golden: { pattern: "lcg", seed: goldenSeed, logits: golden, tolerance: 0.001 },
    metrics: { measuredOn: "GroceryStoreDataset, half of test (field)", fine: metrics(fine), coarse: metrics(coarse) },
  };
  await writeFile(manifestFile, `${JSON.stringify(served(manifest, manifestFile), null, 2)}\n`);
  await writeFile(path.join(values.model, "CARD.md"), `${cardText(facts).trim()}\n`);
  process.stdout.write(`fine ${fine.field.share.toFixed(4)}, coarse ${coarse.field.share.toFixed(4)} on field\n`);
}

/** Everything that was found out about the pictures, in file order. */
interface Found {
  readonly truths: readonly number[];
  readonly thumbnails: readonly Float64Array[];
  /** Float64Array, shape [classes], of each picture. */
  readonly probabilities: readonly Float64Array[];
}

type Coarse = NonNullable<Manifest["coarse"]>;

/** The manifest as serving reads it, so that nothing is written that it would refuse. */
function served(value: unknown, file: string): Manifest {
  const parsed = parseManifest(value);
  if (!parsed.ok) throw new Error(`${file}: ${parsed.error.message}`);
  return parsed.value;
}

function coarseOf(manifest: Manifest): Coarse {
  if (manifest.coarse === undefined) throw new Error("the manifest has no coarse classes");
  return manifest.coarse;
}

function indexOf(labels: readonly string[], label: string): number {
  const index = labels.indexOf(label);
  if (index < 0) throw new Error(`"${label}" is no label of the model`);
  return index;
}

/** The answer to each picture on the fine level, or on the coarse one by summed probability. */
function answers(
  { truths, probabilities }: Found,
  parts: readonly Part[],
  groups: readonly number[],
  coarse: Coarse | null,
): readonly Answer[] {
  return truths.map((truth, i) => {
    const fine = probabilities[i] ?? new Float64Array();
    const level = coarse === null ? fine : summed(fine, coarse);
    const best = top(level);
    const right = best === (coarse === null ? truth : coarse.of[truth]);
    return {
      score: Math.min(1, level[best] ?? 0),
      correct: right ? 1 : 0,
      part: parts[i] ?? "report",
      group: groups[i] ?? i,
    };
  });
}

function summed(fine: Float64Array, coarse: Coarse): Float64Array {
  const sums = new Float64Array(coarse.labels.length);
  fine.forEach((value, i) => {
    const at = coarse.of[i] ?? 0;
    sums[at] = (sums[at] ?? 0) + value;
  });
  return sums;
}

function top(values: Float64Array): number {
  return values.reduce((best, value, i) => (value > (values[best] ?? 0) ? i : best), 0);
}

function partSizes(parts: readonly Part[], groups: readonly number[]): CardFacts["parts"] {
  const size = (part: Part): { pictures: number; groups: number } => {
    const own = groups.filter((_, i) => parts[i] === part);
    return { pictures: own.length, groups: new Set(own).size };
  };
  return { calibrate: size("calibrate"), certify: size("certify"), report: size("report") };
}

function confusions({ truths, probabilities }: Found, labels: readonly string[]): CardFacts["confusions"] {
  const counts = new Map<string, { truth: string; answer: string; count: number; confident: number }>();
  truths.forEach((truth, i) => {
    const fine = probabilities[i] ?? new Float64Array();
    const best = top(fine);
    if (best === truth) return;
    const pair = { truth: labels[truth] ?? "", answer: labels[best] ?? "", count: 0, confident: 0 };
    const entry = counts.get(`${truth} ${best}`) ?? pair;
    entry.count += 1;
    entry.confident += (fine[best] ?? 0) >= 0.9 ? 1 : 0;
    counts.set(`${truth} ${best}`, entry);
  });
  return [...counts.values()].sort((left, right) => right.count - left.count).slice(0, 10);
}

/** Compares with pixels that Pillow made (serving_pixels.py): uint8, shape [pictures, side, side, 3], in name order. */
async function comparePillow(
  file: string,
  model: MeasuredModel,
  pixels: RowBuffer,
  { truths, probabilities }: Found,
): Promise<CardFacts["pillow"]> {
  const theirs = createRows("uint8", pixels.elements, pixels.rows);
  if (theirs.dtype !== "uint8" || pixels.dtype !== "uint8") throw new Error("this model takes bytes");
  theirs.data.set(await readFile(file));
  let pixelMax = 0;
  pixels.data.forEach((value, i) => (pixelMax = Math.max(pixelMax, Math.abs(value - (theirs.data[i] ?? NaN)))));
  const label = (await model.logits(theirs)).map((logits) => top(softmax(logits)));
  const same = label.filter((best, i) => best === top(probabilities[i] ?? new Float64Array())).length;
  const right = label.filter((best, i) => best === truths[i]).length;
  return { sameLabel: shareOf(same, truths.length), accuracy: shareOf(right, truths.length), pixelMax };
}

function shareOf(hits: number, items: number): Share {
  return { hits, items, share: hits / items, ...clopperPearson(hits, items, 0.05) };
}

function metrics(level: Evaluation): Record<string, unknown> {
  const round = (value: number): number => Number(value.toFixed(6));
  return {
    accuracy: round(level.field.share),
    n: level.field.items,
    reportAccuracy: round(level.report.share),
    reportN: level.report.items,
    eceBefore: round(level.eceBefore),
    ece: round(level.eceAfter),
    aurc: round(level.areas.aurc),
    eAurc: round(level.areas.eAurc),
    augrc: round(level.areas.augrc),
    certified: level.gates.map(({ maxError, certificate }) => ({
      maxError,
      delta: certificate.delta,
      gateThreshold: certificate.gateThreshold,
      labels: certificate.labels,
      accepted: certificate.accepted,
      errors: certificate.errors,
    })),
  };
}

await main();

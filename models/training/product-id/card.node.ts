/**
 * Measures the shipped product-id on the `field` pictures, completes its manifest and writes its card:
 *
 *   npm run zoo:card -- --data ../shared/data/grocery [--model models/zoo/product-id] [--pillow FILE]
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { createRows, type RowBuffer } from "../../features/rows.ts";
import { clopperPearson } from "../../measure/binomial.ts";
import { type CardFacts, cardText } from "./card-text.ts";
import { answersOf, coarseOf, type Found, top, withParts } from "./answers.ts";
import { findAll, served } from "./found.node.ts";
import { evaluate, type Evaluation, type Share } from "./evaluate.ts";
import { readPictures } from "./field.node.ts";
import { MeasuredModel, softmax } from "./measured-model.node.ts";
import { alikeShares, cardSplitSeed, nearDuplicateGroups, type Part, splitGroups } from "./near-duplicates.ts";

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
  const found = await findAll(model, pictures, pixels);
  const groups = nearDuplicateGroups(found.thumbnails, found.truths);
  const parts = splitGroups(groups, cardSplitSeed);
  const fine = evaluate(withParts(answersOf(found, groups, null), parts));
  const coarse = evaluate(withParts(answersOf(found, groups, coarseOf(draft)), parts));
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

/**
 * Measures the shipped product-id on the `field` pictures, completes its manifest and writes its card:
 *
 *   npm run zoo:card -- --data ../shared/data/grocery [--model models/zoo/product-id] [--pillow FILE]
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { parseManifest } from "../../manifest.ts";
import { clopperPearson } from "../../measure/binomial.ts";
import { type CardFacts, cardText } from "./card-text.ts";
import { type Answer, evaluate, type Evaluation, type Share } from "./evaluate.ts";
import { decodePicture, type LabelledPicture, readPictures } from "./field.node.ts";
import { type ManifestDraft, MeasuredModel, softmax } from "./measured-model.node.ts";
import { alikeShares, nearDuplicateGroups, type Part, splitGroups, thumbnail } from "./near-duplicates.ts";

const splitSeed = 1;
const goldenSeed = 1;

/** A picture of `field` with everything that the model and the split need. */
interface Case {
  readonly truth: number;
  readonly pixels: Uint8Array;
  readonly thumbnail: Float64Array;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: "string", default: "../shared/data/grocery" },
      model: { type: "string", default: "models/zoo/product-id" },
      pillow: { type: "string" },
    },
  });
  const manifestFile = path.join(values.model, "manifest.json");
  const draft = JSON.parse(await readFile(manifestFile, "utf8")) as ManifestDraft;
  const model = await MeasuredModel.open(values.model, draft);
  const cases = await Promise.all(
    (await readPictures(path.join(values.data, "field.tar"))).map((picture) => prepare(picture, draft)),
  );
  const thumbnails = cases.map((one) => one.thumbnail);
  const truths = cases.map((one) => one.truth);
  const groups = nearDuplicateGroups(thumbnails, truths);
  const parts = splitGroups(groups, splitSeed);
  const probabilities = await predict(
    model,
    cases.map((one) => one.pixels),
  );
  const fine = evaluate(answers(cases, probabilities, parts, groups, null));
  const coarse = evaluate(answers(cases, probabilities, parts, groups, draft.coarse));
  const facts: CardFacts = {
    fine,
    coarse,
    parts: partSizes(parts, groups),
    bytes: draft.bytes,
    digest: draft.digest,
    side: draft.features.width,
    short: draft.features.resize.shortSide,
    speed: await model.speed(cases[0]?.pixels ?? new Uint8Array()),
    batchDifference: await model.batchDifference(cases.map((one) => one.pixels)),
    confusions: confusions(cases, probabilities, draft.labels),
    pillow: values.pillow === undefined ? null : await comparePillow(values.pillow, model, cases, probabilities),
    alike: alikeShares(thumbnails, truths),
  };
  const golden = await model.golden(goldenSeed);
  const manifest = {
    ...draft,
    calibration: fine.calibration,
    coarseCalibration: coarse.calibration,
    golden: {
      pattern: "lcg",
      seed: goldenSeed,
      logits: Array.from(golden, (value) => Number(value.toFixed(6))),
      tolerance: 0.001,
    },
    metrics: { measuredOn: "GroceryStoreDataset, half of test (field)", fine: metrics(fine), coarse: metrics(coarse) },
  };
  const checked = parseManifest(manifest);
  if (!checked.ok) throw new Error(`${manifestFile} would not be served: ${checked.error.message}`);
  await writeFile(manifestFile, `${JSON.stringify(manifest, null, 2)}\n`);
  await writeFile(path.join(values.model, "CARD.md"), `${cardText(facts).trim()}\n`);
  process.stdout.write(
    `${path.join(values.model, "CARD.md")}: fine ${fine.field.share.toFixed(4)}, coarse ${coarse.field.share.toFixed(4)}\n`,
  );
}

async function prepare(picture: LabelledPicture, draft: ManifestDraft): Promise<Case> {
  const truth = draft.labels.indexOf(picture.label);
  if (truth < 0) throw new Error(`${picture.name}: "${picture.label}" is no label of the model`);
  const { decoded, pixels } = await decodePicture(picture.bytes, draft.features);
  return { truth, pixels, thumbnail: thumbnail(decoded.data, decoded.width, decoded.height) };
}

async function predict(model: MeasuredModel, pixels: readonly Uint8Array[]): Promise<readonly Float64Array[]> {
  const all: Float64Array[] = [];
  for (let from = 0; from < pixels.length; from += 32) {
    all.push(...(await model.logits(pixels.slice(from, from + 32))).map(softmax));
  }
  return all;
}

/** The answer to each picture on the fine level, or on the coarse one by summed probability. */
function answers(
  cases: readonly Case[],
  probabilities: readonly Float64Array[],
  parts: readonly Part[],
  groups: readonly number[],
  coarse: ManifestDraft["coarse"] | null,
): readonly Answer[] {
  return cases.map(({ truth }, i) => {
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

function summed(fine: Float64Array, coarse: ManifestDraft["coarse"]): Float64Array {
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

function confusions(
  cases: readonly Case[],
  probabilities: readonly Float64Array[],
  labels: readonly string[],
): CardFacts["confusions"] {
  const counts = new Map<string, { truth: string; answer: string; count: number; confident: number }>();
  cases.forEach(({ truth }, i) => {
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
  cases: readonly Case[],
  probabilities: readonly Float64Array[],
): Promise<CardFacts["pillow"]> {
  const bytes = await readFile(file);
  const size = bytes.length / cases.length;
  const pixels = cases.map((_, i) => new Uint8Array(bytes.subarray(i * size, (i + 1) * size)));
  const theirs = await predict(model, pixels);
  let pixelMax = 0;
  cases.forEach((one, i) => {
    one.pixels.forEach((value, at) => (pixelMax = Math.max(pixelMax, Math.abs(value - (pixels[i]?.[at] ?? NaN)))));
  });
  const label = theirs.map(top);
  return {
    sameLabel: shareOf(
      label.filter((best, i) => best === top(probabilities[i] ?? new Float64Array())).length,
      cases.length,
    ),
    accuracy: shareOf(label.filter((best, i) => best === cases[i]?.truth).length, cases.length),
    pixelMax,
  };
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

/**
 * Writes what the shipped product-id says of `field` as a file of scores, for `holdpoint gate`:
 *
 *   npm run zoo:scores -- --out scores.csv [--data ../shared/data/grocery] [--model models/zoo/product-id] [--rung coarse]
 *
 * Confidences are calibrated as they are served. The pictures that the calibration was fitted on are left out, and
 * near-duplicates share a basket.
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { applyCalibration } from "../../calibration.ts";
import { answersOf, coarseOf, withParts } from "./answers.ts";
import { readPictures } from "./field.node.ts";
import { findAll, served } from "./found.node.ts";
import { MeasuredModel } from "./measured-model.node.ts";
import { cardSplitSeed, nearDuplicateGroups, splitGroups } from "./near-duplicates.ts";

const shared = process.env["HOLDPOINT_SHARED"] ?? "../shared";

const { values } = parseArgs({
  options: {
    data: { type: "string", default: path.join(shared, "data/grocery") },
    model: { type: "string", default: "models/zoo/product-id" },
    rung: { type: "string", default: "fine" },
    out: { type: "string", default: "scores.csv" },
  },
});
const manifestFile = path.join(values.model, "manifest.json");
const manifest = served(JSON.parse(await readFile(manifestFile, "utf8")), manifestFile);
const model = await MeasuredModel.open(values.model, manifest);
const pictures = await readPictures(path.join(values.data, "field.tar"));
const found = await findAll(model, pictures, model.pixels(pictures.map((one) => one.picture)));
const groups = nearDuplicateGroups(found.thumbnails, found.truths);
const isCoarse = values.rung === "coarse";
const calibration = (isCoarse ? manifest.coarseCalibration : manifest.calibration) ?? null;
const answers = withParts(
  answersOf(found, groups, isCoarse ? coarseOf(manifest) : null),
  splitGroups(groups, cardSplitSeed),
);
const lines = answers.flatMap(({ score, correct, group, part }, i) => {
  const confidence = applyCalibration(calibration, score);
  return part === "calibrate" ? [] : [`${pictures[i]?.name ?? i},${confidence},${correct},${group},${part}\n`];
});
await writeFile(values.out, `id,confidence,correct,basket,part\n${lines.join("")}`);
process.stdout.write(`${lines.length} of ${answers.length} pictures are in ${values.out}\n`);

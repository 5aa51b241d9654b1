/**
 * Writes what the shipped product-id says of `field` as a file of scores, for `holdpoint gate`:
 *
 *   npm run zoo:scores -- --out scores.csv [--data ../shared/data/grocery] [--model models/zoo/product-id] [--rung coarse]
 *
 * Confidences are calibrated as they are served. The pictures that the calibration was fitted on are left out, and
 * near-duplicates share a basket.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { applyCalibration } from "../../calibration.ts";
import { answersOf, coarseOf, withParts } from "./answers.ts";
import { fieldOptions, lookAtField } from "./field-look.node.ts";
import { cardSplitSeed, splitGroups } from "./near-duplicates.ts";

const { values } = parseArgs({
  options: {
    ...fieldOptions,
    rung: { type: "string", default: "fine" },
    out: { type: "string", default: "scores.csv" },
  },
});
if (values.rung !== "fine" && values.rung !== "coarse") throw new Error(`--rung is fine or coarse, not ${values.rung}`);
const { manifest, pictures, found, groups } = await lookAtField(values);
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

/**
 * Certifies the shipped product-id on many splits of the `field` pictures; prints the table of docs/gate-study.md:
 *
 *   npm run zoo:splits -- [--data ../shared/data/grocery] [--model models/zoo/product-id] [--splits 200]
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { answersOf, coarseOf } from "./answers.ts";
import { readPictures } from "./field.node.ts";
import { findAll, served } from "./found.node.ts";
import { MeasuredModel } from "./measured-model.node.ts";
import { nearDuplicateGroups } from "./near-duplicates.ts";
import { splitStudy } from "./split-study.ts";
import { splitTable } from "./split-text.ts";

const shared = process.env["HOLDPOINT_SHARED"] ?? "../shared";

const { values } = parseArgs({
  options: {
    data: { type: "string", default: path.join(shared, "data/grocery") },
    model: { type: "string", default: "models/zoo/product-id" },
    splits: { type: "string", default: "200" },
  },
});
const manifestFile = path.join(values.model, "manifest.json");
const manifest = served(JSON.parse(await readFile(manifestFile, "utf8")), manifestFile);
const model = await MeasuredModel.open(values.model, manifest);
const pictures = await readPictures(path.join(values.data, "field.tar"));
// The model looks once; every split works on what it said.
const found = await findAll(model, pictures, model.pixels(pictures.map((one) => one.picture)));
const groups = nearDuplicateGroups(found.thumbnails, found.truths);
for (const [name, coarse] of [["fine", null] as const, ["coarse", coarseOf(manifest)] as const]) {
  const rows = splitStudy(answersOf(found, groups, coarse), Number(values.splits));
  process.stdout.write(`${splitTable(name, rows)}\n\n`);
}

/**
 * Certifies the shipped product-id on many splits of the `field` pictures; prints the table of docs/gate-study.md:
 *
 *   npm run zoo:splits -- [--data ../shared/data/grocery] [--model models/zoo/product-id] [--splits 200]
 */
import { parseArgs } from "node:util";
import { answersOf, coarseOf } from "./answers.ts";
import { fieldOptions, lookAtField } from "./field-look.node.ts";
import { splitStudy } from "./split-study.ts";
import { splitTable } from "./split-text.ts";

const { values } = parseArgs({ options: { ...fieldOptions, splits: { type: "string", default: "200" } } });
const splits = Number(values.splits);
if (!Number.isInteger(splits) || splits < 1)
  throw new Error(`--splits is a whole number above 0, not ${values.splits}`);
// The model looks once; every split works on what it said.
const { manifest, found, groups } = await lookAtField(values);
for (const [name, coarse] of [["fine", null] as const, ["coarse", coarseOf(manifest)] as const]) {
  const rows = splitStudy(answersOf(found, groups, coarse), splits);
  process.stdout.write(`${splitTable(name, rows)}\n\n`);
}

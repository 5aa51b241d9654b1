import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { type ReviewerProfile } from "../../../models/measure/fleet/fleet-reviewers.ts";
import { HoldpointError } from "../../../protocol/index.ts";
import { CsvReader } from "./csv-reader.ts";
import { fault } from "./score-fields.ts";

/** Who judged fewer cases says too little about how somebody errs. */
const judgementsMin = 20;
const reviewersMax = 1000;
/** Middle of what was measured of reviewers who repeat a model's wrong answer (12 to 19 %), at a mean error. */
const repeatsMean = 0.155;

/**
 * How the people of a file of judgements err: CSV, or CSV packed with gzip, with the columns `worker`, `label` and `gold`.
 * Their errors are scaled to the mean `errorMean`, so that what is taken from the file is how much people differ.
 *
 * Throws HP_SCORES with the line that is wrong, HP_USAGE where the file cannot be read or nobody judged enough.
 */
export async function readReviewers(file: string, errorMean: number): Promise<readonly ReviewerProfile[]> {
  const judged = new Map<string, { cases: number; errors: number }>();
  let columns: readonly [number, number, number] | null = null;
  const reader = new CsvReader((fields, line) => {
    if (columns === null) {
      columns = columnsOf(fields, line);
      return;
    }
    const [worker = "", label = "", gold = ""] = columns.map((at) => fields[at] ?? "");
    if (worker === "" || label === "" || gold === "") throw fault(line, "worker, label or gold is empty");
    const own = judged.get(worker) ?? { cases: 0, errors: 0 };
    judged.set(worker, { cases: own.cases + 1, errors: own.errors + (label === gold ? 0 : 1) });
  });
  await readText(file, (text) => reader.push(text));
  reader.end();
  const errors = [...judged.values()]
    .filter(({ cases }) => cases >= judgementsMin)
    .slice(0, reviewersMax)
    .map((own) => own.errors / own.cases);
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  if (!(mean > 0)) {
    throw new HoldpointError("HP_USAGE", `${file} shows no errors of people with ${judgementsMin} judgements or more`);
  }
  return errors.map((error) => ({
    error: Math.min(1, (error / mean) * errorMean),
    repeats: Math.min(1, (error / mean) * repeatsMean),
  }));
}

function columnsOf(header: readonly string[], line: number): readonly [number, number, number] {
  const at = (name: string): number => {
    const found = header.indexOf(name);
    if (found < 0) throw fault(line, `no column ${name}`, "Reviewers take the columns worker, label and gold.");
    return found;
  };
  return [at("worker"), at("label"), at("gold")];
}

async function readText(file: string, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder("utf-8");
  const raw = createReadStream(file);
  const source = file.endsWith(".gz") ? raw.pipe(createGunzip()) : raw;
  raw.on("error", (cause) => source.destroy(cause));
  try {
    for await (const chunk of source as AsyncIterable<Uint8Array>) take(decoder.decode(chunk, { stream: true }));
  } catch (cause) {
    if (cause instanceof HoldpointError) throw cause;
    throw new HoldpointError("HP_USAGE", `${file} cannot be read`, {
      cause,
      hint: "Name a CSV file, or one with .gz.",
    });
  }
}

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { HoldpointError } from "../../../protocol/index.ts";
import { type Progress } from "../progress.node.ts";
import { CsvReader } from "./csv-reader.ts";
import { ScoreTable, type Scores } from "./score-table.ts";

/**
 * Reads a file of scores as a stream; "-" is what comes on stdin. The memory that it takes grows by the columns it
 * keeps, never by the text.
 *
 * Throws HP_SCORES with the line that is wrong, HP_USAGE where there is no such file.
 */
export async function readScores(file: string, by: readonly string[], progress: Progress): Promise<Scores> {
  const bytes = file === "-" ? null : await sizeOf(file);
  const table = new ScoreTable(by);
  const reader = new CsvReader(table.take);
  // Bytes that are no UTF-8 would become other group names in silence. A byte order mark is dropped.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let read = 0;
  try {
    const source = bytes === null ? process.stdin : createReadStream(file, { highWaterMark: 1 << 18 });
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      reader.push(textOf(decoder, chunk));
      read += chunk.byteLength;
      progress.show(bytes === null ? null : read / Math.max(1, bytes), `${table.rows.toLocaleString("en")} rows read`);
    }
    reader.push(textOf(decoder, null));
    reader.end();
  } finally {
    progress.clear();
  }
  return table.scores();
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch((cause: unknown) => {
    throw new HoldpointError("HP_USAGE", `${file} cannot be read`, { cause, hint: "Name the CSV file by --scores." });
  });
  if (found.isDirectory()) throw new HoldpointError("HP_USAGE", `${file} is a directory`);
  return found.size;
}

function textOf(decoder: TextDecoder, chunk: Uint8Array | null): string {
  try {
    return chunk === null ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch (cause) {
    throw new HoldpointError("HP_SCORES", "the file is not UTF-8", { cause, hint: "Save the file as UTF-8." });
  }
}

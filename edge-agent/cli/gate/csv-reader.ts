import { HoldpointError } from "../../../protocol/index.ts";

/** Characters of one record: a file without line ends, or a quote that nobody closes, must not fill the memory. */
const recordCharsMax = 65_536;

/** Takes a record's fields and the line that it begins on, counted from 1. */
export type OnRecord = (fields: readonly string[], line: number) => void;

/**
 * Reads CSV (RFC 4180) piece by piece: quoted fields with commas, line ends and doubled quotes, LF or CRLF. It keeps
 * one unfinished record and nothing else. Empty lines are no records.
 *
 * Throws HP_SCORES with the line for a quote in the wrong place, an unclosed one, or a record of over 65,536 characters.
 */
export class CsvReader {
  readonly #onRecord: OnRecord;
  /** The unfinished record, and whether a quote is open at its end. */
  #held = "";
  #isQuoted = false;
  /** Lines that ended so far, and the line that the held record began on. */
  #line = 1;
  #began = 1;

  constructor(onRecord: OnRecord) {
    this.#onRecord = onRecord;
  }

  push(text: string): void {
    let from = 0;
    for (;;) {
      const end = text.indexOf("\n", from);
      const piece = end < 0 ? text.slice(from) : text.slice(from, end);
      // A doubled quote counts twice and so changes nothing.
      if (piece.includes('"')) this.#isQuoted = this.#isQuoted !== hasOddQuotes(piece);
      this.#held = this.#held === "" ? piece : this.#held + piece;
      if (this.#held.length > recordCharsMax) {
        throw fault(this.#began, `a record is longer than ${recordCharsMax} characters`, "Is a quote left open?");
      }
      if (end < 0) return;
      from = end + 1;
      this.#line += 1;
      if (this.#isQuoted) this.#held += "\n";
      else this.#finish();
    }
  }

  end(): void {
    if (this.#isQuoted) throw fault(this.#began, "a quote is never closed", 'Write a quote inside a field twice: "".');
    this.#finish();
  }

  #finish(): void {
    const record = this.#held.endsWith("\r") ? this.#held.slice(0, -1) : this.#held;
    const began = this.#began;
    this.#held = "";
    this.#began = this.#line;
    if (record !== "") this.#onRecord(record.includes('"') ? quotedFields(record, began) : record.split(","), began);
  }
}

function hasOddQuotes(text: string): boolean {
  let quotes = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) quotes += 1;
  return quotes % 2 === 1;
}

/** A field is either free of quotes, or begins and ends with one; both followed by a comma or the end. */
const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;

function quotedFields(record: string, line: number): readonly string[] {
  const fields: string[] = [];
  field.lastIndex = 0;
  for (;;) {
    const found = field.exec(record);
    if (found === null) {
      throw fault(line, "a quote stands inside a field that does not begin with one", 'Quote the whole field: "…".');
    }
    fields.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? "");
    if (found[3] === "") return fields;
  }
}

function fault(line: number, message: string, hint: string): HoldpointError {
  return new HoldpointError("HP_SCORES", `line ${line}: ${message}`, { hint });
}

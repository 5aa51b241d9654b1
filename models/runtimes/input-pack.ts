import { inputData, type Input } from "../../protocol/index.ts";

/**
 * The inputs of a batch as they travel to the child. A channel between processes writes every object with the names of
 * its members; rows of one model are mostly of one shape, so it goes once, and the bytes of all rows behind each other.
 */
export interface PackedInputs {
  /** Inputs, those with bytes without them. Neighbours that differ in nothing but their bytes share one. */
  readonly headers: readonly Input[];
  /** For each row its header. */
  readonly headerOf: Uint32Array;
  /** For each row where its bytes end; they start where those of the row before end. */
  readonly ends: Uint32Array;
  /** Empty where the bytes were placed. */
  readonly bytes: Uint8Array;
  /** Where the bytes of all rows lie in a memory that both sides reach; null: they are here. */
  readonly placedAt: number | null;
}

/** Puts rows behind each other where the other side finds them; null: there is no room. */
export type PlaceRows = (rows: readonly Uint8Array[], bytes: number) => number | null;

const none = new Uint8Array(0);

export function packInputs(inputs: readonly Input[], place: PlaceRows = () => null): PackedInputs {
  const headers: Input[] = [];
  const headerOf = new Uint32Array(inputs.length);
  const ends = new Uint32Array(inputs.length);
  const rows: Uint8Array[] = [];
  let end = 0;
  let last: Input | null = null;
  inputs.forEach((input, row) => {
    const data = inputData(input);
    if (last === null || data === null || !alikeButData(last, input)) {
      headers.push(data === null ? input : ({ ...input, data: none } as Input));
      last = data === null ? null : input;
    }
    headerOf[row] = headers.length - 1;
    if (data !== null) rows.push(data);
    end += data?.byteLength ?? 0;
    ends[row] = end;
  });
  const placedAt = place(rows, end);
  if (placedAt !== null) return { headers, headerOf, ends, bytes: none, placedAt };
  const bytes = new Uint8Array(end);
  let at = 0;
  for (const row of rows) {
    bytes.set(row, at);
    at += row.byteLength;
  }
  return { headers, headerOf, ends, bytes, placedAt };
}

/**
 * The rows share the memory of the message, or of what was placed.
 *
 * @param bytes what was read where the rows were placed
 */
export function unpackInputs(packed: PackedInputs, bytes: Uint8Array = packed.bytes): Input[] {
  const { headers, headerOf, ends } = packed;
  return Array.from(headerOf, (at, row): Input => {
    const header = headers[at];
    if (header === undefined) throw new RangeError("a row has a header");
    if (inputData(header) === null) return header;
    return { ...header, data: bytes.subarray(row === 0 ? 0 : ends[row - 1], ends[row]) } as Input;
  });
}

function alikeButData(a: Input, b: Input): boolean {
  if (a.kind === "tensor") return b.kind === "tensor" && a.dtype === b.dtype && sameItems(a.shape, b.shape);
  if (a.kind === "image") return b.kind === "image" && a.encoding === b.encoding;
  if (a.kind === "pixels") {
    return b.kind === "pixels" && a.width === b.width && a.height === b.height && a.channels === b.channels;
  }
  return a.kind === "sequence" && b.kind === "sequence" && a.hertz === b.hertz && sameItems(a.channels, b.channels);
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

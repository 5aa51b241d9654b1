import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Node,
  type Pair,
  type YAMLError,
} from "yaml";
import { limits } from "../protocol/index.ts";
import { faulty, mendHint, type ConfigFault, type Faulty } from "./fault.ts";
import { keyText } from "./key-path.ts";
import { schemaFaults } from "./schema-fault.ts";
import { layerSchema, type LayerValues } from "./schema.ts";

/** A file above it is refused unread. */
export const configBytesMax = 1024 * 1024;
/** Values after aliases are expanded: what stops a small file that unfolds into a huge one. */
const nodesMax = 100_000;
const faultsMax = 100;
const keyCharsMax = 256;

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One layer's file, read and checked. */
export interface LayerDocument {
  readonly file: string;
  readonly values: LayerValues;
  /** Where a key stands, or the nearest key above it that the file has. */
  readonly placeOf: (path: readonly (string | number)[]) => Place;
}

export type LayerParsed = { readonly ok: true; readonly document: LayerDocument } | Faulty;

/**
 * Reads the YAML (or JSON) of one layer. Every error carries its line and column; unknown keys name the nearest known
 * one. Never throws. `file` is only for messages.
 */
export function parseLayer(text: string, file: string): LayerParsed {
  const reader = new Reader(file);
  const data = reader.read(text);
  if (data.ok) {
    const parsed = layerSchema.safeParse(data.value);
    if (parsed.success) {
      return { ok: true, document: { file, values: parsed.data, placeOf: (path) => reader.place(path, "key") } };
    }
    for (const { path, atKey, message, hint } of schemaFaults(parsed.error.issues, layerSchema, data.value)) {
      reader.fault(reader.place(path, atKey ? "key" : "value"), keyText(path), message, hint);
    }
  }
  const inOrder = reader.faults.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const [first = reader.unplaced("cannot be read"), ...others] = inOrder;
  return faulty([first, ...others]);
}

interface Spot {
  readonly key: number;
  readonly value: number;
}

/** Walks the document once: plain values, duplicate keys, bounds, and the place of every key. */
class Reader {
  readonly faults: ConfigFault[] = [];
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #spots = new Map<string, Spot>();
  readonly #anchors = new Map<string, Node>();
  #nodes = 0;

  constructor(file: string) {
    this.#file = file;
  }

  read(text: string): { readonly ok: true; readonly value: unknown } | { readonly ok: false } {
    if (new TextEncoder().encode(text).byteLength > configBytesMax) {
      this.faults.push(this.unplaced(`the file is larger than ${configBytesMax} bytes`));
      return { ok: false };
    }
    // The library looks for duplicate keys by comparing each with each; `#map` does it in one pass.
    const options = {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: false,
      stringKeys: true,
      merge: false,
    };
    const document = parseDocument(text, { ...options, logLevel: "error" });
    for (const problem of [...document.errors, ...document.warnings].slice(0, faultsMax)) {
      this.fault(this.#placeAt(problem.pos[0]), "", plainSentence(problem), mendHint);
    }
    if (this.faults.length > 0) return { ok: false };
    if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
      // A file being written is empty for a moment; taking that for "no keys" would drop a layer.
      this.faults.push({ ...this.unplaced("the file is empty"), hint: "Write {} if this layer has no keys." });
      return { ok: false };
    }
    const value = this.#value(document.contents, []);
    return this.faults.length > 0 ? { ok: false } : { ok: true, value };
  }

  fault(place: Place, key: string, message: string, hint: string): void {
    if (this.faults.length >= faultsMax) return;
    // A key of a megabyte is somebody's mistake, and no line for a log.
    const shown = key.length <= keyCharsMax ? key : `${key.slice(0, keyCharsMax)}…`;
    this.faults.push({ file: this.#file, ...place, key: shown, message, hint });
  }

  unplaced(message: string): ConfigFault {
    return { file: this.#file, line: 1, column: 1, key: "", message, hint: mendHint };
  }

  place(path: readonly (string | number)[], part: keyof Spot): Place {
    for (let length = path.length; length > 0; length -= 1) {
      const spot = this.#spots.get(keyText(path.slice(0, length)));
      if (spot !== undefined) return this.#placeAt(length === path.length ? spot[part] : spot.key);
    }
    return { line: 1, column: 1 };
  }

  #placeAt(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  #value(node: Node, path: readonly (string | number)[]): unknown {
    this.#nodes += 1;
    const offset = node.range?.[0] ?? 0;
    if (this.#nodes > nodesMax || path.length > limits.depthMax) {
      const message = this.#nodes > nodesMax ? `more than ${nodesMax} values` : `nested deeper than ${limits.depthMax}`;
      // One line about it is enough, however many values come after it.
      if (this.faults.at(-1)?.message !== message) this.fault(this.#placeAt(offset), "", message, mendHint);
      return null;
    }
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target !== undefined) return this.#value(target, path);
      this.fault(this.#placeAt(offset), keyText(path), `there is no anchor &${node.source} above`, mendHint);
      return null;
    }
    if ((isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined)
      this.#anchors.set(node.anchor, node);
    if (isMap(node)) return this.#map(node.items as readonly Pair<Node, Node | null>[], path);
    if (isSeq(node)) return this.#list(node.items as readonly Node[], path);
    return isScalar(node) ? node.value : null;
  }

  #map(pairs: readonly Pair<Node, Node | null>[], path: readonly (string | number)[]): unknown {
    const record = new Map<string, unknown>();
    for (const { key, value } of pairs) {
      const name = isScalar(key) ? String(key.value) : "";
      const below = [...path, name];
      const at = key.range?.[0] ?? 0;
      if (record.has(name)) this.fault(this.#placeAt(at), keyText(below), "this key stands twice", "Keep one of them.");
      if (name === "__proto__") this.fault(this.#placeAt(at), keyText(below), "this key is not allowed", mendHint);
      this.#spots.set(keyText(below), { key: at, value: value?.range?.[0] ?? at });
      record.set(name, value === null ? null : this.#value(value, below));
    }
    return Object.fromEntries(record);
  }

  #list(nodes: readonly Node[], path: readonly (string | number)[]): unknown {
    return nodes.map((node, index) => {
      const at = node.range?.[0] ?? 0;
      this.#spots.set(keyText([...path, index]), { key: at, value: at });
      return this.#value(node, [...path, index]);
    });
  }
}

/** The library's message without its place, which stands in front of it already. */
function plainSentence({ code, message }: YAMLError): string {
  if (code === "MULTIPLE_DOCS") return "a second document begins here; a layer is one document";
  return (message.split("\n")[0] ?? message).replace(/\s+at line \d+, column \d+:?$/, "");
}

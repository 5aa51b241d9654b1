import { limits } from "./limits.ts";

/**
 * MessagePack as a peer may send it: maps with text keys, arrays, text, bytes, numbers, booleans, nil. A decoder of its
 * own, because msgpackr decodes record extensions, `Error` and `RegExp` objects from a peer, lets the last of two equal
 * keys win and overflows the stack on deep nesting; walking a message first to refuse those costs more than reading it.
 * Here one pass reads and refuses (a request of 180 bytes: 5.2 µs by a walk and msgpackr, 1.6 µs so).
 *
 * Bytes are views of the message, 64-bit integers are numbers, text that is not UTF-8 gets U+FFFD.
 */
export function readMsgpack(bytes: Uint8Array): MsgpackRead {
  const reader = new Reader(bytes);
  const value = reader.item(1);
  if (reader.fault === null && reader.at !== bytes.byteLength) reader.fault = trailing;
  if (reader.fault === null) return { ok: true, value };
  // What is not MessagePack at all is told apart from MessagePack that we do not take.
  const code = reader.fault === early || reader.fault === trailing ? "HP_ENCODING" : "HP_SCHEMA";
  return { ok: false, code, message: reader.fault };
}

export type MsgpackRead =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: "HP_ENCODING" | "HP_SCHEMA"; readonly message: string };

const early = "the message ends early";
const trailing = "bytes follow the message";

/** Reads item by item; after a fault every step ends with null, and nobody looks at what was built. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;
  fault: string | null = null;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** `depth` counts the containers with members around the item, its own included. */
  item(depth: number): unknown {
    if (this.at >= this.#bytes.byteLength) return this.#fail(early);
    const first = this.#bytes[this.at] ?? 0;
    this.at += 1;
    if (first <= 0x7f) return first;
    if (first <= 0x8f) return this.#map(first & 0x0f, depth);
    if (first <= 0x9f) return this.#array(first & 0x0f, depth);
    if (first <= 0xbf) return this.#text(first & 0x1f);
    if (first >= 0xe0) return first - 0x100;
    return this.#marked(first, depth);
  }

  /** Items whose first byte is only a mark: constants, numbers of fixed width, and what says how long it is. */
  #marked(first: number, depth: number): unknown {
    switch (first) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#unsigned(1 << (first - 0xc4)));
      case 0xca:
        return this.#skip(4) ? this.#view.getFloat32(this.at - 4) : undefined;
      case 0xcb:
        return this.#skip(8) ? this.#view.getFloat64(this.at - 8) : undefined;
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (first - 0xcc));
      case 0xcf:
        return this.#skip(8) ? Number(this.#view.getBigUint64(this.at - 8)) : undefined;
      case 0xd0:
        return this.#skip(1) ? this.#view.getInt8(this.at - 1) : undefined;
      case 0xd1:
        return this.#skip(2) ? this.#view.getInt16(this.at - 2) : undefined;
      case 0xd2:
        return this.#skip(4) ? this.#view.getInt32(this.at - 4) : undefined;
      case 0xd3:
        return this.#skip(8) ? Number(this.#view.getBigInt64(this.at - 8)) : undefined;
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (first - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (first - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (first - 0xde)), depth);
      default:
        return this.#fail("MessagePack extensions are not allowed");
    }
  }

  #map(members: number, depth: number): unknown {
    const record: Record<string, unknown> = {};
    if (!this.#mayHold(members * 2, depth)) return record;
    for (let i = 0; i < members && this.fault === null; i += 1) {
      const key = this.#key();
      if (key === null) return null;
      if (key === "__proto__") return this.#fail('the key "__proto__" is not allowed');
      if (Object.hasOwn(record, key)) return this.#fail(`the key ${JSON.stringify(key)} stands twice`);
      record[key] = this.item(depth + 1);
    }
    return record;
  }

  #array(items: number, depth: number): unknown {
    const list: unknown[] = [];
    if (!this.#mayHold(items, depth)) return list;
    for (let i = 0; i < items && this.fault === null; i += 1) list.push(this.item(depth + 1));
    return list;
  }

  /** False where there is nothing to read, or too much. */
  #mayHold(children: number, depth: number): boolean {
    if (this.fault !== null || children === 0) return false;
    // Each child takes at least a byte: a map that claims four billion members ends here, not in memory.
    if (children > this.#bytes.byteLength - this.at) this.fault = early;
    else if (depth > limits.depthMax) this.fault = `nested deeper than ${limits.depthMax}`;
    return this.fault === null;
  }

  /** null after a fault. */
  #key(): string | null {
    const first = this.#bytes[this.at];
    if (first === undefined) return this.#fail(early);
    const isText = (first >= 0xa0 && first <= 0xbf) || (first >= 0xd9 && first <= 0xdb);
    const key = isText ? this.item(0) : this.#fail("a map key is not text");
    return typeof key === "string" ? key : null;
  }

  #text(length: number): string | undefined {
    if (!this.#skip(length)) return undefined;
    const from = this.at - length;
    if (length <= wordBytesMax) return wordAt(this.#bytes, from, this.at);
    return decoder.decode(this.#bytes.subarray(from, this.at));
  }

  #binary(length: number): Uint8Array | undefined {
    return this.#skip(length) ? this.#bytes.subarray(this.at - length, this.at) : undefined;
  }

  /** A big-endian number of 1, 2 or 4 bytes; 0 after a fault. */
  #unsigned(width: number): number {
    if (!this.#skip(width)) return 0;
    const from = this.at - width;
    if (width === 1) return this.#view.getUint8(from);
    return width === 2 ? this.#view.getUint16(from) : this.#view.getUint32(from);
  }

  #skip(length: number): boolean {
    if (this.fault !== null) return false;
    if (length > this.#bytes.byteLength - this.at) {
      this.fault = early;
      return false;
    }
    this.at += length;
    return true;
  }

  #fail(fault: string): null {
    this.fault ??= fault;
    return null;
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Keys, kinds, names and ids; a call of the decoder costs more than one of these. */
const wordBytesMax = 40;
/** The words that are met again and again: the text that one of them was last time is the text that it is. */
const wordsMax = 512;
const words: string[] = new Array<string>(wordsMax).fill("");

/** A short text. Words that were met lately cost a comparison; a word that another one took the place of is made again. */
function wordAt(bytes: Uint8Array, from: number, to: number): string {
  let hash = to - from;
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte > 0x7f) return decoder.decode(bytes.subarray(from, to));
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const place = hash & (wordsMax - 1);
  const known = words[place] ?? "";
  if (isAt(known, bytes, from, to)) return known;
  return (words[place] = String.fromCharCode.apply(null, bytes.subarray(from, to) as unknown as number[]));
}

function isAt(word: string, bytes: Uint8Array, from: number, to: number): boolean {
  if (word.length !== to - from) return false;
  for (let i = 0; i < word.length; i += 1) if (word.charCodeAt(i) !== bytes[from + i]) return false;
  return true;
}

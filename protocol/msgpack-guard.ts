import { limits } from "./limits.ts";

/**
 * Walks a MessagePack message without building anything. msgpackr decodes record extensions, `Error` and `RegExp`
 * objects from a peer and overflows the stack on deep nesting; here extensions, non-text keys, repeated keys,
 * `__proto__`, depth and truncation are refused first.
 */
export function msgpackFault(bytes: Uint8Array): MessageFault | null {
  const message = faultIn(bytes);
  if (message === null) return null;
  // What is not MessagePack at all is told apart from MessagePack that we do not take.
  return { code: message === early || message === trailing ? "HP_ENCODING" : "HP_SCHEMA", message };
}

export interface MessageFault {
  readonly code: "HP_ENCODING" | "HP_SCHEMA";
  readonly message: string;
}

const early = "the message ends early";
const trailing = "bytes follow the message";

function faultIn(bytes: Uint8Array): string | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const open: Frame[] = [];
  let at = 0;
  do {
    const frame = open[open.length - 1];
    if (frame?.keys && frame.left % 2 === 0) {
      const key = textAt(view, at);
      if (key === null) return "a map key is not text";
      if (key === "__proto__") return 'the key "__proto__" is not allowed';
      if (frame.keys.has(key)) return `the key ${JSON.stringify(key)} stands twice`;
      frame.keys.add(key);
    }
    const item = itemAt(view, at);
    if (typeof item === "string") return item;
    at += item.bytes;
    if (at > bytes.byteLength) return early;
    if (frame) frame.left -= 1;
    if (item.children > 0) open.push({ left: item.children, keys: item.map ? new Set() : null });
    // Each child takes at least a byte: a map that claims four billion members ends here, not in memory.
    if (item.children > bytes.byteLength - at) return early;
    while (open.length > 0 && open[open.length - 1]?.left === 0) open.pop();
    if (open.length > limits.depthMax) return `nested deeper than ${limits.depthMax}`;
  } while (open.length > 0);
  return at === bytes.byteLength ? null : trailing;
}

interface Frame {
  left: number;
  readonly keys: Set<string> | null;
}

interface Item {
  /** Bytes of the item without its children. */
  readonly bytes: number;
  readonly children: number;
  readonly map: boolean;
}

/** Fixed sizes by first byte: nil, booleans, floats, integers. */
const fixed = new Map<number, number>([
  [0xc0, 1],
  [0xc2, 1],
  [0xc3, 1],
  [0xca, 5],
  [0xcb, 9],
  [0xcc, 2],
  [0xcd, 3],
  [0xce, 5],
  [0xcf, 9],
  [0xd0, 2],
  [0xd1, 3],
  [0xd2, 5],
  [0xd3, 9],
]);

/** Length-prefixed items by first byte: width of the length, and what the length counts. */
const prefixed = new Map<number, readonly [width: 1 | 2 | 4, what: "bytes" | "array" | "map"]>([
  [0xc4, [1, "bytes"]],
  [0xc5, [2, "bytes"]],
  [0xc6, [4, "bytes"]],
  [0xd9, [1, "bytes"]],
  [0xda, [2, "bytes"]],
  [0xdb, [4, "bytes"]],
  [0xdc, [2, "array"]],
  [0xdd, [4, "array"]],
  [0xde, [2, "map"]],
  [0xdf, [4, "map"]],
]);

function itemAt(view: DataView, at: number): Item | string {
  if (at >= view.byteLength) return early;
  const first = view.getUint8(at);
  if (first <= 0x7f || first >= 0xe0) return { bytes: 1, children: 0, map: false };
  if (first <= 0x8f) return { bytes: 1, children: (first & 0x0f) * 2, map: true };
  if (first <= 0x9f) return { bytes: 1, children: first & 0x0f, map: false };
  if (first <= 0xbf) return { bytes: 1 + (first & 0x1f), children: 0, map: false };
  const size = fixed.get(first);
  if (size !== undefined) return { bytes: size, children: 0, map: false };
  const prefix = prefixed.get(first);
  if (!prefix) return "MessagePack extensions are not allowed";
  const [width, what] = prefix;
  if (at + 1 + width > view.byteLength) return early;
  const length = width === 1 ? view.getUint8(at + 1) : width === 2 ? view.getUint16(at + 1) : view.getUint32(at + 1);
  if (what === "bytes") return { bytes: 1 + width + length, children: 0, map: false };
  return { bytes: 1 + width, children: what === "map" ? length * 2 : length, map: what === "map" };
}

const decoder = new TextDecoder();

function textAt(view: DataView, at: number): string | null {
  if (at >= view.byteLength) return null;
  const first = view.getUint8(at);
  const isText = (first >= 0xa0 && first <= 0xbf) || (first >= 0xd9 && first <= 0xdb);
  const item = itemAt(view, at);
  if (!isText || typeof item === "string" || at + item.bytes > view.byteLength) return null;
  const header = first <= 0xbf ? 1 : first === 0xd9 ? 2 : first === 0xda ? 3 : 5;
  return decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at + header, item.bytes - header));
}

import { crc32 } from "node:zlib";
import { type OutboxItem, type OutboxKind } from "./outbox.ts";

/**
 * The format of the file outbox, version 1: records behind each other, each
 *
 *   "HPO1" · u32 length of the payload · u32 CRC-32 of the payload · payload      (little-endian)
 *
 * payload: u8 type · u8 length of the text · text · bytes. A record is written with one call and never changed, so a
 * power cut can only leave a torn one at the end. Reading goes on behind damage at the next record whose sum is right.
 */
export type LogRecord =
  /** First record: the outbox's own name. */
  | { readonly type: "instance"; readonly instance: string }
  | { readonly type: "put"; readonly item: OutboxItem }
  | { readonly type: "remove"; readonly key: string };

export interface LogContents {
  readonly instance: string | null;
  readonly items: ReadonlyMap<string, OutboxItem>;
  /** Bytes up to the end of the last whole record; what follows is torn. */
  readonly wholeBytes: number;
  /** Bytes that were skipped between whole records: bits have changed on the disk. */
  readonly damagedBytes: number;
}

const magic = Buffer.from("HPO1", "latin1");
const headerBytes = 12;
const types = ["instance", "put", "remove"] as const;
const kinds: readonly OutboxKind[] = ["request", "event", "outcome"];

export function encodeRecord(record: LogRecord): Uint8Array {
  const text = record.type === "instance" ? record.instance : record.type === "put" ? record.item.key : record.key;
  const textBytes = Buffer.from(text, "utf8");
  if (textBytes.byteLength > 255) throw new RangeError("the key is too long");
  const data = record.type === "put" ? record.item.bytes : new Uint8Array(0);
  const payloadBytes = 2 + textBytes.byteLength + data.byteLength;
  const bytes = Buffer.allocUnsafe(headerBytes + payloadBytes);
  magic.copy(bytes, 0);
  bytes.writeUInt32LE(payloadBytes, 4);
  bytes.writeUInt8(types.indexOf(record.type), headerBytes);
  bytes.writeUInt8(textBytes.byteLength, headerBytes + 1);
  textBytes.copy(bytes, headerBytes + 2);
  bytes.set(data, headerBytes + 2 + textBytes.byteLength);
  bytes.writeUInt32LE(crc32(bytes.subarray(headerBytes)), 8);
  return bytes;
}

/** Reads a whole log. Never throws: what cannot be read is counted. */
export function readLog(file: Buffer): LogContents {
  let instance: string | null = null;
  const items = new Map<string, OutboxItem>();
  let damagedBytes = 0;
  let at = 0;
  while (at < file.byteLength) {
    const found = nextRecord(file, at);
    if (found === null) break;
    damagedBytes += found.at - at;
    at = found.end;
    if (found.record.type === "instance") instance = found.record.instance;
    else if (found.record.type === "put") items.set(found.record.item.key, found.record.item);
    else items.delete(found.record.key);
  }
  return { instance, items, wholeBytes: at, damagedBytes };
}

interface FoundRecord {
  readonly record: LogRecord;
  readonly at: number;
  readonly end: number;
}

/** The first whole record at or behind `from`. */
function nextRecord(file: Buffer, from: number): FoundRecord | null {
  for (let at = file.indexOf(magic, from); at >= 0; at = file.indexOf(magic, at + 1)) {
    if (at + headerBytes > file.byteLength) return null;
    const end = at + headerBytes + file.readUInt32LE(at + 4);
    if (end > file.byteLength) continue;
    const payload = file.subarray(at + headerBytes, end);
    if (crc32(payload) !== file.readUInt32LE(at + 8)) continue;
    const record = decodePayload(payload);
    if (record !== null) return { record, at, end };
  }
  return null;
}

function decodePayload(payload: Buffer): LogRecord | null {
  const type = types[payload[0] ?? -1];
  const textEnd = 2 + (payload[1] ?? 0);
  if (type === undefined || payload.byteLength < 2 || textEnd > payload.byteLength) return null;
  const text = payload.toString("utf8", 2, textEnd);
  if (type === "instance") return { type, instance: text };
  if (type === "remove") return { type, key: text };
  const [name, id] = text.split("/");
  const kind = kinds.find((known) => known === name);
  if (kind === undefined || id === undefined) return null;
  // A copy, so that one small item does not keep the whole file in memory.
  const bytes = Uint8Array.from(payload.subarray(textEnd));
  return { type, item: { key: text, kind, id, bytes } };
}

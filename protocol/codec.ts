import { Packr } from "msgpackr";
import { type z } from "zod";
import {
  decisionSchema,
  observedEventSchema,
  outcomeSchema,
  requestSchema,
  type Decision,
  type DecisionRequest,
  type ObservedEvent,
  type Outcome,
} from "./decision.ts";
import { HoldpointError, ok, refused, type Result } from "./errors.ts";
import { idPattern } from "./ids.ts";
import { firstNotFinite } from "./input.ts";
import { jsonFault } from "./json-guard.ts";
import { limits } from "./limits.ts";
import { readMsgpack } from "./msgpack-reader.ts";
import { isPlainRequest } from "./request-shape.ts";

/** JSON and MessagePack, told apart by the first byte; bytes are base64 in JSON and raw in MessagePack. */

export type Encoding = "json" | "msgpack";

// Plain maps: a peer in another language has never heard of msgpackr's records.
const packr = new Packr({ useRecords: false });
const textDecoder = new TextDecoder("utf-8", { fatal: true });
const textEncoder = new TextEncoder();

/** The encoding of a message by its first byte (design 4.1), or null. */
export function encodingOf(bytes: Uint8Array): Encoding | null {
  const first = bytes[0];
  if (first === undefined) return null;
  if (first === 0x7b) return "json";
  return (first >= 0x80 && first <= 0x8f) || first === 0xde || first === 0xdf ? "msgpack" : null;
}

/** Decodes a message of either encoding into plain data, unchecked. Errors: HP_TOO_LARGE, HP_ENCODING, HP_SCHEMA. */
export function decodeMessage(bytes: Uint8Array): Result<{ readonly value: unknown; readonly encoding: Encoding }> {
  if (bytes.byteLength > limits.messageBytesMax) {
    return refused("HP_TOO_LARGE", `the message has ${bytes.byteLength} bytes; ${limits.messageBytesMax} are allowed`);
  }
  const encoding = encodingOf(bytes);
  if (encoding === null) return refused("HP_ENCODING", "the message is neither a JSON object nor a MessagePack map");
  try {
    return encoding === "json" ? decodeJson(bytes) : decodeMsgpack(bytes);
  } catch (cause) {
    return refused("HP_ENCODING", `the message is not valid ${encoding === "json" ? "JSON" : "MessagePack"}`, {
      cause,
    });
  }
}

function decodeJson(bytes: Uint8Array): ReturnType<typeof decodeMessage> {
  const text = textDecoder.decode(bytes);
  const fault = jsonFault(text);
  if (fault !== null) return refused("HP_SCHEMA", fault);
  return ok({ value: JSON.parse(text) as unknown, encoding: "json" });
}

function decodeMsgpack(bytes: Uint8Array): ReturnType<typeof decodeMessage> {
  const read = readMsgpack(bytes);
  return read.ok ? ok({ value: read.value, encoding: "msgpack" }) : refused(read.code, read.message);
}

export function encodeMessage(value: unknown, encoding: Encoding): Uint8Array {
  if (encoding === "msgpack") return packr.pack(value);
  return textEncoder.encode(JSON.stringify(value, (_key, item: unknown) => bytesToText(item)));
}

function bytesToText(item: unknown): unknown {
  if (item instanceof Uint8Array) return toBase64(item);
  // Node's Buffer has a toJSON that runs before this replacer; undo it.
  if (isBufferJson(item)) return toBase64(Uint8Array.from(item.data));
  return item;
}

function isBufferJson(item: unknown): item is { readonly data: readonly number[] } {
  return typeof item === "object" && item !== null && "type" in item && item.type === "Buffer" && "data" in item;
}

// ECMAScript 2026; Node 22, Node 24 and older browsers fall back to atob and btoa.
interface Base64Bytes {
  toBase64?: () => string;
}
interface Base64Constructor {
  fromBase64?: (text: string) => Uint8Array;
}

export function toBase64(bytes: Uint8Array): string {
  const native = (bytes as Base64Bytes).toBase64;
  if (native) return native.call(bytes);
  let binary = "";
  for (let at = 0; at < bytes.byteLength; at += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(binary);
}

/** Throws on text that is not base64. */
export function fromBase64(text: string): Uint8Array {
  const native = (Uint8Array as Base64Constructor).fromBase64;
  if (native) return native(text);
  // A loop: `Uint8Array.from` with a function takes 7 ms for a picture of 93 KB, this 0.2 ms.
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

export interface Parsed<T> {
  readonly value: T;
  readonly encoding: Encoding;
}

/** A refused message: the error, and the id if one could be read, so that the device knows which request it was. */
export interface Refusal {
  readonly ok: false;
  readonly error: HoldpointError;
  readonly id: string | null;
  readonly encoding: Encoding;
}

export type ParseResult<T> = ({ readonly ok: true } & Parsed<T>) | Refusal;

export function parseRequest(bytes: Uint8Array): ParseResult<DecisionRequest> {
  const parsed = parse(bytes, requestSchema, isPlainRequest);
  if (!parsed.ok) return parsed;
  const index = firstNotFinite(parsed.value.input);
  if (index < 0) return parsed;
  const error = new HoldpointError("HP_NOT_FINITE", notFiniteAt(index));
  return { ok: false, error, id: parsed.value.id, encoding: parsed.encoding };
}

export function parseOutcome(bytes: Uint8Array): ParseResult<Outcome> {
  return parse(bytes, outcomeSchema);
}

export function parseObservedEvent(bytes: Uint8Array): ParseResult<ObservedEvent> {
  return parse(bytes, observedEventSchema);
}

export function parseDecision(bytes: Uint8Array): ParseResult<Decision> {
  return parse(bytes, decisionSchema);
}

function parse<T>(bytes: Uint8Array, schema: z.ZodType<T>, isPlain?: (value: unknown) => value is T): ParseResult<T> {
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return { ok: false, error: decoded.error, id: null, encoding: encodingOf(bytes) ?? "json" };
  const { encoding } = decoded.value;
  const value = encoding === "json" ? withBytes(decoded.value.value) : decoded.value.value;
  if (isPlain?.(value) === true) return { ok: true, value, encoding };
  const id = readableId(value);
  const checked = checkMessage(value, schema);
  return checked.ok ? { ok: true, value: checked.value, encoding } : { ok: false, error: checked.error, id, encoding };
}

/** Checks plain data (bytes as Uint8Array) against a schema. Errors: HP_VERSION, HP_NOT_FINITE, HP_SCHEMA. */
export function checkMessage<T>(value: unknown, schema: z.ZodType<T>): Result<T> {
  const version = member(value, "v");
  if (version !== undefined && version !== 1) {
    return refused("HP_VERSION", `version ${JSON.stringify(version)} is not known here`);
  }
  const result = schema.safeParse(value);
  if (result.success) return ok(result.data);
  const [issue] = result.error.issues;
  const where = issue?.path.join(".") ?? "";
  const message = `${where === "" ? "the message" : where}: ${issue === undefined ? "does not fit the schema" : fault(value, issue)}`;
  return refused(issue !== undefined && isNotFinite(value, issue.path) ? "HP_NOT_FINITE" : "HP_SCHEMA", message);
}

/** Checks a request that was made in this process. Errors: those of `checkMessage`, and HP_NOT_FINITE for its numbers. */
export function checkRequest(value: unknown): Result<DecisionRequest> {
  const checked = isPlainRequest(value) ? ok(value) : checkMessage(value, requestSchema);
  const index = checked.ok ? firstNotFinite(checked.value.input) : -1;
  return index < 0 ? checked : refused("HP_NOT_FINITE", notFiniteAt(index));
}

function notFiniteAt(index: number): string {
  return `input.data has a NaN or an infinity at index ${index}`;
}

/** The two commonest faults in the words of whoever made the message; the schema's own speak of types. */
function fault(value: unknown, issue: z.core.$ZodIssue): string {
  const found = valueAt(value, issue.path);
  if (found === undefined && issue.path.length > 0) return "is missing";
  if (found === "" && issue.code === "too_small") return "must not be empty";
  return issue.message;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => member(at, String(key)), value);
}

function isNotFinite(value: unknown, path: readonly PropertyKey[]): boolean {
  const at = valueAt(value, path);
  return typeof at === "number" && !Number.isFinite(at);
}

/** JSON carries `input.data` as base64; everything behind the codec sees bytes. */
function withBytes(value: unknown): unknown {
  const input = member(value, "input");
  const data = member(input, "data");
  if (typeof data !== "string") return value;
  try {
    return { ...(value as object), input: { ...(input as object), data: fromBase64(data) } };
  } catch {
    return value; // The schema says "must be bytes (base64 in JSON)".
  }
}

function readableId(value: unknown): string | null {
  const id = member(value, "id");
  return typeof id === "string" && idPattern.test(id) ? id : null;
}

function member(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}

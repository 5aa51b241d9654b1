import { fromBase64 } from "./codec.ts";
import { type Context } from "./decision.ts";
import { HoldpointError } from "./errors.ts";
import { inputSchema, type Input, type InputKind, type Scalar } from "./input.ts";

/** What a system that knows nothing of Holdpoint posts, read as an input and its context. Pure. */
export interface ForeignCase {
  readonly input: unknown;
  readonly context: Context | undefined;
}

const kinds: ReadonlySet<string> = new Set(
  inputSchema.options.map((option) => option.shape.kind.value) satisfies InputKind[],
);

/**
 * Four forms, tried in this order:
 * 1. `{ input: { kind, … }, context? }`: an input as the protocol has it;
 * 2. `{ kind, … }`: the input alone;
 * 3. `{ image: "<base64 or data URL>", … }`: a picture; further scalars are its context;
 * 4. any other object: features. Nested objects and lists become `a.b` and `a.0`.
 * Errors: HP_SCHEMA, HP_PICTURE.
 */
export function foreignCase(body: unknown): ForeignCase {
  const record = plainObject(body);
  if (record === null) throw new HoldpointError("HP_SCHEMA", "the body must be an object");
  const nested = plainObject(record["input"]);
  if (nested !== null && typeof nested["kind"] === "string") {
    const { context } = record;
    const unknownKey = Object.keys(record).find((key) => key !== "input" && key !== "context");
    if (unknownKey !== undefined)
      throw new HoldpointError("HP_SCHEMA", `unknown key ${JSON.stringify(unknownKey)} beside input`);
    return { input: withBytes(nested), context: context as Context | undefined };
  }
  if (typeof record["kind"] === "string" && kinds.has(record["kind"]))
    return { input: withBytes(record), context: undefined };
  if (typeof record["image"] === "string" || record["image"] instanceof Uint8Array) {
    const { image, ...others } = record;
    return {
      input: pictureInput(image instanceof Uint8Array ? image : bytesOf(image)),
      context: contextOf(others),
    };
  }
  return { input: { kind: "features", values: flattened(record) }, context: undefined };
}

/** A picture by its first bytes. Errors: HP_PICTURE. */
export function pictureInput(data: Uint8Array): Extract<Input, { kind: "image" }> {
  const encoding = pictureEncoding(data);
  if (encoding === null) throw new HoldpointError("HP_PICTURE", "the image is not a JPEG, PNG or WebP picture");
  return { kind: "image", encoding, data };
}

function pictureEncoding(data: Uint8Array): "jpeg" | "png" | "webp" | null {
  const starts = (bytes: readonly number[], at = 0): boolean => bytes.every((byte, i) => data[at + i] === byte);
  if (starts([0xff, 0xd8, 0xff])) return "jpeg";
  if (starts([0x89, 0x50, 0x4e, 0x47])) return "png";
  return starts([0x52, 0x49, 0x46, 0x46]) && starts([0x57, 0x45, 0x42, 0x50], 8) ? "webp" : null;
}

function bytesOf(text: string): Uint8Array {
  const comma = text.startsWith("data:") ? text.indexOf(",") + 1 : 0;
  try {
    return fromBase64(text.slice(comma));
  } catch (cause) {
    throw new HoldpointError("HP_SCHEMA", "image must be base64 or a data URL", { cause });
  }
}

function withBytes(input: Readonly<Record<string, unknown>>): unknown {
  return typeof input["data"] === "string" ? { ...input, data: bytesOf(input["data"]) } : input;
}

function contextOf(others: Readonly<Record<string, unknown>>): Context | undefined {
  const scalars = Object.entries(flattened(others)).filter(
    (entry): entry is [string, string | number | boolean] => entry[1] !== null,
  );
  return scalars.length > 0 ? Object.fromEntries(scalars) : undefined;
}

/** The codec has bounded depth, size and keys before. Errors: HP_SCHEMA for bytes. */
function flattened(value: Readonly<Record<string, unknown>>): Record<string, Scalar> {
  const flat: Record<string, Scalar> = {};
  const visit = (name: string, item: unknown): void => {
    if (item instanceof Uint8Array) throw new HoldpointError("HP_SCHEMA", `${name}: bytes are no feature`);
    if (typeof item === "object" && item !== null) {
      for (const [key, part] of Object.entries(item)) visit(name === "" ? key : `${name}.${key}`, part);
    } else {
      flat[name] = item as Scalar;
    }
  };
  visit("", value);
  return flat;
}

function plainObject(value: unknown): Readonly<Record<string, unknown>> | null {
  const isPlain =
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
  return isPlain ? (value as Readonly<Record<string, unknown>>) : null;
}

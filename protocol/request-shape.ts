import { type DecisionRequest } from "./decision.ts";
import { idPattern, namePattern } from "./ids.ts";
import { limits } from "./limits.ts";
import { isPlainContext, isRecord, isWithin } from "./plain-values.ts";

/**
 * The way of the requests that come by the ten thousand: a tensor or pixels in an envelope with nothing unusual. True
 * only for what `requestSchema` takes as it is; false says nothing, and the schema, which knows the reasons, is asked.
 * Six times as fast as the schema, which builds a copy of what it reads.
 */
export function isPlainRequest(value: unknown): value is DecisionRequest {
  if (!isRecord(value)) return false;
  for (const key in value) if (!envelopeKeys.has(key)) return false;
  const { v, id, task, at, deadlineMs, input, context } = value as Record<EnvelopeKey, unknown>;
  return (
    v === 1 &&
    typeof id === "string" &&
    idPattern.test(id) &&
    typeof task === "string" &&
    namePattern.test(task) &&
    isWithin(at, 0, 8.64e15) &&
    (deadlineMs === undefined ? !("deadlineMs" in value) : isWithin(deadlineMs, 1, limits.deadlineMsMax)) &&
    isPlainInput(input) &&
    (context === undefined ? !("context" in value) : isPlainContext(context))
  );
}

type EnvelopeKey = "v" | "id" | "task" | "at" | "deadlineMs" | "input" | "context";
const envelopeKeys: ReadonlySet<string> = new Set<EnvelopeKey>([
  "v",
  "id",
  "task",
  "at",
  "deadlineMs",
  "input",
  "context",
]);

function isPlainInput(input: unknown): boolean {
  if (!isRecord(input)) return false;
  const { data } = input as { data?: unknown };
  if (!(data instanceof Uint8Array) || data.byteLength === 0 || data.byteLength > limits.dataBytesMax) return false;
  if (input["kind"] === "pixels") return isPlainPixels(input, data.byteLength);
  return input["kind"] === "tensor" && isPlainTensor(input, data.byteLength);
}

function isPlainPixels(input: Readonly<Record<string, unknown>>, bytes: number): boolean {
  const { width, height, channels } = input as { width: unknown; height: unknown; channels: unknown };
  return (
    Object.keys(input).length === 5 &&
    isWithin(width, 1, limits.pictureSideMax) &&
    isWithin(height, 1, limits.pictureSideMax) &&
    (channels === 1 || channels === 3 || channels === 4) &&
    bytes === width * height * channels
  );
}

/** The dtypes that are sent most; the schema knows the others. */
const dtypeBytes: ReadonlyMap<unknown, number> = new Map([
  ["float32", 4],
  ["uint8", 1],
]);

function isPlainTensor(input: Readonly<Record<string, unknown>>, bytes: number): boolean {
  const { dtype, shape } = input as { dtype: unknown; shape: unknown };
  const width = dtypeBytes.get(dtype);
  if (width === undefined || Object.keys(input).length !== 4) return false;
  if (!Array.isArray(shape) || shape.length === 0 || shape.length > limits.tensorRankMax) return false;
  let product = width;
  for (const size of shape as readonly unknown[]) {
    if (!isWithin(size, 1, 1_000_000)) return false;
    product *= size;
  }
  return product === bytes;
}

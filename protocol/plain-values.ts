import { limits } from "./limits.ts";

/** Checks by hand of plain data as the decoders build it, in front of the schemas: for what comes by the ten thousand. */

/** A map as the decoders build it: no prototype of another kind, no symbols. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

export function isWithin(value: unknown, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

/** The context of a request, and as a reviewer is shown it. */
export function isPlainContext(context: unknown): boolean {
  if (!isRecord(context)) return false;
  const keys = Object.keys(context);
  if (keys.length > limits.contextKeysMax) return false;
  return keys.every((key) => {
    const item = context[key];
    if (key.length === 0 || key.length > limits.textCharsMax) return false;
    return typeof item === "string"
      ? item.length <= limits.textCharsMax
      : typeof item === "boolean" || (typeof item === "number" && Number.isFinite(item));
  });
}

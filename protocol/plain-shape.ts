import { limits } from "./limits.ts";

/**
 * Checks by hand of plain data as the decoders build it, for messages that come by the ten thousand: a schema makes a
 * copy of what it reads, and costs several times as much. Each of these is true only for what the schema beside it takes
 * as it is; false says nothing, and the schema, which knows the reasons, is asked. No check takes `undefined`.
 */
export type PlainCheck = (value: unknown) => boolean;

/** A map with these members and no others; a member that may be left out must be there or not, but never `undefined`. */
export function plainShape(
  required: Readonly<Record<string, PlainCheck>>,
  optional: Readonly<Record<string, PlainCheck>> = {},
): PlainCheck {
  const needed = Object.entries(required);
  const possible = Object.entries(optional);
  return (value) => {
    if (!isRecord(value)) return false;
    let members = needed.length;
    for (const [key, check] of needed) if (!check(value[key])) return false;
    for (const [key, check] of possible) {
      const member = value[key];
      if (member === undefined) continue;
      if (!check(member)) return false;
      members += 1;
    }
    // Every expected member is there, so one too many is an unknown one.
    return Object.keys(value).length === members;
  };
}

export function plainList(check: PlainCheck, itemsMax = Infinity, itemsMin = 0): PlainCheck {
  return (value) => {
    if (!Array.isArray(value) || value.length > itemsMax || value.length < itemsMin) return false;
    for (const item of value as readonly unknown[]) if (!check(item)) return false;
    return true;
  };
}

export function plainText(charsMax: number, charsMin = 0): PlainCheck {
  return (value) => typeof value === "string" && value.length <= charsMax && value.length >= charsMin;
}

export function plainPattern(pattern: RegExp): PlainCheck {
  return (value) => typeof value === "string" && pattern.test(value);
}

export function plainWord(words: readonly unknown[]): PlainCheck {
  const known = new Set(words);
  return (value) => known.has(value);
}

export function plainInteger(min: number, max = Number.MAX_SAFE_INTEGER): PlainCheck {
  return (value) => isWithin(value, min, max);
}

export function plainNumber(min = -Infinity, max = Infinity): PlainCheck {
  return (value) => typeof value === "number" && Number.isFinite(value) && value >= min && value <= max;
}

export const plainFlag: PlainCheck = (value) => typeof value === "boolean";

export function orNull(check: PlainCheck): PlainCheck {
  return (value) => value === null || check(value);
}

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

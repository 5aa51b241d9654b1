import { isRecord, isWithin } from "../../../protocol/index.ts";

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

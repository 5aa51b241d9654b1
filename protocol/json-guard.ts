import { limits } from "./limits.ts";

/**
 * What `JSON.parse` lets through and we do not: a key twice in one object (the last wins without a word), `__proto__`,
 * and nesting that overflows the stack of whoever walks the value. One pass over the text before parsing; long strings
 * (base64) are skipped by search, so a picture costs no more than its length in memchr.
 */
export function jsonFault(text: string): string | null {
  const open: (Set<string> | null)[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text.charCodeAt(at);
    if (char === 0x22) {
      const end = endOfString(text, at);
      if (end < 0) return null; // JSON.parse says so.
      const keys = open[open.length - 1];
      if (keys && isKey(text, end)) {
        const fault = keyFault(keys, text.slice(at + 1, end - 1));
        if (fault !== null) return fault;
      }
      at = end;
      continue;
    }
    if (char === 0x7b) open.push(new Set());
    else if (char === 0x5b) open.push(null);
    else if (char === 0x7d || char === 0x5d) open.pop();
    if (open.length > limits.depthMax) return `nested deeper than ${limits.depthMax}`;
    at += 1;
  }
  return null;
}

/** Index after the closing quote of the string that opens at `start`, or -1. */
function endOfString(text: string, start: number): number {
  let at = start;
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return -1;
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes += 1;
    if (slashes % 2 === 0) return at + 1;
  }
}

function isKey(text: string, after: number): boolean {
  let at = after;
  while (text.charCodeAt(at) <= 0x20) at += 1;
  return text.charCodeAt(at) === 0x3a;
}

function keyFault(keys: Set<string>, raw: string): string | null {
  const key = raw.includes("\\") ? unescaped(raw) : raw;
  if (key === "__proto__") return 'the key "__proto__" is not allowed';
  if (keys.has(key)) return `the key ${JSON.stringify(key)} stands twice`;
  keys.add(key);
  return null;
}

function unescaped(raw: string): string {
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return raw; // JSON.parse of the whole text reports it.
  }
}

import { type DecisionRequest } from "./decision.ts";
import { encodedText } from "./encoded-text.ts";
import { inputData } from "./input.ts";
import { type Hasher } from "./ports.ts";

/**
 * Canonical JSON (RFC 8785): keys sorted by UTF-16 code unit, no white space, numbers as ECMAScript writes them.
 * `undefined` members are left out. Takes plain data without bytes.
 */
export function canonicalJson(value: unknown): string {
  if (Number.isSafeInteger(value)) return String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  return canonicalMembers(value as Readonly<Record<string, unknown>>, null);
}

/** Every request passes here, so its members are joined without lists in between, and what is left out is not copied. */
function canonicalMembers(record: Readonly<Record<string, unknown>>, leftOut: string | null): string {
  let text = "{";
  for (const key of sortedKeys(record)) {
    const member = record[key];
    if (member === undefined || key === leftOut) continue;
    text += `${text.length > 1 ? "," : ""}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `${text}}`;
}

/** By UTF-16 code unit, as `sort` has it; `sort` makes two lists for the few keys that a map mostly has. */
function sortedKeys(record: Readonly<Record<string, unknown>>): readonly string[] {
  const keys = Object.keys(record);
  if (keys.length > insertedKeysMax) return keys.sort();
  for (let i = 1; i < keys.length; i += 1) {
    const key = keys[i] ?? "";
    let at = i;
    for (; at > 0 && key < (keys[at - 1] ?? ""); at -= 1) keys[at] = keys[at - 1] ?? "";
    keys[at] = key;
  }
  return keys;
}

const insertedKeysMax = 16;

/**
 * Identity of a request's body: SHA-256 over the canonical header (`v, id, task, input` without its bytes, `context`),
 * a zero byte, and the input's raw bytes. `at`, `deadlineMs`, the encoding and the transport do not count, so a device
 * may send again later, by another road, and gets the same answer.
 */
export function bodyDigest(hasher: Hasher, request: DecisionRequest): Uint8Array {
  const data = inputData(request.input);
  return hasher.sha256(encodedText(`${canonicalHeader(request)}\0`), data ?? noBytes);
}

/** `canonicalJson` of the header; its own keys stand here in their order, which a property holds against the long way. */
export function canonicalHeader({ v, id, task, input, context }: DecisionRequest): string {
  const inputText = canonicalMembers(input, "data");
  const contextText = context === undefined ? "{}" : canonicalMembers(context, null);
  return `{"context":${contextText},"id":${JSON.stringify(id)},"input":${inputText},"task":${JSON.stringify(task)},"v":${v}}`;
}

const noBytes = new Uint8Array(0);

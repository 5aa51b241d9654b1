import { type DecisionRequest } from "./decision.ts";
import { inputData } from "./input.ts";
import { type Hasher } from "./ports.ts";

const encoder = new TextEncoder();

/**
 * Canonical JSON (RFC 8785): keys sorted by UTF-16 code unit, no white space, numbers as ECMAScript writes them.
 * `undefined` members are left out. Takes plain data without bytes.
 */
export function canonicalJson(value: unknown): string {
  if (Number.isSafeInteger(value)) return String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const record = value as Readonly<Record<string, unknown>>;
  let text = "{";
  // Every request passes here, so its members are joined without lists in between.
  for (const key of Object.keys(record).sort()) {
    const member = record[key];
    if (member === undefined) continue;
    text += `${text.length > 1 ? "," : ""}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `${text}}`;
}

/**
 * Identity of a request's body: SHA-256 over the canonical header (`v, id, task, input` without its bytes, `context`),
 * a zero byte, and the input's raw bytes. `at`, `deadlineMs`, the encoding and the transport do not count, so a device
 * may send again later, by another road, and gets the same answer.
 */
export function bodyDigest(hasher: Hasher, request: DecisionRequest): Uint8Array {
  const { v, id, task, input, context } = request;
  const data = inputData(input);
  const header = canonicalJson({ v, id, task, input: { ...input, data: undefined }, context: context ?? {} });
  return hasher.sha256(encoder.encode(`${header}\0`), data ?? new Uint8Array(0));
}

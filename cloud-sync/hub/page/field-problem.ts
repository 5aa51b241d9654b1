import type { Answered } from "./ask.web.ts";

/** What the hub says is wrong with one field of what was sent. */
export interface FieldProblem<Field extends string> {
  readonly field: Field;
  readonly text: string;
}

/**
 * The field among these that a refusal names (`goldShare: must be …`, `stores.0: must be …`), so that it can be said
 * where it was typed. Null where nothing was refused, or no field is named. Pure.
 */
export function fieldProblemOf<Field extends string>(
  answered: Answered<unknown>,
  fields: readonly Field[],
): FieldProblem<Field> | null {
  if (answered === null || answered.ok || answered.code !== "HP_SCHEMA") return null;
  const found = /^([\w.]+): (.+)$/s.exec(answered.message);
  const field = fields.find((name) => name === found?.[1]?.split(".")[0]);
  const text = found?.[2] ?? "";
  return field === undefined ? null : { field, text: `${text.charAt(0).toUpperCase()}${text.slice(1)}.` };
}

/** A number where one was typed; else the text as it stands, which the hub refuses by name. */
export function typedNumber(text: string): number | string {
  const trimmed = text.trim();
  const number = Number(trimmed);
  return trimmed === "" || !Number.isFinite(number) ? trimmed : number;
}

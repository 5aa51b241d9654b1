import { z } from "zod";
import { mendHint } from "./fault.ts";
import { keyText } from "./key-path.ts";
import { editDistance, nearest } from "./nearest.ts";
import { keyRows } from "./key-table.ts";
import { alternatives, keysAt, metaOf, schemasAt, unionMembers, wordsAt, type Schema } from "./schema-walk.ts";

/** What the schema found wrong, in words, at a path into the data. */
export interface SchemaFault {
  readonly path: readonly (string | number)[];
  /** True where the place to show is the key and not its value. */
  readonly atKey: boolean;
  readonly message: string;
  readonly hint: string;
}

/** Of a thousand faults the first ones are shown; comparing every key with every known one would only take time. */
const issuesMax = 100;

type Issue = z.core.$ZodIssue;
type Path = readonly (string | number)[];

interface Reading {
  /** The whole schema and data, for what is said about a place. */
  readonly root: Schema;
  readonly data: unknown;
  /** The member of a union that is being read, and where it stands. */
  readonly member: Schema;
  readonly base: Path;
}

/** Turns the schema's issues into faults, in the order in which the schema found them. */
export function schemaFaults(issues: readonly Issue[], schema: Schema, data: unknown): readonly SchemaFault[] {
  const faults = issues
    .slice(0, issuesMax)
    .flatMap((issue) => faultsOf(issue, { root: schema, data, member: schema, base: [] }));
  const misspelt = new Set(faults.filter(({ atKey }) => atKey).map(({ path }) => keyText(path.slice(0, -1))));
  // What is missing beside an unknown key is most often that very key, misspelt: one line about it is enough.
  return faults.filter(({ path, atKey }) => atKey || !misspelt.has(keyText(path)));
}

function faultsOf(issue: Issue, reading: Reading): readonly SchemaFault[] {
  const below = issue.path as Path;
  const path: Path = [...reading.base, ...below];
  switch (issue.code) {
    case "unrecognized_keys":
      return unknownKeys(issue.keys, below, path, reading);
    case "invalid_union":
      return unionFaults(issue, path, reading);
    case "invalid_key":
      return [{ path, atKey: true, message: issue.issues[0]?.message ?? issue.message, hint: mendHint }];
    case "invalid_type":
      return [wrongType(path, reading)];
    case "invalid_value":
      return [wrongWord(path, reading)];
    case "too_big":
    case "too_small":
      return [outOfRange(issue, path, reading)];
    case "custom":
    case "invalid_format":
    case "invalid_element":
    case "not_multiple_of":
      return [{ path, atKey: false, message: issue.message, hint: mendHint }];
  }
}

/** A set of keys that may stand at a place, and which of those that were given it does not know. */
interface Shape {
  readonly schema: Schema | null;
  readonly known: readonly string[];
  readonly unknown: readonly string[];
  readonly cost: number;
}

function unknownKeys(names: readonly string[], below: Path, path: Path, reading: Reading): readonly SchemaFault[] {
  const given = Object.keys(valueAt(reading.data, path) ?? {}).slice(0, issuesMax);
  const shapes = schemasAt(reading.member, below)
    .flatMap(alternatives)
    .map((schema) => ({ schema, known: keysAt(schema, []) }))
    .filter(({ known }) => known.length > 0)
    .map((shape) => ({ ...shape, unknown: given.filter((name) => !shape.known.includes(name)) }))
    .map((shape) => ({ ...shape, cost: keysCost(shape.unknown, shape.known) }));
  // The schema speaks for the first member of a union that could go on; the likeliest one says more.
  const best = shapes.reduce<Shape>((least, shape) => (shape.cost < least.cost ? shape : least), {
    schema: null,
    known: keysAt(reading.member, below),
    unknown: names,
    cost: Infinity,
  });
  // All keys are known to that member: what is wrong is a value, and only the member itself can say so.
  if (best.schema !== null && best.unknown.length === 0) {
    const { error } = z.safeParse(best.schema, valueAt(reading.data, path));
    const member = { ...reading, member: best.schema, base: path };
    if (error !== undefined) return error.issues.slice(0, issuesMax).flatMap((inner) => faultsOf(inner, member));
  }
  const unknown = (best.unknown.length > 0 ? best.unknown : names).slice(0, issuesMax);
  return unknown.map((name) => unknownKey(name, path, best.known, reading));
}

function unknownKey(name: string, path: Path, known: readonly string[], { root }: Reading): SchemaFault {
  const near = nearest(name, known) ?? "";
  const elsewhere = keyRows().find((row) => row.key.endsWith(`.${name}`))?.key;
  const message = keysAt(root, path).includes(name)
    ? `"${name}" does not go together with the other keys here; the nearest that does is "${near}"`
    : elsewhere === undefined
      ? `unknown key ${JSON.stringify(shortened(name))}; the nearest is "${near}"`
      : `unknown key "${name}" here; it belongs at ${elsewhere}; the nearest here is "${near}"`;
  return { path: [...path, name], atKey: true, message, hint: `Known here: ${known.join(", ")}.` };
}

interface Member {
  readonly issues: readonly Issue[];
  readonly reading: Reading;
}

/** Of a union's members the one that the writer most likely meant speaks: the one that is cheapest to satisfy. */
function unionFaults(issue: Issue & { code: "invalid_union" }, path: Path, reading: Reading): readonly SchemaFault[] {
  const best = likeliest(issue, path, reading);
  if (best === null) return [wrongType(path, reading)];
  return best.issues.slice(0, issuesMax).flatMap((inner) => faultsOf(inner, best.reading));
}

function likeliest(issue: Issue & { code: "invalid_union" }, path: Path, reading: Reading): Member | null {
  const options = schemasAt(reading.member, path.slice(reading.base.length)).flatMap(unionMembers);
  const members = issue.errors
    .map((issues, index): Member => ({
      issues,
      reading: { ...reading, member: options[index] ?? reading.member, base: path },
    }))
    .filter(({ issues }) => !issues.some(isWrongShape));
  return members.reduce<Member | null>((best, member) => (best && total(best) <= total(member) ? best : member), null);
}

function isWrongShape(issue: Issue): boolean {
  return issue.code === "invalid_type" && issue.path.length === 0;
}

function total({ issues, reading }: Member): number {
  return issues.slice(0, issuesMax).reduce((sum, issue) => sum + cost(issue, reading), 0);
}

function cost(issue: Issue, reading: Reading): number {
  const below = issue.path as Path;
  const path: Path = [...reading.base, ...below];
  if (issue.code === "unrecognized_keys") {
    return keysCost(issue.keys, keysAt(reading.member, below));
  }
  if (issue.code === "invalid_value") {
    const allowed = issue.values.filter((value) => typeof value === "string");
    return 1 + distance(String(valueAt(reading.data, path)), allowed);
  }
  if (issue.code !== "invalid_union") return 1;
  const best = likeliest(issue, path, reading);
  return best === null ? 1 : total(best);
}

function keysCost(unknown: readonly string[], known: readonly string[]): number {
  return unknown.slice(0, issuesMax).reduce((sum, name) => sum + 1 + distance(name, known), 0);
}

/** Share of the word that would have to change, 0 to 1. */
function distance(word: string, candidates: readonly string[]): number {
  const found = nearest(word, candidates);
  return found === null ? 1 : Math.min(1, editDistance(word.slice(0, 64), found) / found.length);
}

function wrongType(path: Path, { root, data }: Reading): SchemaFault {
  const value = valueAt(data, path);
  const last = path.at(-1);
  if (value === undefined && typeof last === "string") {
    const message = `"${last}" is missing`;
    return { path: path.slice(0, -1), atKey: false, message, hint: `Add ${last}: ${kindAt(root, path)}.` };
  }
  const hint = typeof value === "number" && isText(root, path) ? numberHint(value, kindAt(root, path)) : mendHint;
  return { path, atKey: false, message: `must be ${kindAt(root, path)}, not ${shown(value)}`, hint };
}

function numberHint(value: number, kind: string): string {
  if (!Number.isFinite(value)) return mendHint;
  if (kind.startsWith("a duration")) return `Write a unit, for instance ${value}s.`;
  return kind.startsWith("a size") ? `Write a unit, for instance ${value}MB.` : `Put it in quotes: "${value}".`;
}

function wrongWord(path: Path, { root, data }: Reading): SchemaFault {
  const value = valueAt(data, path);
  const words = wordsAt(root, path);
  const near = typeof value === "string" ? nearest(value, words) : null;
  const message = `must be ${words.join(", ")}, not ${shown(value)}${near === null ? "" : `; the nearest is "${near}"`}`;
  return { path, atKey: false, message, hint: mendHint };
}

function outOfRange(issue: Issue & { code: "too_big" | "too_small" }, path: Path, reading: Reading): SchemaFault {
  const value = valueAt(reading.data, path);
  const bound = issue.code === "too_big" ? `at most ${issue.maximum}` : `at least ${issue.minimum}`;
  const what =
    issue.origin === "number" || issue.origin === "int"
      ? `must be ${bound}, not ${shown(value)}`
      : `must have ${bound} ${issue.origin === "string" ? "characters" : "entries"}`;
  const percent =
    typeof value === "number" && value > 1 && value <= 100 && issue.code === "too_big" && issue.maximum === 1;
  return {
    path,
    atKey: false,
    message: what,
    hint: percent ? `Write a share, not percent: ${value / 100}.` : mendHint,
  };
}

function kindAt(schema: Schema, path: Path): string {
  const found = schemasAt(schema, path);
  const kind = found.map(metaOf).find((meta) => meta?.kind != null)?.kind;
  if (kind != null) return kind;
  return found.some((inner) => keysAt(inner, []).length > 0) || path.length < 2 ? "keys with values" : "text";
}

function isText(schema: Schema, path: Path): boolean {
  return schemasAt(schema, path)
    .flatMap(alternatives)
    .some((found) => found._zod.def.type === "string");
}

function valueAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, segment) => {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, segment)) return undefined;
    return (value as Readonly<Record<string | number, unknown>>)[segment];
  }, data);
}

function shown(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "keys with values" : shortened(JSON.stringify(value));
}

function shortened(text: string): string {
  return text.length <= 64 ? text : `${text.slice(0, 63)}…`;
}

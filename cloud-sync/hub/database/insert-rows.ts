import { CompiledQuery } from "kysely";
import { RecentMap, toHex } from "../../../protocol/index.ts";
import { type HubTransaction } from "./database.ts";
import { type HubTables } from "./tables.ts";

/**
 * Many rows with few statements. A query builder makes an object for each value of each row; where hundreds of rows of
 * twenty columns come at once, that costs more than the database does with them. PostgreSQL gets all rows as one JSON
 * value, so that its statement is the same for any number of them; SQLite gets them in pieces of a few sizes, whose
 * statements stay prepared. What all rows of a call have alike (their store, their task, what is empty in a new row) is
 * said once: of the columns of a hundred new cases that is more than half.
 */
export async function insertRows<T extends keyof HubTables>(
  { db }: Pick<HubTransaction, "db">,
  table: T,
  rows: readonly InsertRow<T>[],
  /** What follows the values: `on conflict …`, `returning …`. Never made of anything from outside. */
  tail = "",
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const [first] = rows;
  if (!first) return [];
  if (rows.length > insertRowsMax)
    throw new Error(`${rows.length} rows in one statement; at most ${insertRowsMax} fit`);
  const isPostgres = db.getExecutor().adapter.supportsTransactionalDdl === true;
  const run = async (text: string, parameters: readonly unknown[]): Promise<readonly Returned[]> => {
    return (await db.executeQuery(CompiledQuery.raw(text, [...parameters]))).rows as readonly Returned[];
  };
  const shape = { table, tail, ...columnsOf(rows) };
  const alike = pick(first, shape.alike);
  if (isPostgres) {
    const json = jsonOf(rows.map((row) => pick(row, shape.own)));
    const once = shape.alike.length === 0 ? "" : jsonOf([alike]);
    if (json !== null && once !== null) {
      return run(populating(shape), once === "" ? [json] : [json, once.slice(1, -1)]);
    }
  }
  const inserted: Returned[] = [];
  for (let from = 0; from < rows.length;) {
    const size = isPostgres ? rows.length : pieceOf(rows.length - from, shape.own.length);
    const piece = rows.slice(from, (from += size));
    const text = isPostgres ? numbered(shape, size) : prepared(shape, size);
    inserted.push(...(await run(text, [...Object.values(alike), ...valuesOf(piece, shape.own)])));
  }
  return inserted;
}

export type InsertRow<T extends keyof HubTables> = HubTables[T];
type Returned = Readonly<Record<string, unknown>>;

/** Rows of one call: PostgreSQL counts its placeholders with sixteen bits, where it gets any. */
const insertRowsMax = 1_000;
/** Fewer rows say everything in each: which columns are alike by chance would make a statement of its own each time. */
const alikeRowsMin = 8;
/** Rows and values of one statement of SQLite: its text is short enough to stay prepared. */
const pieceRowsMax = 128;
const pieceValuesMax = 1_500;

interface Shape {
  readonly table: string;
  readonly tail: string;
  /** Columns whose value is the same in all rows, and the others. */
  readonly alike: readonly string[];
  readonly own: readonly string[];
}

function columnsOf(rows: readonly object[]): Pick<Shape, "alike" | "own"> {
  const first = (rows[0] ?? {}) as Returned;
  const alike: string[] = [];
  const own: string[] = [];
  for (const column of Object.keys(first)) {
    const value = first[column];
    const isAlike =
      rows.length >= alikeRowsMin &&
      !(value instanceof Uint8Array) &&
      rows.every((row) => (row as Returned)[column] === value);
    (isAlike ? alike : own).push(column);
  }
  return own.length === 0 ? { alike: [], own: alike } : { alike, own };
}

function pick(row: object, columns: readonly string[]): Returned {
  const picked: Record<string, unknown> = {};
  for (const column of columns) picked[column] = (row as Returned)[column] ?? null;
  return picked;
}

/** The largest power of two that fits: any number of rows is made of the same few statements. */
function pieceOf(left: number, columns: number): number {
  const rows = Math.min(left, pieceRowsMax, Math.max(1, Math.floor(pieceValuesMax / columns)));
  return 2 ** Math.floor(Math.log2(rows));
}

function valuesOf(rows: readonly object[], columns: readonly string[]): readonly unknown[] {
  const values: unknown[] = [];
  for (const row of rows) for (const column of columns) values.push((row as Returned)[column] ?? null);
  return values;
}

/** Half of a character that takes two UTF-16 units: JSON can say it, PostgreSQL's JSON refuses it. */
const halfCharacter = /\\ud[89a-f]/;

/** The rows as PostgreSQL reads them, bytes in hex; null where a text has what only a placeholder can carry. */
function jsonOf(rows: readonly Returned[]): string | null {
  const bytes = Object.entries(rows[0] ?? {}).flatMap(([column, value]) =>
    value instanceof Uint8Array ? [column] : [],
  );
  const plain = bytes.length === 0 ? rows : rows.map((row) => withHex(row, bytes));
  const text = JSON.stringify(plain);
  return halfCharacter.test(text) ? null : text;
}

function withHex(row: Returned, columns: readonly string[]): Returned {
  const hex = columns.map((column) => [column, `\\x${toHex(row[column] as Uint8Array)}`]);
  return { ...row, ...(Object.fromEntries(hex) as Returned) };
}

function populating({ table, tail, alike, own }: Shape): string {
  const columns = [...alike.map((name) => `once."${name}"`), ...own.map((name) => `own."${name}"`)];
  const once = alike.length === 0 ? "" : ` cross join json_populate_record(null::"${table}", $2) once`;
  return `insert into "${table}" (${namesOf([...alike, ...own])}) select ${columns.join(",")}
   from json_populate_recordset(null::"${table}", $1) own${once} ${tail}`;
}

function namesOf(columns: readonly string[]): string {
  return columns.map((column) => `"${column}"`).join(",");
}

/** For what JSON cannot carry: a placeholder for each value of each row. */
function numbered({ table, tail, alike, own }: Shape, rows: number): string {
  const once = alike.map((_, at) => `$${at + 1}`);
  let next = alike.length;
  const values = Array.from({ length: rows }, () => `(${[...once, ...own.map(() => `$${(next += 1)}`)].join(",")})`);
  return `insert into "${table}" (${namesOf([...alike, ...own])}) values ${values.join(",")} ${tail}`;
}

const texts = new RecentMap<string, string>(2_000);

function prepared({ table, tail, alike, own }: Shape, rows: number): string {
  const key = `${table} ${rows} ${alike.join()} ${own.join()} ${tail}`;
  const known = texts.get(key);
  if (known !== undefined) return known;
  const values = `values ${Array.from({ length: rows }, () => `(${own.map(() => "?").join(",")})`).join(",")}`;
  const once = `select ${alike.map((name) => `? as "${name}"`).join(",")}`;
  // `where true`: else what follows could be read as the join's condition.
  const from = alike.length === 0 ? values : `select * from (${once}) cross join (${values}) where true`;
  const text = `insert into "${table}" (${namesOf([...alike, ...own])}) ${from} ${tail}`;
  texts.set(key, text);
  return text;
}

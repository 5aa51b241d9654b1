import { CompiledQuery } from "kysely";
import { RecentMap, toHex } from "../../../protocol/index.ts";
import { type HubTransaction } from "./database.ts";
import { type HubTables } from "./tables.ts";

/**
 * Many rows with few statements. A query builder makes an object for each value of each row; where hundreds of rows of
 * twenty columns come at once, that costs more than the database does with them. PostgreSQL gets all rows as one JSON
 * value, so that its statement is the same for any number of them; SQLite gets them in pieces of a few sizes, whose
 * statements stay prepared.
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
  const columns = Object.keys(first);
  const isPostgres = db.getExecutor().adapter.supportsTransactionalDdl === true;
  const run = async (text: string, parameters: readonly unknown[]): Promise<readonly Returned[]> => {
    return (await db.executeQuery(CompiledQuery.raw(text, [...parameters]))).rows as readonly Returned[];
  };
  const json = isPostgres ? jsonOf(rows) : null;
  if (json !== null) return run(populating(table, columns, tail), [json]);
  const inserted: Returned[] = [];
  for (let from = 0; from < rows.length;) {
    const size = isPostgres ? rows.length : pieceOf(rows.length - from);
    const piece = rows.slice(from, (from += size));
    const text = statement(isPostgres, table, columns, size, tail);
    inserted.push(...(await run(text, valuesOf(piece, columns))));
  }
  return inserted;
}

export type InsertRow<T extends keyof HubTables> = HubTables[T];
type Returned = Readonly<Record<string, unknown>>;

/** Rows of one call: PostgreSQL counts its placeholders with sixteen bits, where it gets any. */
const insertRowsMax = 1_000;
/** Rows of one statement of SQLite: its text is short enough to stay prepared, however many columns there are. */
const pieceRowsMax = 32;

/** The largest power of two that fits: any number of rows is made of the same six statements. */
function pieceOf(left: number): number {
  return Math.min(pieceRowsMax, 2 ** Math.floor(Math.log2(left)));
}

function valuesOf(rows: readonly object[], columns: readonly string[]): readonly unknown[] {
  const values: unknown[] = [];
  for (const row of rows) for (const column of columns) values.push((row as Returned)[column] ?? null);
  return values;
}

/** Half of a character that takes two UTF-16 units: JSON can say it, PostgreSQL's JSON refuses it. */
const halfCharacter = /\\ud[89a-f]/;

/** The rows as PostgreSQL reads them, bytes in hex; null where a text has what only a placeholder can carry. */
function jsonOf(rows: readonly object[]): string | null {
  const bytes = Object.entries(rows[0] ?? {}).flatMap(([column, value]) =>
    value instanceof Uint8Array ? [column] : [],
  );
  const plain = bytes.length === 0 ? rows : rows.map((row) => withHex(row as Returned, bytes));
  const text = JSON.stringify(plain);
  return halfCharacter.test(text) ? null : text;
}

function withHex(row: Returned, columns: readonly string[]): Returned {
  const hex = columns.map((column) => [column, `\\x${toHex(row[column] as Uint8Array)}`]);
  return { ...row, ...(Object.fromEntries(hex) as Returned) };
}

function populating(table: string, columns: readonly string[], tail: string): string {
  const names = namesOf(columns);
  return `insert into "${table}" (${names}) select ${names} from json_populate_recordset(null::"${table}", $1) ${tail}`;
}

function namesOf(columns: readonly string[]): string {
  return columns.map((column) => `"${column}"`).join(",");
}

const texts = new RecentMap<string, string>(2_000);

function statement(isPostgres: boolean, table: string, columns: readonly string[], rows: number, tail: string): string {
  const key = `${isPostgres ? "$" : "?"} ${table} ${rows} ${columns.join()} ${tail}`;
  const known = texts.get(key);
  if (known !== undefined) return known;
  let next = 0;
  const place = (): string => (isPostgres ? `$${(next += 1)}` : "?");
  const values = Array.from({ length: rows }, () => `(${columns.map(place).join(",")})`);
  const text = `insert into "${table}" (${namesOf(columns)}) values ${values.join(",")} ${tail}`;
  texts.set(key, text);
  return text;
}

import { CompiledQuery } from "kysely";
import { RecentMap } from "../../../protocol/index.ts";
import { type HubTransaction } from "./database.ts";
import { type HubTables } from "./tables.ts";

/**
 * Many rows with one statement. A query builder makes an object for each value of each row; where hundreds of rows of
 * twenty columns come at once, that costs more than the database does with them. The text is made once for each number of
 * rows, and differs by nothing but its placeholders between the databases.
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
  const columns = Object.keys(first);
  const parameters: unknown[] = [];
  for (const row of rows)
    for (const column of columns) parameters.push((row as Record<string, unknown>)[column] ?? null);
  const isPostgres = db.getExecutor().adapter.supportsTransactionalDdl === true;
  if (rows.length > insertRowsMax)
    throw new Error(`${rows.length} rows in one statement; at most ${insertRowsMax} fit`);
  const text = statement(isPostgres, table, columns, rows.length, tail);
  const result = await db.executeQuery(CompiledQuery.raw(text, parameters));
  return result.rows as Readonly<Record<string, unknown>>[];
}

export type InsertRow<T extends keyof HubTables> = HubTables[T];

/** Rows of one statement; PostgreSQL counts its placeholders with sixteen bits, SQLite up to 32,766. */
const insertRowsMax = 1_000;

const texts = new RecentMap<string, string>(2_000);

function statement(isPostgres: boolean, table: string, columns: readonly string[], rows: number, tail: string): string {
  const key = `${isPostgres ? "$" : "?"} ${table} ${rows} ${columns.join()} ${tail}`;
  const known = texts.get(key);
  if (known !== undefined) return known;
  let next = 0;
  const place = (): string => (isPostgres ? `$${(next += 1)}` : "?");
  const values = Array.from({ length: rows }, () => `(${columns.map(place).join(",")})`);
  const names = columns.map((column) => `"${column}"`).join(",");
  const text = `insert into "${table}" (${names}) values ${values.join(",")} ${tail}`;
  texts.set(key, text);
  return text;
}

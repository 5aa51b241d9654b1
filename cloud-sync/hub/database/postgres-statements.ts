import { type PostgresPool, type PostgresPoolClient } from "kysely";
import { RecentMap } from "../../../protocol/index.ts";

/** Statements that have a name; PostgreSQL keeps each of them for each connection until that closes. */
const namedMax = 300;
/** Longer ones, or with more values, differ by how many rows they are about: too many of them to keep. */
const namedCharsMax = 4_000;
const namedValuesMax = 40;
/** A text is named when it comes so often: one that is seldom needs no place. */
const namedFrom = 3;
const countedMax = 2_000;

interface NamedStatement {
  readonly name?: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** What it needs of pg's pool. */
interface NamingPool {
  connect(): Promise<NamingClient>;
  end(): Promise<void>;
  readonly options: object;
}

interface NamingClient {
  query(statement: NamedStatement): Promise<unknown>;
  release(): void;
}

/**
 * Gives a name to each statement that comes again and again, so that PostgreSQL parses and plans it once for each
 * connection; for a small question that is most of what it does. Not named is what a kept plan could harm: a result of
 * all columns (they change with a migration of another process), and an order or a limit, whose best plan depends on the
 * values.
 */
export function namedStatements(pool: NamingPool): PostgresPool {
  const nameOf = statementNames();
  // The driver knows a connection by its object.
  const known = new WeakMap<NamingClient, PostgresPoolClient>();
  const named = (client: NamingClient): PostgresPoolClient => {
    // Kysely's other form of a question is a cursor, which the hub has none of.
    const query = (text: string, values: readonly unknown[] = []): Promise<unknown> => {
      const name = nameOf(text, values.length);
      return client.query({ ...(name === null ? {} : { name }), text, values });
    };
    return { query, release: () => client.release() } as PostgresPoolClient;
  };
  return {
    connect: async () => {
      const client = await pool.connect();
      const before = known.get(client);
      if (before) return before;
      const made = named(client);
      known.set(client, made);
      return made;
    },
    end: () => pool.end(),
    options: pool.options,
  };
}

/** The name of a statement's text, or null where it has none. The same text has the same name ever after. */
export function statementNames(): (text: string, values: number) => string | null {
  const names = new Map<string, string>();
  const seen = new RecentMap<string, number>(countedMax);
  return (text, values) => {
    const known = names.get(text);
    if (known !== undefined) return known;
    if (names.size >= namedMax || !mayBeKept(text, values)) return null;
    const times = (seen.get(text) ?? 0) + 1;
    seen.set(text, times);
    if (times < namedFrom) return null;
    const name = `holdpoint_${names.size + 1}`;
    names.set(text, name);
    return name;
  };
}

/** Statements without values (begin, commit, a migration's) go the short way, which needs no plan. */
function mayBeKept(text: string, values: number): boolean {
  if (values === 0 || values > namedValuesMax || text.length > namedCharsMax) return false;
  return !/[ .]\*|\border by\b|\blimit\b/i.test(text);
}

import { Kysely, PostgresDialect, sql } from "kysely";
import type pg from "pg";
import { HoldpointError, type Logger } from "../../../protocol/index.ts";
import { type HubNews } from "./database.ts";
import { type Backend } from "./backend.ts";
import { startNewsChannel } from "./postgres-news.node.ts";
import { namedStatements } from "./postgres-statements.ts";
import { type HubTables } from "./tables.ts";

/** The one file that knows pg. It is an optional peer, so it is loaded when a PostgreSQL is named. */

const connectionsMaxDefault = 10;
const connectTimeoutMs = 5_000;
/** A statement that runs longer than this is a fault; the bench's slowest takes a hundredth of it. */
const statementTimeoutMs = 30_000;
/** Below the minutes after which firewalls forget a silent connection. */
const keepAliveMs = 30_000;
/** Of the type bigint (PostgreSQL's pg_type.dat). */
const isInt8 = (oid: number): boolean => oid === 20;
/** SQL states: serialization_failure, deadlock_detected. */
const retried: ReadonlySet<string> = new Set(["40001", "40P01"]);

export async function openPostgres(options: {
  readonly url: string;
  readonly connectionsMax?: number;
  readonly logger: Logger;
}): Promise<Backend> {
  const { default: driver } = await loadPg();
  // A 64-bit number comes as text; all of ours are below 2^53.
  const types: pg.CustomTypesConfig = {
    getTypeParser: (oid, format): unknown =>
      isInt8(oid) ? Number : (driver.types.getTypeParser(oid, format) as unknown),
  };
  const settings: pg.PoolConfig = {
    connectionString: options.url,
    max: options.connectionsMax ?? connectionsMaxDefault,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    // Who listens for news says nothing by itself: behind a firewall that forgets silent connections it would never notice
    // that it hears no more.
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
    application_name: "holdpoint-hub",
    types,
  };
  const pool = new driver.Pool(settings);
  // An idle connection that breaks is not anybody's error: the next question opens another.
  pool.on("error", (cause) => options.logger.warn("hub_database_connection_lost", { cause }));
  // The pool listens to idle connections only: one that breaks between two statements of a transaction would end the
  // process. The transaction's next statement fails by itself.
  pool.on("connect", (client) => client.on("error", () => undefined));
  const db = new Kysely<HubTables>({ dialect: new PostgresDialect({ pool: namedStatements(pool) }) });
  const listeners = new Set<(news: HubNews) => void>();
  const hear = (news: HubNews): void => {
    for (const listener of listeners) listener(news);
  };
  const channel = startNewsChannel({ connect: () => new driver.Client(settings), hear, logger: options.logger });
  return {
    kind: "postgres",
    db,
    errorOf,
    mayRetry: (cause) => retried.has(stateOf(cause) ?? ""),
    publish: async (trx, news) => {
      // Sent by the commit itself: whoever hears it finds what it tells of.
      // One statement for all: a change of the fleet's config tells a thousand agents.
      const texts = news.map((item) => JSON.stringify(item));
      await sql`select pg_notify('holdpoint', item) from unnest(${texts}::text[]) as item`.execute(trx);
    },
    published: () => undefined,
    onNews: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {
      listeners.clear();
      await channel.close();
      await db.destroy();
    },
  };
}

async function loadPg(): Promise<{ readonly default: typeof pg }> {
  try {
    return await import("pg");
  } catch (cause) {
    throw new HoldpointError("HP_RUNTIME_MISSING", "the package pg is not installed or does not load", {
      hint: "Install it beside holdpoint: npm install pg@8",
      cause,
    });
  }
}

function stateOf(cause: unknown): string | null {
  if (typeof cause !== "object" || cause === null || !("code" in cause)) return null;
  return typeof cause.code === "string" ? cause.code : null;
}

function errorOf(cause: unknown): HoldpointError | null {
  if (cause instanceof HoldpointError) return cause;
  const state = stateOf(cause);
  const message = `the hub's database failed: ${cause instanceof Error ? cause.message : String(cause)}`;
  // Class 53 of the SQL states is "insufficient resources"; 53100 is a full disk.
  if (state === "53100") {
    const hint = "Free space on the database's disk.";
    return new HoldpointError("HP_DISK_FULL", message, { hint, retryAfterMs: 5000, cause });
  }
  // Whoever sends U+0000 hears of it; the database is in no trouble, and the same call fails again.
  if (state === "22021" || state === "22P05") {
    return new HoldpointError("HP_SCHEMA", "a text has the character U+0000 in it", { cause });
  }
  // Class 23: a broken constraint is the caller's to know; it says what already exists.
  if (state?.startsWith("23")) return null;
  const isDatabase = state !== null || /connect|terminat|timeout/i.test(message);
  return isDatabase ? new HoldpointError("HP_DATABASE", message, { retryAfterMs: 1000, cause }) : null;
}

import { InvalidArgumentError, Option } from "commander";
import { isPostgresUrl } from "../../cloud-sync/hub/database/postgres-url.ts";

/** Options that several commands share, so that they read the same everywhere. */

export function dataOption(): Option {
  return new Option("--data <dir>", "data directory of the agent").default(".holdpoint").env("HOLDPOINT_DATA");
}

export interface HubPlace {
  readonly data: string;
  readonly database?: string;
}

/** Where a hub keeps what it knows. */
export function hubDatabaseOptions(): readonly Option[] {
  return [
    new Option("--data <dir>", "data directory of the hub: its SQLite database and its pictures")
      .default(".holdpoint-hub")
      .env("HOLDPOINT_HUB_DATA"),
    new Option("--database <url>", "postgres://… that hub processes share, instead of SQLite")
      .env("HOLDPOINT_HUB_DATABASE")
      .argParser(postgresUrl),
  ];
}

/** Anything else would be a directory for SQLite: a slip of the pen would start an empty hub, and say that all is well. */
export function postgresUrl(text: string): string {
  if (!isPostgresUrl(text)) throw new InvalidArgumentError("Give postgres://user:password@host/database.");
  return text;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export function logLevelOption(level: LogLevel = "info"): Option {
  return new Option("--log <level>", "least level that is logged, to stderr")
    .choices(["debug", "info", "warn", "error", "silent"])
    .default(level);
}

/** `250ms`, `20s`, `5m`, `2h` as milliseconds. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match?.[2] ?? ""];
  if (!match || unitMs === undefined) throw new InvalidArgumentError("Give a duration such as 20s or 5m.");
  return Number(match[1]) * unitMs;
}

/** A TCP port; 0 chooses a free one. */
export function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) {
    throw new InvalidArgumentError("Give a port from 0 to 65535.");
  }
  return value;
}

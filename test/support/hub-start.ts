import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { startHub, type HubOptions, type RunningHub } from "../../cloud-sync/hub/hub.node.ts";
import { silentLogger } from "../../protocol/index.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";

export interface StartedHub {
  readonly hub: RunningHub;
  /** API token of an admin; empty where this was not the first start. */
  readonly token: string;
  readonly invitationPath: string | null;
  readonly dataDir: string;
  /** Address of the PostgreSQL, or null on SQLite. */
  readonly database: string | null;
}

export type StartHub = (more?: Partial<HubOptions>) => Promise<StartedHub>;

/** Runs one suite over SQLite and over a real PostgreSQL. Each `start` begins a hub with a database of its own. */
export function overBothDatabases(
  title: string,
  suite: (start: StartHub, kind: "sqlite" | "postgres", server: () => TestPostgres) => void,
): void {
  const dirs: string[] = [];
  const newDir = (): string => {
    const dir = mkdtempSync(join(tmpdir(), "holdpoint-hub-"));
    dirs.push(dir);
    return dir;
  };
  afterAll(() => {
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
  });
  overBothUrls(title, (newUrl, kind, server) =>
    suite(
      async (more = {}) => {
        const database = await newUrl();
        return beginHub({ dataDir: newDir(), ...(database === undefined ? {} : { database }), ...more });
      },
      kind,
      server,
    ),
  );
}

/**
 * Runs one suite over SQLite and over a real PostgreSQL. `newUrl` gives the address of an empty database, and undefined
 * where the suite is to take SQLite.
 */
export function overBothUrls(
  title: string,
  suite: (newUrl: () => Promise<string | undefined>, kind: "sqlite" | "postgres", server: () => TestPostgres) => void,
): void {
  const none = (): never => {
    throw new Error("there is no PostgreSQL in this suite");
  };
  describe(`${title} on SQLite`, () => suite(() => Promise.resolve(undefined), "sqlite", none));
  describe(`${title} on PostgreSQL`, () => {
    let server: TestPostgres;
    beforeAll(async () => {
      server = await startPostgres();
    });
    afterAll(() => server.close());
    suite(
      () => server.createDatabase(),
      "postgres",
      () => server,
    );
  });
}

export async function beginHub(more: Partial<HubOptions> & { readonly dataDir: string }): Promise<StartedHub> {
  let token = "";
  let invitationPath: string | null = null;
  const hub = await startHub({
    host: "127.0.0.1",
    port: 0,
    logger: silentLogger,
    passwordCost: { n: 1024, r: 8, p: 1 },
    onAdminToken: (made, path) => {
      token = made;
      invitationPath = path;
    },
    ...more,
  });
  return { hub, token, invitationPath, dataDir: more.dataDir, database: more.database ?? null };
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { callHub } from "../support/hub-agent.ts";
import { enterPerson, type TestPerson } from "../support/hub-people.ts";
import { startHubProcess, type HubProcess } from "../support/hub-process.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

/** A hub as a process that dies and comes back on the same port, on SQLite or on a PostgreSQL of its own. */
export interface HubPlace {
  readonly postgres: TestPostgres | null;
  readonly token: string;
  readonly port: number;
  readonly url: string;
  /** SIGKILL, and the next life on the same data. */
  killAndRestart(): Promise<void>;
  /** A token with which an agent of the store enrols. */
  enrolToken(store: string, agent: string): Promise<string>;
  reviewers(count: number): Promise<readonly TestPerson[]>;
  /** Nothing is mixed in and nobody is asked twice: who has a case is then a plain question. */
  plainRules(task: string): Promise<void>;
  /** Every case that the hub has. */
  cases(): Promise<readonly HubCase[]>;
  close(): Promise<void>;
}

export interface HubCase {
  readonly id: string;
  readonly store: string;
  readonly decisionId: string;
  readonly state: string;
  readonly finalLabel: string | null;
  readonly finalBy: string | null;
  readonly receivedMs: number;
  readonly picture: "none" | "wanted" | "kept" | "gone";
}

export async function hubPlace(kind: "sqlite" | "postgres"): Promise<HubPlace> {
  const dataDir = await mkdtemp(join(tmpdir(), "holdpoint-hub-"));
  const postgres = kind === "postgres" ? await startPostgres() : null;
  const database = postgres ? await postgres.createDatabase() : null;
  let hub: HubProcess = await startHubProcess({ dataDir, database });
  const { port, url } = hub;
  const token = hub.adminToken ?? "";
  const ask = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const { status, json } = await callHub(url, token, method, path, body);
    if (status !== 200) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(json)}`);
    return json;
  };
  return {
    ...{ postgres, token, port, url },
    killAndRestart: async () => {
      await hub.kill();
      hub = await startHubProcess({ dataDir, database, port });
    },
    enrolToken: async (store, agent) => String((await ask("POST", "/v1/fleet/tokens", { store, agent }))["token"]),
    reviewers: (count) =>
      Promise.all(Array.from({ length: count }, () => enterPerson(url, token, "reviewer", { stores: null }))),
    plainRules: async (task) => {
      const rules = { reviewersNeeded: 1, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null };
      await ask("PUT", `/v1/reviews/rules/${task}`, rules);
    },
    cases: async () => {
      const all: HubCase[] = [];
      for (let cursor: string | null = ""; cursor !== null;) {
        const page: Record<string, unknown> = await ask(
          "GET",
          `/v1/cases?limit=100${cursor === "" ? "" : `&cursor=${cursor}`}`,
        );
        all.push(...(page["items"] as HubCase[]));
        cursor = page["cursor"] as string | null;
      }
      return all;
    },
    close: async () => {
      await hub.stop();
      await postgres?.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

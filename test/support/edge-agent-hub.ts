import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startAgent, type RunningAgent } from "../../edge-agent/agent.node.ts";
import { type HubLinkOptions } from "../../edge-agent/hub-link.node.ts";
import {
  encodeMessage,
  newId,
  silentLogger,
  type DecisionRequest,
  type FeedItem,
  type Input,
} from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { openDatabase, type Database } from "../../protocol/platform/sqlite.node.ts";
import { callHub } from "./hub-agent.ts";
import { beginHub, type StartedHub } from "./hub-start.ts";

/** A real hub over SQLite and real agents over it, in one process; the hub's rows are read from its file. */
export interface EdgeHub {
  readonly started: StartedHub;
  readonly url: string;
  readonly database: Database;
  enrolToken(store?: string, agent?: string): Promise<string>;
  /** Writes an item into an agent's feed as the hub's rooms do. */
  tell(agentId: string, item: Unnumbered<FeedItem>): void;
  rows(sql: string, ...values: readonly unknown[]): readonly Readonly<Record<string, string>>[];
  close(): Promise<void>;
}

type Unnumbered<T> = T extends unknown ? Omit<T, "seq"> : never;

export async function edgeHub(
  dataDir = mkdtempSync(join(tmpdir(), "holdpoint-edge-hub-")),
  port = 0,
): Promise<EdgeHub> {
  const started = await beginHub({ dataDir, port });
  const database = await openDatabase(join(dataDir, "hub.db"), { mustExist: true });
  return {
    started,
    url: started.hub.url,
    database,
    enrolToken: async (store = "store_1", agent = "box-1") => {
      const made = await callHub(started.hub.url, started.token, "POST", "/v1/fleet/tokens", { store, agent });
      return String(made.json["token"]);
    },
    tell: (agentId, item) => {
      const step = database.transaction(() => {
        database.prepare("UPDATE agents SET feed_seq = feed_seq + 1 WHERE agent_id = ?").run(agentId);
        database
          .prepare(
            `INSERT INTO feed_items (agent_id, seq, kind, body, made_ms)
             SELECT agent_id, feed_seq, ?, ?, ? FROM agents WHERE agent_id = ?`,
          )
          .run(item.kind, JSON.stringify(item), Date.now(), agentId);
      });
      step();
    },
    rows: (sql, ...values) => database.prepare(sql).all(...values) as Record<string, string>[],
    close: async () => {
      database.close();
      await started.hub.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Fast enough for a test, and otherwise the usual pace. */
export const quickPace: NonNullable<HubLinkOptions["pace"]> = {
  ...{ startMsMax: 10, baseMs: 40, capMs: 400, comebackMsMax: 50, feedWaitMs: 300 },
};

export interface HubbedAgent {
  readonly agent: RunningAgent;
  readonly dataDir: string;
  /** Hands in a request that a person must decide, and resolves with its id when it is pending. */
  hold(input?: Input, task?: string): Promise<string>;
  agentId(): string;
  /** Stops it; with `keep` its directory stays for the next one. */
  close(keep?: boolean): Promise<void>;
}

export const heldConfig = `store_id: store_1
tasks:
  people_only: { question: Which one?, labels: [apple, pear], safe_action: { label: ask-shopper }, review_within: 1h, costs: { review: 0.08, wrong_accept: 3.5, currency: USD } }
`;

export async function hubbedAgent(
  hub: HubLinkOptions,
  dataDir = mkdtempSync(join(tmpdir(), "holdpoint-edge-agent-")),
  config = heldConfig,
): Promise<HubbedAgent> {
  const configFile = join(dataDir, "store.yaml");
  writeFileSync(configFile, config);
  const agent = await startAgent({
    ...{ dataDir, name: "box-1", configFiles: [{ layer: "store", path: configFile }] },
    ...{ mqtt: null, http: { host: "127.0.0.1", port: 0 }, review: null, models: {}, logger: silentLogger },
    hub: { pace: quickPace, ...hub },
  });
  return {
    agent,
    dataDir,
    hold: async (input = { kind: "features", values: { grams: 12 } }, task = "people_only") => {
      const id = newId(systemClock, systemRandom);
      const request: DecisionRequest = { v: 1, id, task, at: 1_795_000_000_000, input, context: { shelf: "C2" } };
      const bytes = encodeMessage(request, "msgpack");
      const taken = await agent.service.submit({ device: "camera-1", bytes, transport: "http" });
      if (taken.kind !== "durable") throw taken.error;
      await agent.service.wait("camera-1", id, "decided", 10_000);
      return id;
    },
    agentId: () => agent.hub?.().agentId ?? "",
    close: async (keep = false) => {
      await agent.close();
      if (!keep) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export async function until(what: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
  const endMs = Date.now() + withinMs;
  while (!(await what())) {
    if (Date.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

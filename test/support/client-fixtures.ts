import { type Decision, type Input } from "../../protocol/index.ts";
import { connect, defaultPolicy, type Client, type ClientPolicy, type ConnectOptions } from "../../sdk/client/index.ts";
import { type ScriptedAgent } from "./scripted-agent.ts";

/** The client's own waits, short enough for a test. */
export const quickPolicy: ClientPolicy = {
  ...defaultPolicy,
  link: { reconnect: { baseMs: 20, capMs: 200 }, stableMs: 1_000 },
  request: {
    retry: { baseMs: 20, capMs: 200 },
    acknowledge: { baseMs: 1_000, capMs: 2_000 },
    askFirst: { baseMs: 200, capMs: 500 },
    askFinal: { baseMs: 400, capMs: 800 },
  },
  patienceMs: 5_000,
  graceMs: 5_000,
};

export type Way = "mqtt" | "http";

export function clientOf(agent: ScriptedAgent, way: Way, options: Partial<ConnectOptions> = {}): Client {
  return connect({
    url: way === "mqtt" ? agent.url : agent.httpUrl,
    device: agent.device,
    secret: agent.secret,
    policy: quickPolicy,
    ...options,
  });
}

export function cart(grams: number): Input {
  return { kind: "features", values: { grams } };
}

/** Revisions as they are shown. */
export function recordRevisions(client: Client): { readonly shown: Decision[]; readonly keys: () => string[] } {
  const shown: Decision[] = [];
  client.on("revision", (decision) => shown.push(decision));
  return { shown, keys: () => shown.map(({ id, revision }) => `${id}/${revision}`) };
}

export async function eventually(holds: () => boolean, what: string, withinMs = 10_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

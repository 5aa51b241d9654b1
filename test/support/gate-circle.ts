import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseManifest } from "../../models/index.ts";
import { encodeMessage, newId, type AgentStatus, type Decision, type HeldCases } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { openDatabase } from "../../protocol/platform/sqlite.node.ts";
import { root } from "./agent-process.ts";
import { hubbedAgent, until, type HubbedAgent } from "./edge-agent-hub.ts";
import { callHub } from "./hub-agent.ts";
import { enterPerson, type TestPerson } from "./hub-people.ts";
import { beginHub, type StartedHub } from "./hub-start.ts";

const folder = join(root, "models/zoo/product-id");
const manifest = parseManifest(JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")));
if (!manifest.ok) throw manifest.error;

/** The shipped model's manifest, and the task that it is for. */
export const circleModel = manifest.value;
const { task } = circleModel;
const config = `store_id: store_1
models: { ${task}: { model_path: ${join(folder, "model.onnx")} } }
`;

type GateTold = NonNullable<AgentStatus["gates"]>[number];

/** A hub, an agent with the shipped model, and two leads who answer whatever they are shown; all real. */
export interface GateCircle {
  readonly box: HubbedAgent;
  /** What every reviewer says of every picture; nobody answers while it is empty. */
  say(label: string): void;
  call(method: string, path: string, body?: unknown): ReturnType<typeof callHub>;
  /** A gate of the task, as the agent's status tells it. */
  gate(rung: "fine" | "coarse"): Promise<GateTold | undefined>;
  decide(): Promise<Decision>;
  decideMany(count: number): Promise<readonly Decision[]>;
  /** Rows of the hub's database. */
  rows(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Nobody answers any more, and the hub is gone. */
  endHub(): Promise<void>;
  close(): Promise<void>;
}

/** @param layer the fleet's config layer, with the task's contract */
export async function openGateCircle(layer: string): Promise<GateCircle> {
  const dataDir = mkdtempSync(join(tmpdir(), "holdpoint-gate-circle-"));
  const stop = new AbortController();
  let truth = "";
  const hub: StartedHub = await beginHub({ dataDir, reviewPolicy: { undoWindowMs: 20 } });
  const call = (method: string, path: string, body?: unknown) => callHub(hub.hub.url, hub.token, method, path, body);
  const made = await call("POST", "/v1/fleet/tokens", { store: "store_1", agent: "box-1" });
  await call("PUT", "/v1/config/layers/fleet/-", { text: layer, revision: 0, why: "At most one in five wrong" });
  const rules = { reviewersNeeded: 1, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null };
  await call("PUT", `/v1/reviews/rules/${task}`, rules);
  const box = await hubbedAgent({ url: hub.hub.url, token: String(made.json["token"]) }, undefined, config);
  const gate = async (rung: "fine" | "coarse") =>
    (await box.agent.status()).gates?.find((one) => one.task === task && one.rung === rung);
  await until(async () => ((await box.agent.status()).gates?.length ?? 0) > 0);
  await until(async () => ((await call("GET", "/v1/gates")).json["items"] as unknown[]).length > 0);
  // Whoever has answered a case does not adjudicate it: two leads.
  const people = [await enterPerson(hub.hub.url, hub.token, "lead"), await enterPerson(hub.hub.url, hub.token, "lead")];
  const working = Promise.all(people.map((person) => review(person)));

  async function review({ browser }: TestPerson): Promise<void> {
    while (!stop.signal.aborted) {
      const next = truth === "" ? null : await browser.call("POST", "/v1/review/next", {}).catch(() => null);
      const cases = next?.status === 200 ? (next.json as unknown as HeldCases).cases : [];
      for (const { id, lease } of cases) {
        const answer = { kind: "label", label: truth };
        const body = { answer, generation: lease?.generation ?? 0, reviewId: id, tookMs: 1 };
        await browser.call("POST", `/v1/review/cases/${id}/submit`, body).catch(() => null);
      }
      if (cases.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async function decide(): Promise<Decision> {
    const id = newId(systemClock, systemRandom);
    const side = 64;
    const data = new Uint8Array(side * side * 3).fill(99);
    const input = { kind: "pixels", width: side, height: side, channels: 3, data } as const;
    const bytes = encodeMessage({ v: 1, id, task, at: Date.now(), deadlineMs: 20_000, input }, "msgpack");
    const taken = await box.agent.service.submit({ device: "camera-1", bytes, transport: "http" });
    if (taken.kind !== "durable") throw new Error("not taken");
    const decision = await box.agent.service.wait("camera-1", id, "decided", 20_000);
    if (!decision) throw new Error("not decided");
    return decision;
  }

  const endHub = async (): Promise<void> => {
    stop.abort();
    await working;
    await hub.hub.close();
  };
  return {
    ...{ box, call, gate, decide, endHub },
    say: (label) => {
      truth = label;
    },
    decideMany: async (count) => {
      const decided: Decision[] = [];
      for (let n = 0; n < count; n += 1) decided.push(await decide());
      return decided;
    },
    rows: async (sql) => {
      const database = await openDatabase(join(dataDir, "hub.db"), { mustExist: true });
      const found = database.prepare(sql).all() as Record<string, unknown>[];
      database.close();
      return found;
    },
    close: async () => {
      stop.abort();
      await working;
      await box.close();
      await hub.hub.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

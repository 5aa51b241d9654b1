import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { resolveConfig } from "../../config/index.ts";
import { createAgentService } from "../../edge-agent/agent-service.ts";
import { startAgent } from "../../edge-agent/agent.node.ts";
import { startBroker } from "../../edge-agent/broker/broker.node.ts";
import { openDeviceDirectory } from "../../edge-agent/devices/directory.node.ts";
import { type CaseOrigin, type Journal } from "../../edge-agent/journal/journal.ts";
import { createMetrics } from "../../edge-agent/metrics.node.ts";
import { silentLogger } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createPipeline, Engine, wantedModels, type CaseStore } from "../../sdk/index.ts";
import { readFile } from "node:fs/promises";
import { scriptedHost } from "../support/scripted-host.ts";

/**
 * The agent through its programmatic interface, so that a bench can look inside its process: asked by a message, it
 * tells the delays of its event loop since the last question and its memory. `--bare` is the same agent without journal and model,
 * `--review` lets people in the store be asked, `--hub` and `--enrol` those at a hub.
 */
const { values } = parseArgs({
  options: {
    data: { type: "string" },
    config: { type: "string" },
    bare: { type: "boolean" },
    review: { type: "boolean" },
    hub: { type: "string" },
    enrol: { type: "string" },
  },
});
const { data: dataDir = "", config = "", hub = "", enrol: token = "" } = values;
async function startWhole(): Promise<number> {
  const agent = await startAgent({
    dataDir,
    name: "bench",
    configFiles: [{ layer: "store", path: config }],
    mqtt: { host: "127.0.0.1", port: 0 },
    http: null,
    review: values.review === true ? { host: "127.0.0.1", port: 0 } : null,
    models: {},
    ...(hub === "" ? {} : { hub: { url: hub, token } }),
    logger: silentLogger,
  });
  return agent.broker?.port ?? 0;
}

async function startBare(): Promise<number> {
  const shared = { clock: systemClock, timers: systemTimers, logger: silentLogger };
  const text = await readFile(config, "utf8");
  const resolved = resolveConfig([{ layer: "store", file: config, text }], nodeHasher);
  if (!resolved.ok) throw resolved.error;
  const effective = { ...resolved.value.config, revision: 1 };
  const host = scriptedHost(0.99);
  await host.apply(wantedModels(effective));
  const secret = new Uint8Array(32);
  const pipeline = createPipeline({ ...shared, config: effective, host, secret, hasher: nodeHasher });
  const engine = new Engine<CaseOrigin>({
    ...shared,
    store: forgetful,
    pipeline,
    hasher: nodeHasher,
    reviewer: () => false,
    storage: () => true,
    configOf: () => Promise.resolve(null),
    inFlightMax: 8192,
    waitersMax: 1,
  });
  const metrics = createMetrics();
  const service = createAgentService({
    storeId: effective.storeId,
    engine,
    journal: forgetfulJournal,
    metrics,
    logger: silentLogger,
    status: () => Promise.reject(new Error("not asked")),
    onEvent: () => undefined,
    onDelivered: () => undefined,
  });
  const devices = await openDeviceDirectory({ ...shared, dir: dataDir });
  const doors = { ...shared, service, devices, metrics, host: "127.0.0.1", port: 0, agentName: "bench" };
  return (await startBroker(doors)).port;
}

/** Takes everything and keeps nothing. */
const forgetful: CaseStore<object> = {
  admit: ({ decision }) => Promise.resolve(decision?.() ? { kind: "admitted", decided: true } : { kind: "admitted" }),
  decide: () => Promise.resolve(),
  review: () => Promise.resolve({ kind: "unknown" }),
  settle: () => Promise.resolve(null),
  find: () => Promise.resolve(null),
};
const forgetfulJournal = {
  delivered: () => Promise.resolve(),
  undelivered: () => Promise.resolve([]),
  find: () => Promise.resolve(null),
} as unknown as Journal;

const mqttPort = await (values.bare === true ? startBare() : startWhole());

const startedInMs = performance.now();

// For the question that asks for it; nothing else here forces a collection.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const loop = monitorEventLoopDelay({ resolution: 1 });
loop.enable();
process.on("message", (question) => {
  if (question === "collected") collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  const loopP99Ms = loop.percentile(99) / 1e6;
  process.send?.({ loopP99Ms, rssBytes: rss, heapBytes: heapUsed + external, startedInMs });
  loop.reset();
});
process.on("disconnect", () => process.exit(0));
process.send?.({ mqttPort });

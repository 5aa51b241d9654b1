import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { importModel } from "../../models/index.node.ts";
import { HoldpointError, silentLogger } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { createLogger } from "../../protocol/platform/log.node.ts";
import { startAgent, type RunningAgent } from "../agent.node.ts";
import { openJournal } from "../journal/journal.node.ts";
import { addDevice } from "../devices/directory.node.ts";
import { DemoFleet, demoPlaces, type DemoDevice } from "./demo/devices.node.ts";
import { startDemoHub, type DemoHub } from "./demo/hub.node.ts";
import { drawnPictures, realPictures, type DemoPicture } from "./demo/pictures.node.ts";
import { Tally, type DemoSummary } from "./demo/tally.ts";
import { durationMs, logLevelOption, port, type LogLevel } from "./options.node.ts";
import { printJson, printLine, printNote } from "./output.node.ts";
import { untilStopped } from "./signals.node.ts";

interface DemoFlags {
  readonly duration?: number;
  readonly images?: string;
  readonly json?: boolean;
  readonly rate: number;
  readonly data: string;
  readonly mqttPort?: number;
  readonly httpPort?: number;
  readonly reviewPort?: number;
  readonly hubPort?: number;
  readonly log: LogLevel;
}

const storeId = "store_demo";
const agentName = "demo";
/** After the last picture: time for the answers that are under way. */
const graceMs = 10_000;

/** `holdpoint demo`: three simulated devices, an agent and a hub, with nothing to install or configure. */
export function demoCommand(): Command {
  return new Command("demo")
    .description("Two cameras, a till, their agent and a hub with its review page, on drawn or on real pictures.")
    .option("--duration <time>", "end by itself after this long, for instance 20s", durationMs)
    .option("--images <path>", "folder or tar file of pictures, <label>/<file>.jpg; drawn ones without it")
    .option("--rate <n>", "pictures a second of each device", rate, 4)
    .option("--data <dir>", "data directory of the demo; emptied at the start", join(".holdpoint", "demo"))
    .option("--mqtt-port <port>", "MQTT port (1883, or a free one if it is taken)", port)
    .option("--http-port <port>", "HTTP port (8787, or a free one if it is taken)", port)
    .option("--review-port <port>", "port of the store's own review page (8788, or a free one if it is taken)", port)
    .option("--hub-port <port>", "port of the hub (8790, or a free one if it is taken)", port)
    .option("--json", "the summary for machines, nothing else on stdout")
    .addOption(logLevelOption("warn"))
    .action(async (flags: DemoFlags) => {
      const summary = await runDemo(flags);
      if (flags.json) printJson(summary);
      else printSummary(summary);
      if (summary.lost > 0 || summary.doubled > 0) process.exitCode = 1;
    });
}

async function runDemo(asked: DemoFlags): Promise<DemoSummary> {
  const flags = { ...asked, data: await freeDirectory(asked.data) };
  const { source, pictures } = flags.images === undefined ? await drawnPictures() : await realPictures(flags.images);
  const devices = await prepare(flags.data, source === "drawn" ? drawnGate : realGate);
  const logger = createLogger(flags.log, "demo");
  const hub = await startDemoHub({
    ...{ data: flags.data, store: storeId, agent: agentName, port: flags.hubPort, logger },
  });
  try {
    return await runStore(flags, hub, { source, pictures, devices });
  } finally {
    await hub.close();
  }
}

interface DemoStore {
  readonly source: string;
  readonly pictures: readonly DemoPicture[];
  readonly devices: readonly DemoDevice[];
}

async function runStore(
  flags: DemoFlags,
  hub: DemoHub,
  { source, pictures, devices }: DemoStore,
): Promise<DemoSummary> {
  const agent = await startDemoAgent(flags, hub);
  const tally = new Tally();
  const mqttPort = agent.broker?.port ?? 0;
  await writeCredentials(mqttPort, agent, hub, devices);
  const url = `mqtt://127.0.0.1:${mqttPort}`;
  const fleet = new DemoFleet({ url, store: agent.storeId, devices, pictures, perSecond: flags.rate, tally });
  try {
    if (!flags.json) introduce(agent, hub, source, pictures.length);
    fleet.start();
    const ended = new AbortController();
    const live = flags.json ? Promise.resolve() : showLive(tally, agent, source, ended.signal);
    await Promise.race([untilStopped(), ...(flags.duration === undefined ? [] : [sleep(flags.duration)])]);
    await fleet.stop(graceMs);
    ended.abort();
    await live;
    return tally.summary(source);
  } finally {
    await fleet.close();
    await agent.close();
  }
}

/** An empty data directory with the shipped model and three devices. */
async function prepare(data: string, gate: DemoGate): Promise<readonly DemoDevice[]> {
  await clearDemo(data);
  await mkdir(data, { recursive: true, mode: 0o700 });
  const imported = await importModel(zooModel("product-id"), { registryDir: join(data, "models"), activate: true });
  if (!imported.ok) throw imported.error;
  await writeFile(join(data, "store.yaml"), demoConfig(gate));
  const devices: DemoDevice[] = [];
  for (const place of demoPlaces) {
    devices.push({ ...place, secret: await addDevice(data, place.name, systemClock.wallMs()) });
  }
  return devices;
}

/** A demo that runs keeps its directory: the second one takes another. */
async function freeDirectory(asked: string): Promise<string> {
  if (!existsSync(join(asked, "store.yaml"))) return asked;
  try {
    const { journal } = await openJournal({
      ...{ dir: asked, clock: systemClock, timers: systemTimers, random: systemRandom, logger: silentLogger },
      retention: { journalBytesMax: 1, inputKeepMs: 1, unansweredMaxMs: 1 },
    });
    await journal.close();
    return asked;
  } catch (cause) {
    if (cause instanceof HoldpointError && cause.code === "HP_LOCKED")
      return mkdtemp(join(tmpdir(), "holdpoint-demo-"));
    // A damaged one is removed like any other: it is a demo's.
    return asked;
  }
}

/** Only what a demo made is removed: never a directory that somebody named by mistake. */
async function clearDemo(data: string): Promise<void> {
  if (!existsSync(data)) return;
  const config = join(data, "store.yaml");
  if (!existsSync(config)) {
    const hint = "Name an empty directory, or one that an earlier demo made.";
    throw new HoldpointError("HP_USAGE", `${data} is not a demo's data directory`, { hint });
  }
  await rm(data, { recursive: true, force: true });
}

interface DemoGate {
  readonly fine: number;
  readonly coarse: number;
  readonly note: string;
}

/** The model's card: 5 % certified error on real pictures at 0.876 fine and 0.724 coarse. */
const realGate: DemoGate = {
  fine: 0.88,
  coarse: 0.95,
  note: "5 % certified error on the card's pictures; the group stricter",
};
/** The model has never seen a drawing: a low gate, so that the demo shows both ways. Nothing is certified there. */
const drawnGate: DemoGate = {
  fine: 0.6,
  coarse: 0.9,
  note: "low, because the pictures are drawn and the model knows real ones",
};

const demoConfig = ({
  fine,
  coarse,
  note,
}: DemoGate): string => `# The store of \`holdpoint demo\`. Change a number while it runs: the next decision is made under it.
store_id: ${storeId}
models:
  product_identification: { model: product-id@^1, batch_size: 8 }
thresholds:
  product_identification: { default: ${fine}, coarse: ${coarse} }   # ${note}
tasks:
  product_identification:
    question: Which product is it?
    decide_within: 2s
    review_within: 15m
    fallback: [coarse_answer, human_review, safe_action]
    safe_action: { label: ask-shopper }
    escalations_per_hour: 600   # what one person can answer; the rest takes the safe action
    audit_share: 0.02
`;

/** The folder of a shipped model, from the package and from the checkout. */
function zooModel(name: string): string {
  for (const up of ["../../", "../", "../../../"]) {
    const folder = fileURLToPath(new URL(`${up}models/zoo/${name}/`, import.meta.url));
    if (existsSync(join(folder, "manifest.json"))) return folder;
  }
  throw new HoldpointError("HP_MODEL_NOT_FOUND", `the package has no model ${name}`);
}

async function startDemoAgent(flags: DemoFlags, hub: DemoHub): Promise<RunningAgent> {
  const start = (free: boolean): Promise<RunningAgent> => {
    const on = (asked: number | undefined, usual: number) => ({
      host: "127.0.0.1",
      port: asked ?? (free ? 0 : usual),
    });
    return startAgent({
      dataDir: flags.data,
      name: agentName,
      configFiles: [{ layer: "store", path: join(flags.data, "store.yaml") }],
      mqtt: on(flags.mqttPort, 1883),
      http: on(flags.httpPort, 8787),
      review: on(flags.reviewPort, 8788),
      hub: { url: hub.url, token: hub.enrolToken },
      models: {},
      logger: createLogger(flags.log, "demo"),
    });
  };
  try {
    return await start(false);
  } catch (cause) {
    // A usual port is taken, perhaps by a real agent: the demo steps aside instead of failing.
    if (cause instanceof HoldpointError && cause.code === "HP_PORT") return start(true);
    throw cause;
  }
}

async function writeCredentials(
  mqttPort: number,
  agent: RunningAgent,
  { url, login, password }: DemoHub,
  devices: readonly DemoDevice[],
): Promise<void> {
  const credentials = {
    store: agent.storeId,
    mqtt: { host: "127.0.0.1", port: mqttPort },
    http: agent.http?.url ?? null,
    review: agent.review?.url ?? null,
    hub: { url, login, password },
    devices: devices.map(({ name, secret }) => ({ device: name, secret })),
  };
  await mkdir(".holdpoint", { recursive: true });
  await writeFile(join(".holdpoint", "demo-credentials.json"), `${JSON.stringify(credentials, null, 2)}\n`, {
    mode: 0o600,
  });
}

function introduce(agent: RunningAgent, hub: DemoHub, source: string, count: number): void {
  const pairing = agent.review?.pairing();
  printLine(
    `store ${agent.storeId}: two cameras and a till send ${count} ${source === "drawn" ? "drawn pictures (no real ones are at hand; --images PATH takes yours)" : `pictures from ${source}`}`,
  );
  printLine(
    `agent  mqtt://127.0.0.1:${agent.broker?.port ?? 0}  ${agent.http?.url ?? ""}  (credentials in .holdpoint/demo-credentials.json)`,
  );
  printLine(`hub    ${hub.url}   sign in as ${hub.login}, password ${hub.password}`);
  printLine("       open it in a browser and answer with the digit keys: the answer reaches the device");
  if (pairing)
    printLine(`store  ${pairing.url}   PIN ${pairing.pin}   (its own review page, for when the hub is away)`);
  printLine("Ctrl+C ends it.");
}

/** A live line every second on a terminal, every ten elsewhere. */
async function showLive(tally: Tally, agent: RunningAgent, source: string, signal: AbortSignal): Promise<void> {
  const terminal = process.stderr.isTTY;
  const everyMs = terminal ? 1000 : 10_000;
  let before = 0;
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    const now = tally.summary(source);
    const decided = now.accepted + now.escalated + now.abstained;
    const perSecond = ((decided - before) * 1000) / everyMs;
    before = decided;
    const { waiting } = await agent.status();
    const pin = agent.review?.pairing().pin ?? "";
    const line = `${perSecond.toFixed(1)} decisions/s  accepted ${now.accepted}  escalated ${now.escalated}  waiting ${waiting}  p50 ${now.p50Ms.toFixed(0)} ms  p99 ${now.p99Ms.toFixed(0)} ms  PIN ${pin}`;
    // Cut to the terminal: a line that wraps could not be written over.
    if (terminal) process.stderr.write(`\r\u001B[2K${line.slice(0, (process.stderr.columns || 80) - 1)}`);
    else printNote(line);
  }
  if (terminal) process.stderr.write("\n");
}

function printSummary(summary: DemoSummary): void {
  for (const [name, value] of Object.entries(summary)) printLine(`${name.padEnd(10)} ${String(value)}`);
}

function rate(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1000)) throw new InvalidArgumentError("Give a rate above 0 and up to 1000.");
  return value;
}

import { hostname } from "node:os";
import { Command, Option } from "commander";
import { layerNames, type LayerName } from "../../config/index.ts";
import { type LayerFile } from "../../config/layer-files.node.ts";
import { namePattern, HoldpointError } from "../../protocol/index.ts";
import { createLogger } from "../../protocol/platform/log.node.ts";
import { startAgent, type AgentOptions, type RunningAgent } from "../agent.node.ts";
import { removePairingFile, writePairingFile } from "../review/pairing-file.node.ts";
import { dataOption, logLevelOption, port, type LogLevel } from "./options.node.ts";
import { printJson, printLine } from "./output.node.ts";
import { packageVersion } from "./package-version.node.ts";
import { untilStopped } from "./signals.node.ts";

interface AgentFlags extends Partial<Record<LayerName, string>> {
  readonly data: string;
  readonly name: string;
  readonly host: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly reviewHost: string;
  readonly reviewPort: number;
  readonly review: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsPort: number;
  readonly providers: string;
  readonly log: LogLevel;
  readonly json?: boolean;
  readonly localDevice?: string;
  readonly hub?: string;
  readonly enrol?: string;
  readonly certificates?: string;
  readonly hubCa?: string;
  readonly hubInsecure?: boolean;
}

/** `holdpoint agent`: runs the agent until it is told to stop. */
export function agentCommand(): Command {
  const command = new Command("agent")
    .description("Run the agent of a store: MQTT, HTTP, the review page; offline for as long as it takes.")
    .argument("[config]", "store config (YAML), the store layer")
    .addOption(dataOption())
    .addOption(
      new Option("--name <name>", "name of this agent")
        .default(defaultName(), "the name of this machine")
        .env("HOLDPOINT_AGENT"),
    )
    .option("--host <address>", "address that MQTT and HTTP listen on", "127.0.0.1")
    .option("--mqtt-port <port>", "MQTT port, 0 for a free one", port, 1883)
    .option("--http-port <port>", "HTTP port, 0 for a free one", port, 8787)
    .option(
      "--review-host <address>",
      "address that the review page listens on; a tablet needs the local network's",
      "127.0.0.1",
    )
    .option("--review-port <port>", "port of the review page, 0 for a free one", port, 8788)
    .option("--no-review", "no review page: nobody in the store can be asked")
    .option("--tls-cert <file>", "certificate (PEM) for MQTT with TLS")
    .option("--tls-key <file>", "its private key (PEM)")
    .option("--tls-port <port>", "MQTT port with TLS", port, 8883)
    .option("--providers <list>", "execution providers, best first", "cpu")
    .option("--json", "print one line for machines when the doors are open")
    .option(
      "--local-device <name>",
      "device that programs on this machine act under without a secret, at the imitating endpoints",
    )
    .addOption(new Option("--hub <url>", "hub to which cases go that need a person").env("HOLDPOINT_HUB"))
    .addOption(new Option("--enrol <token>", "token of the hub, needed once").env("HOLDPOINT_ENROL"))
    .option(
      "--certificates <file>",
      "certificates of the gate, as `gate certify --write` makes them, for a store without a hub",
    )
    .option("--hub-ca <file>", "certificates (PEM) to trust for the hub instead of the system's")
    .option("--hub-insecure", "allow a hub without encryption that is not on this machine")
    .addOption(logLevelOption());
  for (const layer of layerNames) command.option(`--${layer} <file>`, `config of the ${layer} layer`);
  return command.action(async (config: string | undefined, flags: AgentFlags) => {
    const agent = await startAgent(agentOptions(config, flags));
    // Listened for before anybody is told that it runs: who is told may stop it at once.
    const stopped = untilStopped();
    announce(agent, flags);
    await stopped;
    removePairingFile(flags.data);
    await agent.close();
  });
}

function agentOptions(config: string | undefined, flags: AgentFlags): AgentOptions {
  if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined)) {
    throw new HoldpointError("HP_USAGE", "--tls-cert and --tls-key go together");
  }
  if (!namePattern.test(flags.name)) throw new HoldpointError("HP_USAGE", `"${flags.name}" is not a name`);
  const tls =
    flags.tlsCert === undefined || flags.tlsKey === undefined
      ? {}
      : { tls: { certFile: flags.tlsCert, keyFile: flags.tlsKey, port: flags.tlsPort } };
  return {
    dataDir: flags.data,
    name: flags.name,
    configFiles: configLayers(config, flags),
    mqtt: { host: flags.host, port: flags.mqttPort, ...tls },
    http: {
      host: flags.host,
      port: flags.httpPort,
      ...(flags.localDevice === undefined ? {} : { localDevice: flags.localDevice }),
    },
    ...(flags.certificates === undefined ? {} : { certificatesFile: flags.certificates }),
    review: flags.review
      ? { host: flags.reviewHost, port: flags.reviewPort, onPairing: (sheet) => writePairingFile(flags.data, sheet) }
      : null,
    ...hubOptions(flags),
    software: `holdpoint ${packageVersion()}`,
    models: { providers: flags.providers.split(",").map((name) => name.trim()) },
    logger: createLogger(flags.log, "agent"),
  };
}

function hubOptions({ hub, enrol, hubCa, hubInsecure }: AgentFlags): Pick<AgentOptions, "hub"> {
  if (hub === undefined) {
    if (enrol === undefined && hubCa === undefined && hubInsecure === undefined) return {};
    throw new HoldpointError("HP_USAGE", "--enrol, --hub-ca and --hub-insecure go with --hub <url>");
  }
  return {
    hub: {
      url: hub,
      ...(enrol === undefined ? {} : { token: enrol }),
      ...(hubCa === undefined ? {} : { caFile: hubCa }),
      ...(hubInsecure === undefined ? {} : { insecure: hubInsecure }),
    },
  };
}

/** The layers that were named, lowest first. Errors: HP_USAGE where there is none, or the store layer twice. */
export function configLayers(
  config: string | undefined,
  flags: Partial<Record<LayerName, string>>,
): readonly LayerFile[] {
  if (config !== undefined && flags.store !== undefined) {
    throw new HoldpointError("HP_USAGE", "the store layer is given twice: as argument and as --store");
  }
  const named = { ...flags, ...(config === undefined ? {} : { store: config }) };
  const layers = layerNames.flatMap((layer) => {
    const path = named[layer];
    return path === undefined ? [] : [{ layer, path }];
  });
  if (layers.length > 0) return layers;
  throw new HoldpointError("HP_USAGE", "no store config is given", { hint: "holdpoint agent store.yaml" });
}

function announce(agent: RunningAgent, flags: AgentFlags): void {
  const pairing = agent.review?.pairing();
  if (pairing) writePairingFile(flags.data, pairing);
  else removePairingFile(flags.data);
  if (flags.json) {
    printJson({
      store: agent.storeId,
      mqttPort: agent.broker?.port ?? null,
      broker: agent.externalBroker?.url ?? null,
      mqttTlsPort: agent.broker?.tlsPort ?? null,
      http: agent.http?.url ?? null,
      review: agent.review?.url ?? null,
      pin: pairing?.pin ?? null,
      startedInMs: agent.startedInMs,
    });
    return;
  }
  printLine(`ready in ${agent.startedInMs} ms`);
  if (agent.broker) printLine(`mqtt   mqtt://${flags.host}:${agent.broker.port}/${agent.storeId}`);
  if (agent.externalBroker) printLine(`broker ${agent.externalBroker.url}`);
  if (agent.http) printLine(`http   ${agent.http.url}`);
  if (!agent.review || !pairing) return;
  printLine(`review ${agent.review.url}   PIN ${pairing.pin}   (later: holdpoint review pin --data ${flags.data})`);
  if (process.stdout.isTTY) printLine(pairing.qrText);
}

/** The box's own name, as far as a topic can carry it. */
function defaultName(): string {
  const name = hostname()
    .replaceAll(/[^A-Za-z0-9_.-]/g, "-")
    .slice(0, 64);
  return namePattern.test(name) ? name : "agent";
}

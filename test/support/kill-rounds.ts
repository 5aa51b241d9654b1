import { setTimeout as sleep } from "node:timers/promises";
import { newId, type DecisionRequest } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { AgentLoad } from "../chaos/agent-load.ts";
import { type ChaosReport } from "../chaos/chaos-report.ts";
import { holdAgainstJournal, newLedger } from "../chaos/load-ledger.ts";
import { productTask, startAgentProcess, type AgentPlace, type AgentPorts } from "./agent-process.ts";

/**
 * The theorem: a request whose acknowledgement (PUBACK, 200, 202) the device has seen is in the journal, however the
 * agent died; and for one id there is one body for each revision, in the journal and in every copy that the device was
 * ever sent. A request that was not acknowledged may be there or not: a phantom, never a hole.
 */
export interface KillReport extends Pick<ChaosReport, "acknowledged" | "lost" | "doubled" | "chain"> {
  readonly rounds: number;
  readonly decisionsSeen: number;
}

export interface KillOptions {
  readonly place: AgentPlace;
  readonly rounds: number;
  /** More rounds are run, up to three times as many, until so many were acknowledged: on a busy machine a life is short. */
  readonly acknowledgedMin?: number;
  /** The agent lives between these, milliseconds from its first acknowledgement. */
  readonly lifeMs: readonly [least: number, most: number];
  readonly random: () => number;
  /** Another program in the agent's place: the negative control. */
  readonly entry?: string;
  /** Requests in flight of each of the two devices, over MQTT and over HTTP. */
  readonly mqttLanes?: number;
  readonly httpLanes?: number;
  /** Share of requests that carry a picture and run the model. */
  readonly pictureShare?: number;
  /** Other requests than pictures for the shipped model and cases for people. */
  readonly request?: () => DecisionRequest;
  readonly progress?: (round: number, report: { acknowledged: number }) => void;
}

export async function killRounds(options: KillOptions): Promise<KillReport> {
  const { place, rounds, random } = options;
  const ledger = newLedger();
  const picture = options.request ? new Uint8Array() : (await drawShelfCrop(1)).jpeg;
  const shape = {
    mqttLanes: options.mqttLanes ?? 16,
    httpLanes: options.httpLanes ?? 0,
    until: "acknowledged" as const,
    request: options.request ?? (() => requestOf(random, options.pictureShare ?? 0.05, picture)),
  };
  let ports: AgentPorts | undefined;
  const enough = (): boolean => ledger.acknowledged.size >= (options.acknowledgedMin ?? 0);
  let round = 0;
  while (round < rounds || (!enough() && round < 3 * rounds)) {
    round += 1;
    const agent = await startAgentProcess(place, {
      ...(ports ? { ports } : {}),
      ...(options.entry === undefined ? {} : { entry: options.entry }),
    });
    ports = agent;
    const load = new AgentLoad(place, agent, shape, ledger);
    await load.start();
    const [least, most] = options.lifeMs;
    await sleep(least + random() * (most - least));
    await agent.kill();
    await load.end();
    options.progress?.(round, { acknowledged: ledger.acknowledged.size });
  }
  const held = await holdAgainstJournal(place.dataDir, ledger);
  return { rounds: round, ...held, decisionsSeen: ledger.bodies.size };
}

function requestOf(random: () => number, pictureShare: number, picture: Uint8Array): DecisionRequest {
  if (random() >= pictureShare) return peopleRequest();
  const id = newId(systemClock, systemRandom);
  const input = { kind: "image", encoding: "jpeg", data: picture } as const;
  return { v: 1, id, at: systemClock.wallMs(), task: productTask, input };
}

/** A case that no model looks at. */
export function peopleRequest(): DecisionRequest {
  const id = newId(systemClock, systemRandom);
  return { v: 1, id, at: systemClock.wallMs(), task: "people_only", input: { kind: "entity", entity: "7" } };
}

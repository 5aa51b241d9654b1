import { benchPlace, cpuMs, startBenchAgent, startEcho, tabularBody as body } from "./bench-place.ts";
import { interleaved, row, type BenchRow } from "./bench-row.ts";
import { MqttLoad, type LoadTarget } from "./mqtt-load.ts";

const clientsMax = 100;

/** The whole agent (authentication, journal FULL, chain, model, metrics) against less of itself, and a bare echo. */
export async function mqttRows(): Promise<readonly BenchRow[]> {
  // Each connection is a device of its own, so that nobody hears decisions of others.
  const devices = Array.from({ length: clientsMax }, (_, i) => `bench-${i}`);
  const place = await benchPlace("tabular", devices);
  const agent = await startBenchAgent(place);
  const bare = await startBenchAgent(place, { bare: true });
  const echo = await startEcho();
  try {
    const targets = (mqttPort: number, clients: number): readonly LoadTarget[] =>
      place.targets(mqttPort).slice(0, clients);
    const against = (clients: number, inFlight: number, mqttPort: number): Promise<Measured> =>
      throughput({ clients, inFlight, pid: agent.pid }, targets(agent.mqttPort, clients), targets(mqttPort, clients));
    const hundred = await against(100, 4, bare.mqttPort);
    const ten = await against(10, 64, echo.mqttPort);
    return [
      row(
        "agent over MQTT, 100 clients, against itself without journal and model",
        hundred.ratio,
        "≥ 0.75",
        hundred.detail,
      ),
      row("agent over MQTT, 10 clients × 64, against an echo", ten.ratio, "≥ 0.6", ten.detail),
    ];
  } finally {
    echo.stop();
    await bare.stop();
    await agent.stop();
    await place.remove();
  }
}

interface Measured {
  readonly ratio: number;
  readonly detail: string;
}

async function throughput(
  shape: { readonly clients: number; readonly inFlight: number; readonly pid: number },
  agent: readonly LoadTarget[],
  yardstick: readonly LoadTarget[],
): Promise<Measured> {
  const [ours, theirs] = [await openAll(agent), await openAll(yardstick)];
  const requests = Math.round(8000 / shape.clients);
  const run = (loads: readonly MqttLoad[]) => async (): Promise<number> => {
    const startMs = performance.now();
    await Promise.all(loads.map((load) => load.run({ inFlight: shape.inFlight, requests, body })));
    return (requests * loads.length) / ((performance.now() - startMs) / 1000);
  };
  await run(ours)();
  await run(theirs)();
  let cpu = 0;
  let turns = 0;
  const timed = async (): Promise<number> => {
    const before = cpuMs(shape.pid);
    const perSecond = await run(ours)();
    cpu += cpuMs(shape.pid) - before;
    turns += 1;
    return perSecond;
  };
  const found = await interleaved(5, timed, run(theirs));
  for (const load of [...ours, ...theirs]) await load.close();
  const us = (cpu * 1000) / (turns * requests * ours.length);
  const rates = `${found.ours.toFixed(0)}/s against ${found.yardstick.toFixed(0)}/s`;
  return {
    ratio: found.ratio,
    detail: `${rates}; ${us.toFixed(0)} µs CPU a decision in agent, threads and child; tabular, load generator on the same cores`,
  };
}

function openAll(targets: readonly LoadTarget[]): Promise<MqttLoad[]> {
  return Promise.all(targets.map((target) => MqttLoad.open(target, 1)));
}

import { agentPlace, root } from "../support/agent-process.ts";
import { killRounds } from "../support/kill-rounds.ts";
import { reportOf, type Fault } from "./chaos-report.ts";
import { clientRestarts } from "./client-restarts.ts";

const killAgent: Fault = {
  says: "SIGKILL of the agent at random moments under MQTT and HTTP load",
  round: "life of the agent",
  rounds: 20,
  run: async ({ rounds, random, say }) => {
    const place = await agentPlace({ devices: ["camera-1", "till-1"] });
    try {
      const { decisionsSeen, ...counts } = await killRounds({
        ...{ place, rounds, random, httpLanes: 4, lifeMs: [50, 700] },
        progress: (round, { acknowledged }) => {
          if (round % 10 === 0) say(`round ${round}: ${acknowledged} acknowledged`);
        },
      });
      return reportOf(counts, { decisionsSeen });
    } finally {
      await place.remove();
    }
  },
};

const ackInPublished: Fault = {
  says: "negative control: acknowledges before it commits, and must lose; exit 1 is what is expected of it",
  round: "life of the agent",
  rounds: 10,
  run: async ({ rounds, random }) => {
    const place = await agentPlace({ devices: ["camera-1", "till-1"], model: false });
    try {
      const entry = `${root}test/chaos/ack-in-published.node.ts`;
      const lives = { place, rounds, random, entry, lifeMs: [150, 500], mqttLanes: 64, pictureShare: 0.2 } as const;
      const { decisionsSeen, ...counts } = await killRounds(lives);
      return reportOf(counts, { decisionsSeen });
    } finally {
      await place.remove();
    }
  },
};

const restartClient: Fault = {
  says: "a client over SIGKILLs of its agent: every decide() is answered exactly once",
  round: "death of the agent, over MQTT and over HTTP",
  rounds: 10,
  run: async (options) => {
    const lifeMs = [50, 900] as const;
    const mqtt = await clientRestarts({ ...options, way: "mqtt", lifeMs });
    const http = await clientRestarts({ ...options, way: "http", lifeMs });
    return {
      acknowledged: mqtt.acknowledged + http.acknowledged,
      lost: mqtt.lost + http.lost,
      doubled: mqtt.doubled + http.doubled,
      chain: mqtt.chain.intact ? http.chain : mqtt.chain,
      detail: { overMqtt: mqtt.acknowledged, overHttp: http.acknowledged },
      violations: [...mqtt.violations, ...http.violations],
    };
  },
};

/** By name, as `npm run chaos -- <name>` knows them. */
export const faults: Readonly<Record<string, Fault>> = {
  "kill-agent": killAgent,
  "ack-in-published": ackInPublished,
  "restart-client": restartClient,
};

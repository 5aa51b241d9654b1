import { agentPlace, root } from "../support/agent-process.ts";
import { killRounds } from "../support/kill-rounds.ts";
import { reportOf, type ChaosReport, type Fault } from "./chaos-report.ts";
import { configUnderLoad } from "./config-under-load.ts";
import { killChild } from "./kill-child.ts";
import { modelSwap } from "./model-swap.ts";
import { tornWal } from "./torn-wal.ts";
import { clock } from "./clock.ts";
import { damage } from "./damage.ts";
import { sevenDays } from "./seven-days.ts";
import { clientRestarts } from "./client-restarts.ts";
import { diskFull as fillDisk } from "./disk-full.ts";

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

const diskFull: Fault = {
  says: "the disk fills up at any write and is freed: the agent stays up, says so and recovers by itself",
  round: "filled disk",
  rounds: 12,
  run: async (options) => mounted(await fillDisk(options)),
};

const killInferenceChild: Fault = {
  says: "SIGKILL and SIGSTOP of the inference child under load: everything is decided in time all the same",
  round: "child killed or frozen",
  rounds: 20,
  run: (options) => killChild({ ...options, freeze: true }),
};

const changeConfig: Fault = {
  says: "gate threshold and model change together under load: nothing dropped, nothing mixed",
  round: "config change",
  rounds: 100,
  run: configUnderLoad,
};

const swapModel: Fault = {
  says: "another version is activated under load: nothing dropped, p99 within 1.5 times, memory within 5 %",
  round: "model swap",
  rounds: 100,
  run: (options) => modelSwap({ ...options, steadyMs: 10_000, measure: true }),
};

const tearJournal: Fault = {
  says: "power cuts between any two disk calls of the journal, unsynced writes torn: an exact prefix, nothing lost",
  round: "power cut",
  rounds: 2000,
  run: (options) => tornWal({ ...options, synchronous: "FULL" }),
};

const tearUnsynced: Fault = {
  says: "negative control: the same with synchronous=NORMAL, and must lose; exit 1 is what is expected of it",
  round: "power cut",
  rounds: 1000,
  run: (options) => tornWal({ ...options, synchronous: "NORMAL" }),
};

const damageJournal: Fault = {
  says: "bit flips, truncation, swapped and garbled log, failing disk: found, set aside, said, no crash loop",
  round: "damaged journal",
  rounds: 21,
  run: damage,
};

const shiftClock: Fault = {
  says: "the wall clock jumps ten years both ways, running and across SIGKILLs: nothing expires",
  round: "jump",
  rounds: 12,
  run: clock,
};

const offlineForDays: Fault = {
  says: "days offline at 2 decisions/s with a budget of 64 MB: eviction order, escalations, tombstones, memory",
  round: "simulated day",
  rounds: 7,
  run: (options) => sevenDays({ ...options, budgetBytes: 64e6, pictureBytes: 2000 }),
};

function mounted(report: ChaosReport | "cannot mount"): ChaosReport {
  if (report === "cannot mount") throw new Error("this fault needs the right to mount a tmpfs: run it as root");
  return report;
}

/** By name, as `npm run chaos -- <name>` knows them. */
export const faults: Readonly<Record<string, Fault>> = {
  "kill-agent": killAgent,
  "ack-in-published": ackInPublished,
  "restart-client": restartClient,
  "kill-child": killInferenceChild,
  "torn-wal": tearJournal,
  "torn-wal-normal": tearUnsynced,
  "disk-full": diskFull,
  "seven-days": offlineForDays,
  damage: damageJournal,
  clock: shiftClock,
  "config-under-load": changeConfig,
  "model-swap-under-load": swapModel,
};

import { agentPlace, root } from "../support/agent-process.ts";
import { type Way } from "../support/client-fixtures.ts";
import { killRounds } from "../support/kill-rounds.ts";
import { killAgents } from "./kill-agents.ts";
import { reportOf, together, type ChaosOptions, type ChaosReport, type Fault } from "./chaos-report.ts";
import { configUnderLoad } from "./config-under-load.ts";
import { killChild } from "./kill-child.ts";
import { modelSwap } from "./model-swap.ts";
import { tornWal } from "./torn-wal.ts";
import { clock } from "./clock.ts";
import { damage } from "./damage.ts";
import { sevenDays } from "./seven-days.ts";
import { clientRestarts } from "./client-restarts.ts";
import { cpuCap } from "./cpu-cap.ts";
import { killClient } from "./kill-client.ts";
import { diskFull as fillDisk } from "./disk-full.ts";
import { memoryCap } from "./memory-cap.ts";
import { readOnly } from "./read-only.ts";
import { suspend } from "./suspend.ts";
import { hubFaults } from "./hub-faults.ts";
import { databaseAway } from "./database-away.ts";
import { hubBacklog } from "./hub-backlog.ts";
import { twoHubs } from "./two-hubs.ts";

const killAgent: Fault = {
  says: "SIGKILL of the agent at random moments under MQTT and HTTP load",
  round: "life of the agent",
  rounds: 20,
  run: killAgents,
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
  run: (options) => bothWays((way) => clientRestarts({ ...options, way, lifeMs: [50, 900] })),
};

const killDevice: Fault = {
  says: "SIGKILL of a device's process with the SDK's file outbox: nothing it was told is durable is lost",
  round: "life of the device, over MQTT and over HTTP",
  rounds: 15,
  run: (options) => killedOverBoth(options, "file"),
};

const killDeviceInMemory: Fault = {
  says: "negative control: the same with the outbox in memory, and must lose; exit 1 is what is expected of it",
  round: "life of the device, over MQTT and over HTTP",
  rounds: 6,
  run: (options) => killedOverBoth(options, "memory"),
};

function killedOverBoth(options: ChaosOptions, outbox: "file" | "memory"): Promise<ChaosReport> {
  return bothWays((way) => killClient({ ...options, way, outbox, lifeMs: [20, 700] }));
}

async function bothWays(run: (way: Way) => Promise<ChaosReport>): Promise<ChaosReport> {
  const [mqtt, http] = [await run("mqtt"), await run("http")];
  const both = together([mqtt, http]);
  return { ...both, detail: { ...both.detail, overMqtt: mqtt.acknowledged, overHttp: http.acknowledged } };
}

const diskFull: Fault = {
  says: "the disk fills up at any write and is freed: the agent stays up, says so and recovers by itself",
  round: "filled disk",
  rounds: 12,
  run: fillDisk,
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

const capMemory: Fault = {
  says: "agent and child within 512 MB under a load of pictures, while config and model change: nothing is killed",
  round: "config change and model swap",
  rounds: 50,
  run: memoryCap,
};

const capCpu: Fault = {
  says: "a tenth of one core under far too many pictures: shed near the deadline with the reason timeout, and back",
  round: "starved spell",
  rounds: 50,
  run: cpuCap,
};

const sleepForHours: Fault = {
  says: "the box sleeps for 8 h under load: nothing expires, everything is answered",
  round: "sleep",
  rounds: 50,
  run: suspend,
};

const failDisk: Fault = {
  says: "the disk becomes read-only under load and comes back: said, refused for now, taken up again, nothing lost",
  round: "read-only spell",
  rounds: 50,
  run: readOnly,
};

const breakHub: Fault = {
  says: "agent and hub killed, the network between them lossy, the database restarted: every case and answer arrives once",
  round: "death of the agent and of the hub, on SQLite and on PostgreSQL",
  rounds: 20,
  run: async (options) => {
    const half = { ...options, rounds: Math.ceil(options.rounds / 2) };
    return together([await hubFaults({ ...half, store: "sqlite" }), await hubFaults({ ...half, store: "postgres" })]);
  },
};

const loseDatabase: Fault = {
  says: "the hub's PostgreSQL goes away for a minute: the hub stays up and says so, agents take on, all arrives afterwards",
  round: "minute without the database",
  rounds: 3,
  run: (options) => databaseAway({ ...options, awayMs: 60_000 }),
};

const shareQueue: Fault = {
  says: "two hub processes on one PostgreSQL under eight reviewers, one killed now and then: no case is given to two people",
  round: "sixty cases at once",
  rounds: 20,
  run: twoHubs,
};

const offlineForHours: Fault = {
  says: "hours offline at 120 escalations/h with their pictures: everything reaches the hub, in order, over kills",
  round: "simulated hour, on SQLite and on PostgreSQL",
  rounds: 72,
  run: async (options) => {
    const each = { ...options, agents: 2, perHour: 120, kills: 6 };
    return together([await hubBacklog({ ...each, store: "sqlite" }), await hubBacklog({ ...each, store: "postgres" })]);
  },
};

/** By name, as `npm run chaos -- <name>` knows them. */
export const faults: Readonly<Record<string, Fault>> = {
  "kill-agent": killAgent,
  "ack-in-published": ackInPublished,
  "restart-client": restartClient,
  "kill-client": killDevice,
  "kill-client-memory": killDeviceInMemory,
  "kill-child": killInferenceChild,
  "torn-wal": tearJournal,
  "torn-wal-normal": tearUnsynced,
  "disk-full": diskFull,
  "seven-days": offlineForDays,
  damage: damageJournal,
  "read-only": failDisk,
  "memory-cap": capMemory,
  "cpu-cap": capCpu,
  clock: shiftClock,
  suspend: sleepForHours,
  "config-under-load": changeConfig,
  "model-swap-under-load": swapModel,
  "hub-faults": breakHub,
  "database-away": loseDatabase,
  "hub-backlog": offlineForHours,
  "two-hubs": shareQueue,
};

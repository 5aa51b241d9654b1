import { openHubDatabase } from "../../cloud-sync/hub/database/open-database.node.ts";
import { openHubKey } from "../../cloud-sync/hub/hub-key.node.ts";
import { newId, silentLogger } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { createSigningKey } from "../../protocol/platform/signing.node.ts";
import {
  startMember,
  type FleetHub,
  type FleetMember,
  type MemberOptions,
  type RunningMember,
} from "./fleet-member.ts";
import { startBenchHub, type BenchHub, type StoreKind } from "./hub-place.ts";

/** A hub with a fleet that is enrolled already: ten thousand enrolments are not what is measured. */
export interface FleetPlace {
  readonly hub: BenchHub;
  readonly members: readonly FleetMember[];
  /** Lets the member live; all are closed with the place. */
  start(member: FleetMember, options: Omit<MemberOptions, "hub" | "member">): RunningMember;
  close(): Promise<void>;
}

/** Agents written by one statement: columns times rows stay below what SQLite binds. */
const rowsMax = 500;

export async function fleetPlace(kind: StoreKind, agents: number): Promise<FleetPlace> {
  const members = Array.from({ length: agents }, (_, index): FleetMember => {
    return { agentId: newId(systemClock, systemRandom), store: `store_${index}`, key: createSigningKey() };
  });
  let known: Omit<FleetHub, "url"> = { hubId: "", publicKey: "" };
  const hub = await startBenchHub(kind, async (url) => {
    known = await enrolAll(url, members);
  });
  const running: RunningMember[] = [];
  return {
    ...{ hub, members },
    start: (member, options) => {
      const started = startMember({ ...options, member, hub: { ...known, url: hub.url } });
      running.push(started);
      return started;
    },
    close: async () => {
      await Promise.all(running.map((member) => member.close()));
      await hub.close();
    },
  };
}

async function enrolAll(url: string, members: readonly FleetMember[]): Promise<Omit<FleetHub, "url">> {
  const shared = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const { database, hubId } = await openHubDatabase({ url, ...shared });
  try {
    const blank = { seen_ms: null, boot_id: null, boot_before: null, software: null, heartbeat: null };
    const numbers = { enrolled_ms: Math.round(systemClock.wallMs()), feed_seq: 0, feed_taken: 0, config_version: 0 };
    for (let from = 0; from < members.length; from += rowsMax) {
      const rows = members.slice(from, from + rowsMax).map(({ agentId, store, key }) => {
        const named = { agent_id: agentId, store, name: "box", public_key: key.publicKey, state: "active" as const };
        return { ...named, ...blank, ...numbers };
      });
      await database.write(({ db }) => db.insertInto("agents").values(rows).execute());
    }
    const { publicKey } = await openHubKey(database);
    return { hubId, publicKey };
  } finally {
    await database.close();
  }
}

/** Resolves with the milliseconds that it took; throws when `what` is not so in time. */
export async function waitFor(what: () => boolean, withinMs: number, name: string): Promise<number> {
  const startMs = performance.now();
  while (!what()) {
    if (performance.now() - startMs > withinMs) throw new Error(`${name}: not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return performance.now() - startMs;
}

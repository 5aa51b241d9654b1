import { type HubCall } from "../../cloud-sync/edge/hub-port.ts";
import { quantile, row, type BenchRow } from "./bench-row.ts";
import { backlogOf } from "./fleet-backlog.ts";
import { fleetPlace, waitFor } from "./fleet-place.ts";
import { type StoreKind } from "./hub-place.ts";
import { pictureBytes } from "./hub-load.ts";

/** Cases of each agent that wait when it connects: each with its picture of 12 KB. */
const rowsEach = 3;
const beatEveryMs = 30_000;
const targetMs = 1_000;
/** A fleet whose backlog is not in by then is more than this machine has room for, and the bench says so. */
const backlogMsMax = 300_000;
/** What is measured after everything has arrived: heartbeats and feeds alone, over one of their turns. */
const steadyMs = 30_000;

/**
 * A fleet on one hub process: every agent keeps a feed open, beats every half minute, and has a few cases that it could
 * not send before. The agents come within one turn of heartbeats, as a fleet that has run for days is spread.
 */
export async function hubFleetRows(long: boolean): Promise<readonly BenchRow[]> {
  const agents = long ? 10_000 : 1_000;
  return [...(await fleetRows("sqlite", agents)), ...(await fleetRows("postgres", agents))];
}

async function fleetRows(kind: StoreKind, agents: number): Promise<readonly BenchRow[]> {
  const place = await fleetPlace(kind, agents);
  try {
    const calls: { readonly name: HubCall<unknown>["name"]; readonly tookMs: number; readonly isOk: boolean }[] = [];
    const startMs = performance.now();
    const members = place.members.map((member, index) =>
      place.start(member, {
        ...{ startMsMax: beatEveryMs, backlog: backlogOf(index, rowsEach) },
        onCall: (name, tookMs, isOk) => calls.push({ name, tookMs, isOk }),
      }),
    );
    const isDelivered = (): boolean => members.every((member) => member.isDelivered);
    await waitFor(isDelivered, backlogMsMax, "the fleet's backlog");
    const drainedMs = performance.now() - startMs;
    const before = await place.hub.look();
    const arrival = calls.splice(0);
    await new Promise((resolve) => setTimeout(resolve, steadyMs));
    const after = await place.hub.look();
    const beats = [arrival, calls].map((some) =>
      quantile(
        some.filter(({ name }) => name === "heartbeat").map(({ tookMs }) => tookMs),
        0.95,
      ),
    );
    const failed = [...arrival, ...calls].filter(({ isOk }) => !isOk).length;
    const cores = (after.cpuMs - before.cpuMs) / steadyMs;
    const title = `${agents.toLocaleString("en")} agents with heartbeats and feeds on one hub process, ${kind}`;
    const megabytes = Math.round((agents * rowsEach * pictureBytes) / 1e6);
    const [coming = Number.NaN, steady = Number.NaN] = beats;
    return [
      row(
        `${title}: heartbeat p95 while their backlog comes in, against 1 s`,
        coming / targetMs,
        "≤ 1",
        `${coming.toFixed(0)} ms, later ${steady.toFixed(0)} ms; ${agents * rowsEach} cases (${megabytes} MB of pictures) within ${(drainedMs / 1000).toFixed(0)} s of ${beatEveryMs / 1000} in which the agents came; ${failed} calls failed`,
      ),
      row(
        `${title}: the hub's processor time, against one core`,
        cores,
        "≤ 0.75",
        `${Math.round(((calls.length - failed) * 1000) / steadyMs)} calls/s; ${Math.round(after.rssBytes / 1e6)} MB resident, ${Math.round(before.rssBytes / 1e6)} MB when the backlog was in`,
      ),
    ];
  } finally {
    await place.close();
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import { enterPerson, type TestPerson } from "../support/hub-people.ts";
import { median, quantile, row, type BenchRow } from "./bench-row.ts";
import { backlogOf } from "./fleet-backlog.ts";
import { fleetPlace, waitFor, type FleetPlace } from "./fleet-place.ts";
import { type StoreKind } from "./hub-place.ts";
import { pictureBytes } from "./hub-load.ts";

const agents = 500;
/** As many as keep one hub busy, and no more: what it does when nothing is in its way. */
const atOnceFew = 4;
/** So many of them come one after another for the yardstick. */
const fewAgents = 48;
const hours = 72;
/** Escalations of a store in an hour. Ten are 240 a day; the short form has one. */
const perHour = { short: 1, long: 10 };
const nextTargetMs = 1_000;

/**
 * A region has been offline for three days, and its 500 agents come back in one moment, without the random first delay
 * that keeps real ones apart. Their own forwarders decide what a call holds and how long a refused one waits. The
 * yardstick is the same hub with agents that have as much, four at a time.
 */
export async function hubReturnRows(long: boolean): Promise<readonly BenchRow[]> {
  const rowsEach = hours * (long ? perHour.long : perHour.short);
  return [...(await returnRows("sqlite", rowsEach)), ...(await returnRows("postgres", rowsEach))];
}

async function returnRows(kind: StoreKind, rowsEach: number): Promise<readonly BenchRow[]> {
  const place = await fleetPlace(kind, fewAgents + agents);
  try {
    const reviewer = await enterPerson(place.hub.url, place.hub.token, "reviewer");
    let fewMs = 0;
    for (let from = 0; from < fewAgents; from += atOnceFew)
      fewMs += (await drain(place, from, atOnceFew, rowsEach)).tookMs;
    const fewPerSecond = (fewAgents * rowsEach * 1000) / fewMs;
    const stop = new AbortController();
    const asked = askMeanwhile(reviewer, stop.signal);
    const many = await drain(place, fewAgents, agents, rowsEach);
    stop.abort();
    const nextMs = await asked;
    const { rssBytes } = await place.hub.look();
    const title = `${agents} agents come back at once with ${hours} h of backlog, ${kind}`;
    const p95 = quantile(nextMs, 0.95);
    return [
      row(
        `${title}: rows/s against ${atOnceFew} at a time`,
        many.perSecond / fewPerSecond,
        "≥ 0.8",
        `${many.perSecond.toFixed(0)}/s against ${fewPerSecond.toFixed(0)}/s; ${rowsEach} cases each, ${agents * rowsEach} in all with ${Math.round((agents * rowsEach * pictureBytes) / 1e6)} MB of pictures, in ${(many.tookMs / 1000).toFixed(0)} s; half of the agents done after ${(median(many.doneMs) / 1000).toFixed(0)} s; ${many.refused} calls told to come later; the hub had ${Math.round(rssBytes / 1e6)} MB`,
      ),
      row(
        `${title}: a reviewer's next case meanwhile, p95, against 1 s`,
        p95 / nextTargetMs,
        "≤ 1",
        `${p95.toFixed(0)} ms over HTTP, ${nextMs.length} cases`,
      ),
    ];
  } finally {
    await place.close();
  }
}

interface Drained {
  readonly perSecond: number;
  readonly tookMs: number;
  /** When each agent had delivered everything, since the start. */
  readonly doneMs: readonly number[];
  readonly refused: number;
}

async function drain(place: FleetPlace, from: number, count: number, rowsEach: number): Promise<Drained> {
  let refused = 0;
  const startMs = performance.now();
  const members = place.members.slice(from, from + count).map((member, index) =>
    place.start(member, {
      startMsMax: 0,
      // Nothing keeps them apart at the start; after a refusal they wait as they always do.
      pace: { startMsMax: 0, comebackMsMax: 0 },
      backlog: backlogOf(from + index, rowsEach),
      onCall: (name, _, isOk) => {
        if (name === "ingest" && !isOk) refused += 1;
      },
    }),
  );
  const doneMs = await Promise.all(
    members.map((member) => waitFor(() => member.isDelivered, 1_200_000, "an agent's backlog")),
  );
  const tookMs = performance.now() - startMs;
  return { perSecond: (count * rowsEach * 1000) / tookMs, tookMs, doneMs, refused };
}

/** A reviewer takes the next case and hands it back, now and then. Returns how long each took. */
async function askMeanwhile({ browser }: TestPerson, stop: AbortSignal): Promise<readonly number[]> {
  const times: number[] = [];
  while (!stop.aborted) {
    const startMs = performance.now();
    const { status, json } = await browser.call("POST", "/v1/review/next", {});
    if (status !== 200) throw new Error(`the hub answered ${status}: ${JSON.stringify(json)}`);
    times.push(performance.now() - startMs);
    const { cases } = json as unknown as { cases: { id: string; lease: { generation: number } | null }[] };
    for (const { id, lease } of cases) {
      await browser.call("POST", `/v1/review/cases/${id}/release`, { generation: lease?.generation ?? 0 });
    }
    await sleep(100);
  }
  return times;
}

import { interleaved, row, type BenchRow } from "./bench-row.ts";
import { enrolStores, ingestCall, nextCases, sendCall, type CaseWithPicture, type StoreLoad } from "./hub-load.ts";
import { startBenchHub, type StoreKind } from "./hub-place.ts";
import { openRawPostgres, openRawSqlite } from "./raw-insert.ts";

const turns = 7;
/** Rows of a call: a backlog comes in calls of up to 256. */
const rowsPerCall = 128;
const stores = 4;
const callsPerStore = 4;
const rowsPerTurn = stores * callsPerStore * rowsPerCall;

/** Escalations with 12 KB of picture over HTTP into a hub, against the same bytes straight into its database. */
export async function hubIngestRows(): Promise<readonly BenchRow[]> {
  return [await ingestRow("sqlite"), await ingestRow("postgres")];
}

async function ingestRow(kind: StoreKind): Promise<BenchRow> {
  const hub = await startBenchHub(kind);
  const raw = hub.database === null ? await openRawSqlite() : await openRawPostgres(hub.database, stores);
  const opened: StoreLoad[] = [];
  try {
    const loads = await enrolStores(hub, stores);
    opened.push(...loads);
    const rawLoads = loads.map((load): StoreLoad => ({ ...load, sent: 0 }));
    await Promise.all(loads.map((load) => sendCall(load, ingestCall(load, nextCases(load, rowsPerCall)))));
    let cpuMs = 0;
    const ours = async (): Promise<number> => {
      // Bodies are made before the clock starts, in memory that is free again after the turn.
      const calls = loads.map((load) => batches(load).map((cases) => ingestCall(load, cases)));
      const { cpuMs: before } = await hub.look();
      const perSecond = await timed(() =>
        Promise.all(calls.map(async (some, index) => sendAll(some, (call) => sendCall(atIndex(loads, index), call)))),
      );
      cpuMs += (await hub.look()).cpuMs - before;
      return perSecond;
    };
    const theirs = async (): Promise<number> => {
      const calls = rawLoads.map((load) => batches(load));
      return timed(() =>
        Promise.all(calls.map(async (some, index) => sendAll(some, (batch) => raw.insert(batch, `store_${index}`)))),
      );
    };
    const measured = await interleaved(turns, ours, theirs);
    const perRow = ((cpuMs * 1000) / (turns * rowsPerTurn)).toFixed(0);
    return row(
      `ingest of cases with 12 KB of picture over HTTP, ${kind}, against the bare INSERT … ON CONFLICT of the same bytes`,
      measured.ratio,
      "≥ 0.5",
      `${measured.ours.toFixed(0)}/s against ${measured.yardstick.toFixed(0)}/s, calls of ${rowsPerCall} rows, ${stores} stores at once; ${perRow} µs CPU a row in the hub`,
    );
  } finally {
    await raw.close();
    for (const { connection } of opened) connection.destroy();
    await hub.close();
  }
}

/** Built one after another, with the numbers that each batch will have when it is sent. */
function batches(load: StoreLoad): readonly (readonly CaseWithPicture[])[] {
  return Array.from({ length: callsPerStore }, (_, index) =>
    nextCases({ ...load, sent: load.sent + index * rowsPerCall }, rowsPerCall),
  );
}

async function sendAll<T>(items: readonly T[], send: (item: T) => Promise<unknown>): Promise<void> {
  for (const item of items) await send(item);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (rowsPerTurn * 1000) / (performance.now() - startMs);
}

function atIndex<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error("there is no such store");
  return item;
}

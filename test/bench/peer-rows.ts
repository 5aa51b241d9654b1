import { setTimeout as sleep } from "node:timers/promises";
import { median, row, type BenchRow } from "./bench-row.ts";
import { holdpoint, overHttp, overMqtt } from "./peer-holdpoint.ts";
import { bullmqPeer, celeryPeer, fastapiPeer } from "./peer-kinds.ts";
import {
  clientsMax,
  peerPlace,
  Undo,
  type Contestant,
  type PeerKind,
  type PeerPlace,
  type PeerSystem,
} from "./peer-place.ts";
import { treeCpuMs, type Environment } from "./peer-process.ts";
import { slowDisk, slowDiskMissing } from "./slow-disk.ts";

/** What the agent must be, against a peer, at a hundred clients; at fewer the issue sets no factor, and it is not less. */
const kinds: readonly { readonly kind: PeerKind; readonly atLeast: number }[] = [
  { kind: fastapiPeer, atLeast: 5 },
  { kind: celeryPeer, atLeast: 50 },
  { kind: bullmqPeer, atLeast: 8 },
];
const clientCounts = [1, 10, clientsMax];
const turns = 3;
const sliceSeconds = 2;
/** What is done after the answer (acknowledging, clearing up) is part of a decision's price. */
const settleMs = 250;
const fsyncMs = 5;

interface Sample {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
  readonly loadUs: number;
}
type Samples = ReadonlyMap<string, readonly Sample[]>;

/** The agent against the stacks it replaces: same model, same requests, same disk, durable before it is answered. */
export async function peerRows(): Promise<readonly BenchRow[]> {
  const present: (typeof kinds)[number][] = [];
  for (const one of kinds) {
    const missing = await one.kind.missing();
    if (missing === null) present.push(one);
    else console.error(`${one.kind.name}: skipped; ${missing}`);
  }
  const peers = present.map(({ kind }) => kind);
  const fast = await measured({}, peers, clientCounts);
  const rows = present.flatMap(({ kind, atLeast }) => rowsAgainst(kind, atLeast, fast));
  const disk = await slowDisk(fsyncMs);
  if (disk === null) {
    console.error(slowDiskMissing);
    return rows;
  }
  try {
    const slow = await measured(disk.environment, peers, [clientsMax]);
    return [...rows, ...peers.flatMap((kind) => slowRows(kind, slow.get(clientsMax)))];
  } finally {
    await disk.remove();
  }
}

function rowsAgainst(kind: PeerKind, atLeast: number, all: ReadonlyMap<number, Samples>): readonly BenchRow[] {
  const rows: BenchRow[] = [];
  for (const [clients, samples] of all) {
    if (!samples.has(kind.name)) continue;
    for (const door of [overMqtt, overHttp]) {
      const target = `≥ ${clients === clientsMax ? atLeast : 1}`;
      const name = `decisions/s over ${door}, ${clientsText(clients)}, against ${kind.name}`;
      const detail = `${sentence(door, samples)}; ${sentence(kind.name, samples)}`;
      rows.push(row(name, ratio(samples, door, kind.name, "perSecond"), target, detail));
    }
  }
  if (kind !== fastapiPeer || rows.length === 0) return rows;
  for (const door of [overMqtt, overHttp]) {
    const [one, many] = [all.get(1), all.get(clientsMax)];
    if (one) rows.push(shareRow(`p50 over ${door}, one client`, "p50Ms", one, door, kind.name, "≤ 0.333"));
    if (many) {
      const name = `CPU of a decision over ${door}, ${clientsText(clientsMax)}`;
      rows.push(shareRow(name, "cpuUs", many, door, kind.name, "≤ 0.2"));
    }
  }
  return rows;
}

function shareRow(
  ...[name, field, samples, door, peer, target]: readonly [string, keyof Sample, Samples, string, string, string]
): BenchRow {
  const unit = field === "cpuUs" ? "µs" : "ms";
  const [ours, theirs] = [door, peer].map((one) => `${threeDigits(middle(samples, one, field))} ${unit}`);
  const detail = `${ours ?? ""} against ${theirs ?? ""}`;
  return row(`${name}, against ${peer}`, ratio(samples, door, peer, field), target, detail);
}

function slowRows(kind: PeerKind, samples: Samples | undefined): readonly BenchRow[] {
  if (!samples?.has(kind.name)) return [];
  return [overMqtt, overHttp].map((door) => {
    const name = `decisions/s over ${door}, ${clientsText(clientsMax)}, fsync of ${fsyncMs} ms, against ${kind.name}`;
    const detail = `${sentence(door, samples)}; ${sentence(kind.name, samples)}`;
    return row(name, ratio(samples, door, kind.name, "perSecond"), "≥ 3", detail);
  });
}

const clientsText = (clients: number): string => (clients === 1 ? "one client" : `${clients} clients`);

const threeDigits = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

function middle(samples: Samples, name: string, field: keyof Sample): number {
  return median((samples.get(name) ?? []).map((sample) => sample[field]));
}

/** The median of the ratios of neighbouring turns. */
function ratio(samples: Samples, ours: string, theirs: string, field: keyof Sample): number {
  const others = samples.get(theirs) ?? [];
  return median((samples.get(ours) ?? []).map((sample, i) => sample[field] / (others[i]?.[field] ?? Number.NaN)));
}

function sentence(name: string, samples: Samples): string {
  const of = (field: keyof Sample): number => middle(samples, name, field);
  const times = `p50 ${threeDigits(of("p50Ms"))} ms, p99 ${threeDigits(of("p99Ms"))} ms`;
  return `${name} ${of("perSecond").toFixed(0)}/s, ${times}, ${of("cpuUs").toFixed(0)} µs CPU, load generator ${of("loadUs").toFixed(0)} µs`;
}

/** Starts everybody, measures them by turns at each number of clients, and checks that all is on the disk. */
async function measured(
  slow: Environment,
  peers: readonly PeerKind[],
  counts: readonly number[],
): Promise<ReadonlyMap<number, Samples>> {
  const undo = new Undo();
  try {
    const place = await peerPlace(slow);
    undo.add(() => place.remove());
    const systems: PeerSystem[] = [];
    for (const kind of [holdpoint, ...peers]) {
      const system = await startOrSkip(kind, place);
      if (system === null) continue;
      systems.push(system);
      undo.add(system.stop);
    }
    const answered = new Map<PeerSystem, number>();
    const slice = async (system: PeerSystem, contestant: Contestant, clients: number): Promise<Sample> => {
      const { decisions, sample } = await sliceOf(contestant, clients);
      answered.set(system, (answered.get(system) ?? 0) + decisions);
      return sample;
    };
    const all = systems.flatMap((system) => system.contestants.map((contestant) => ({ system, contestant })));
    const found = new Map<number, Samples>();
    for (const clients of counts) {
      const samples = new Map<string, Sample[]>(all.map(({ contestant }) => [contestant.name, []]));
      // One turn more, first, that is not counted. Then alternating order: whoever comes later finds warm caches.
      for (let turn = 0; turn <= turns; turn += 1) {
        for (const { system, contestant } of turn % 2 === 0 ? all : all.toReversed()) {
          const sample = await slice(system, contestant, clients);
          if (turn > 0) samples.get(contestant.name)?.push(sample);
        }
      }
      found.set(clients, samples);
      for (const { contestant } of all) console.error(`${clientsText(clients)}: ${sentence(contestant.name, samples)}`);
    }
    for (const [system, decisions] of answered) await checkDurable(system, decisions);
    return found;
  } finally {
    await undo.all();
  }
}

/** A peer that does not start here costs its own rows only. */
async function startOrSkip(kind: PeerKind, place: PeerPlace): Promise<PeerSystem | null> {
  try {
    return await kind.start(place);
  } catch (error) {
    if (kind === holdpoint) throw error;
    console.error(`${kind.name}: skipped; ${String(error)}`);
    return null;
  }
}

async function sliceOf(
  { name, pids, traffic }: Contestant,
  clients: number,
): Promise<{ readonly decisions: number; readonly sample: Sample }> {
  await traffic.open(clients);
  const before = { cpu: treeCpuMs(pids), load: treeCpuMs([traffic.pid]) };
  const { decisions, wrong, seconds, p50Ms, p99Ms } = await traffic.run(sliceSeconds);
  await sleep(settleMs);
  if (wrong > 0) throw new Error(`${name}: ${wrong} of ${decisions} answers were wrong`);
  const us = (now: number, then: number): number => ((now - then) * 1000) / decisions;
  const cpuUs = us(treeCpuMs(pids), before.cpu);
  const loadUs = us(treeCpuMs([traffic.pid]), before.load);
  return { decisions, sample: { perSecond: decisions / seconds, p50Ms, p99Ms, cpuUs, loadUs } };
}

/** A stack that answers before its row is on the disk, or without one, would not be a yardstick. */
async function checkDurable(system: PeerSystem, decisions: number): Promise<void> {
  const durable = await system.durable();
  const name = system.contestants.map((contestant) => contestant.name).join(", ");
  if (durable !== decisions) throw new Error(`${name}: ${decisions} decisions were answered, ${durable} are stored`);
}

import { writeFile } from "node:fs/promises";
import sharp from "sharp";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { productTask } from "../support/agent-process.ts";
import { benchPlace, pictureBody, startBenchAgent } from "./bench-place.ts";
import { quantile, row, type BenchRow } from "./bench-row.ts";
import { MqttLoad, writerOf } from "./mqtt-load.ts";
import { OpenLoad, type Sent } from "./open-load.ts";

const devices = 40;
/** The usual load is this share of what the model can do, so that ten times as much is twice what it can do. */
const usualShare = 0.2;
const timesUsual = 10;
/** People are asked about so many cases that the agent had no time for; then comes the safe action. */
const escalationsPerHour = 200;
/** Latencies are looked at in windows of so long, by when the request was sent. */
const windowMs = 2000;
/** Back to steady: within this of the worst window of the even load. */
const steadyFactor = 1.5;

const store = `store_id: store_1
models:
  ${productTask}: { model: product-id@^1, batch_size: 8 }
thresholds: { ${productTask}: 0 }
tasks:
  ${productTask}:
    audit_share: 0
    fallback: [human_review, safe_action]
    safe_action: { label: ask }
    escalations_per_hour: ${escalationsPerHour}
`;

interface Phases {
  readonly even: readonly Sent[];
  readonly burst: readonly Sent[];
  readonly after: readonly Sent[];
  readonly afterStartMs: number;
  /** What the agent takes where everybody waits, and how long the burst was. */
  readonly perSecond: number;
  readonly seconds: number;
}

/**
 * JPEG pictures through the shipped model at the usual rate, then ten times as many, then the usual rate again. What is
 * declared (docs/limits.md): what the model cannot take in time goes to people, with reason `overload` or `timeout`;
 * when their hour is used up, the safe action; HP_BUSY when more cases are in flight than the agent holds; and nothing
 * that was acknowledged is lost.
 */
export async function burstRows(long: boolean): Promise<readonly BenchRow[]> {
  const seconds = long ? 60 : 10;
  const names = Array.from({ length: devices }, (_, i) => `bench-${i}`);
  const place = await benchPlace("pictures", names);
  await writeFile(place.configFile, store);
  const agent = await startBenchAgent(place, { review: true });
  const jpeg = await sharp(
    new Uint8Array(224 * 224 * 3).map((_, i) => (i * 7) % 251),
    {
      raw: { width: 224, height: 224, channels: 3 },
    },
  )
    .jpeg({ quality: 85 })
    .toBuffer();
  const body = pictureBody({ kind: "image", encoding: "jpeg", data: jpeg });
  const targets = place.targets(agent.mqttPort);
  const perSecond = await capacity(targets, body);
  const usual = perSecond * usualShare;
  const load = await OpenLoad.open(targets, writerOf(body));
  const even = await load.run(usual, long ? 30_000 : 12_000);
  const rssBefore = (await agent.inside()).rssBytes;
  const burst = await load.run(usual * timesUsual, seconds * 1000);
  const rssAfter = (await agent.inside()).rssBytes;
  const afterStartMs = performance.now();
  const after = await load.run(usual, 20_000);
  const unanswered = await load.drained(60_000);
  await load.close();
  await agent.stop();
  const acknowledged = [...load.requests].filter(([, sent]) => sent.ackedMs !== null);
  const lost = await notInJournal(
    place.dataDir,
    acknowledged.map(([id]) => id),
  );
  await place.remove();

  const phases = { even, burst, after, afterStartMs, perSecond, seconds };
  const rate = `${usual.toFixed(0)}/s, then ${(usual * timesUsual).toFixed(0)}/s for ${seconds} s`;
  const memory = `resident memory ${(rssBefore / 2 ** 20).toFixed(0)} MB before, ${(rssAfter / 2 ** 20).toFixed(0)} MB at its end`;
  return [
    row(
      `burst of ten times the load, acknowledged and lost or unanswered`,
      (lost + unanswered) / Math.max(1, acknowledged.length),
      "≤ 0",
      `${rate}; ${acknowledged.length} of ${load.requests.size} acknowledged, ${lost} not in the journal after a SIGKILL, ${unanswered} unanswered; ${memory}`,
    ),
    shedOrder(phases, load),
    backToSteady(phases),
  ];
}

/** What the agent takes when everybody waits for an answer before the next request. */
async function capacity(
  targets: ReturnType<Awaited<ReturnType<typeof benchPlace>>["targets"]>,
  body: Parameters<typeof writerOf>[0],
): Promise<number> {
  const [first] = targets;
  if (!first) throw new Error("a device is needed");
  const load = await MqttLoad.open(first, 1);
  await load.run({ inFlight: 32, requests: 200, body });
  const { perSecond } = await load.run({ inFlight: 32, requests: 400, body });
  await load.close();
  return perSecond;
}

async function notInJournal(dataDir: string, ids: readonly string[]): Promise<number> {
  const journal = await openJournalReadOnly(dataDir);
  let lost = 0;
  for (const id of ids) if ((await journal.find(id))?.decision == null) lost += 1;
  await journal.close();
  return lost;
}

/** Counts what came out of the declared order; the target is none. */
function shedOrder({ even, burst, after, perSecond, seconds }: Phases, load: OpenLoad): BenchRow {
  const answered = [...even, ...burst, ...after].filter((sent) => sent.decision !== null);
  answered.sort((a, b) => (a.answeredMs ?? 0) - (b.answeredMs ?? 0));
  const shed = answered.filter(({ decision }) => decision?.verdict !== "accept");
  const reasonsOf = (sent: Sent): readonly string[] => sent.decision?.reasons ?? [];
  const toPeople = shed.filter(({ decision }) => decision?.verdict === "escalate");
  const safe = shed.filter(({ decision }) => decision?.verdict === "abstain");
  const hours = ((after.at(-1)?.sentMs ?? 0) - (even[0]?.sentMs ?? 0)) / 3_600_000;
  const violations = {
    "shed for another reason than overload": shed.filter(
      (sent) => !["overload", "timeout"].includes(reasonsOf(sent)[0] ?? ""),
    ).length,
    "safe action without a used-up budget": safe.filter((sent) => !reasonsOf(sent).includes("budget_exhausted")).length,
    "more to people than their hour": Math.max(0, toPeople.length - Math.ceil(escalationsPerHour * (1 + hours))),
    "HP_BUSY before the first was shed": load.busyMs.filter((atMs) => atMs < (shed[0]?.answeredMs ?? Infinity)).length,
    "shed at the usual load before": even.filter(({ decision }) => decision?.verdict !== "accept").length,
    "refused for good": [...load.requests.values()].filter(({ refused }) => refused !== null).length,
  };
  const found = Object.entries(violations).filter(([, count]) => count > 0);
  const inBurst = burst.filter(({ decision }) => decision?.verdict === "accept").length / seconds;
  const shares = [
    `${answered.length - shed.length} by the model (in the burst ${inBurst.toFixed(0)}/s, where it takes ${perSecond.toFixed(0)}/s of who wait)`,
    ...(["overload", "timeout"] as const).map(
      (reason) => `${shed.filter((sent) => reasonsOf(sent)[0] === reason).length} ${reason}`,
    ),
    `of these ${toPeople.length} to people and ${safe.length} the safe action`,
    `HP_BUSY ${load.busyMs.length} times`,
  ].join(", ");
  const wrong = found.map(([what, count]) => `${count} × ${what}`).join(", ");
  return row(
    "burst of ten times the load, cases out of the declared order of shedding",
    found.reduce((sum, [, count]) => sum + count, 0),
    "≤ 0",
    wrong === "" ? shares : `${shares}; ${wrong}`,
  );
}

/** Seconds from the burst's end until a window's p99 is steady and stays so, against the ten that are allowed. */
function backToSteady({ even, after, afterStartMs, burst }: Phases): BenchRow {
  const startMs = even[0]?.sentMs ?? 0;
  // The first windows warm up the model and the journal.
  const steadyMs = Math.max(...windowsOf(even, startMs).slice(1));
  const windows = windowsOf(after, afterStartMs);
  const lastBad = windows.findLastIndex((p99Ms) => p99Ms > steadyFactor * steadyMs);
  const backMs = (lastBad + 1) * windowMs;
  const burstP99 = quantile(burst.map(latency), 0.99);
  const detail = `${backMs / 1000} s until p99 was within ${steadyFactor} of the even load's ${steadyMs.toFixed(0)} ms (worst of its 2 s windows); in the burst p99 ${burstP99.toFixed(0)} ms; after it ${windows.map((p99Ms) => p99Ms.toFixed(0)).join(", ")} ms`;
  return row("burst of ten times the load, back to steady p99, against 10 s", backMs / 10_000, "≤ 1", detail);
}

function windowsOf(sent: readonly Sent[], startMs: number): readonly number[] {
  const count = Math.ceil(((sent.at(-1)?.sentMs ?? startMs) - startMs) / windowMs);
  return Array.from({ length: count }, (_, i) => {
    const from = startMs + i * windowMs;
    const inside = sent.filter(({ sentMs }) => sentMs >= from && sentMs < from + windowMs);
    return quantile(inside.map(latency), 0.99);
  });
}

function latency({ sentMs, answeredMs }: Sent): number {
  return answeredMs === null ? Infinity : answeredMs - sentMs;
}

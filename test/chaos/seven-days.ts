import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { openForTest } from "../contract/journal-sqlite.ts";
import { admissionOf, decisionOf, HandClock, makeRequest, recordOf } from "../support/journal-cases.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";

/**
 * The theorem: a store is offline for a week and decides twice a second, with a byte budget that holds hours of
 * pictures. The clock is simulated, the bytes are real. Accepted pictures go, oldest first, each with a tombstone; no
 * escalation that nobody answered ever goes; memory does not grow with the days.
 */
export interface SevenDaysOptions extends ChaosOptions {
  readonly budgetBytes: number;
  readonly pictureBytes: number;
  /** Seconds of a day; a short form has short days. */
  readonly daySeconds?: number;
}

const perSecond = 2;
const fullDaySeconds = 86_400;
/** Simulated time between two looks at the clock: what arrives in it is one burst. */
const stepSeconds = 64;
const escalatedShare = 0.002;

export async function sevenDays(options: SevenDaysOptions): Promise<ChaosReport> {
  const { rounds: days, random, say, budgetBytes, pictureBytes, daySeconds = fullDaySeconds } = options;
  const clock = new HandClock();
  const under = await openForTest({ clock, retention: { journalBytesMax: budgetBytes } });
  const escalated: string[] = [];
  const accepted: string[] = [];
  const memories: number[] = [];
  const violations: string[] = [];
  try {
    for (let day = 1; day <= days; day += 1) {
      for (let second = 0; second < daySeconds; second += stepSeconds) {
        const burst = Array.from({ length: stepSeconds * perSecond }, async () => {
          const data = new Uint8Array(pictureBytes).fill(Math.floor(random() * 256));
          const request = makeRequest({ kind: "image", encoding: "jpeg", data });
          const people = random() < escalatedShare;
          await under.journal.admit(admissionOf(request));
          await under.journal.decide(recordOf(decisionOf(request, people ? "escalate" : "accept")));
          (people ? escalated : accepted).push(request.id);
        });
        await Promise.all(burst);
        await under.pass(stepSeconds * 1000);
        const { inputBytes } = under.journal.storage();
        if (inputBytes > 1.1 * budgetBytes) violations.push(`day ${day}: ${inputBytes} input bytes are kept`);
      }
      global.gc?.();
      memories.push(process.memoryUsage.rss() - heldByTheTest(accepted.length + escalated.length));
      say(
        `day ${day}: ${accepted.length + escalated.length} decisions, ${Math.round((memories.at(-1) ?? 0) / 1e6)} MB`,
      );
    }
    const found = await look(under.journal, accepted, escalated);
    violations.push(...found.violations);
    const [first = 0, last = 0] = [memories[Math.min(1, memories.length - 1)], memories.at(-1)];
    // The heap of a short day is still growing into what it needs.
    if (daySeconds === fullDaySeconds && last > 1.1 * first)
      violations.push(`memory grew from ${first} to ${last} bytes`);
    const { intact, records, fault } = await under.journal.verify();
    const counts = { acknowledged: accepted.length + escalated.length, lost: found.lost, doubled: 0 };
    return reportOf(
      { ...counts, chain: { intact, records, fault: fault?.message ?? null } },
      {
        ...{ escalations: escalated.length, evicted: found.evicted, kept: found.kept },
        journalMB: Math.round(statSync(join(under.dir, "journal.db")).size / 1e6),
        memoryMB: memories.map((bytes) => Math.round(bytes / 1e6)).join(" "),
      },
      violations,
    );
  } finally {
    await under.journal.close();
    rmSync(under.dir, { recursive: true, force: true });
  }
}

/** Ids that the test itself remembers are not the journal's memory. */
function heldByTheTest(ids: number): number {
  return ids * 100;
}

interface Found {
  readonly lost: number;
  readonly evicted: number;
  readonly kept: number;
  readonly violations: readonly string[];
}

async function look(
  journal: Awaited<ReturnType<typeof openForTest>>["journal"],
  accepted: readonly string[],
  escalated: readonly string[],
): Promise<Found> {
  const violations: string[] = [];
  let [lost, gone, evicted, kept, outOfOrder] = [0, 0, 0, 0, 0];
  for (const id of escalated) {
    const found = await journal.find(id);
    if (!found) lost += 1;
    else if (found.inputState !== "kept" || found.state !== "pending") gone += 1;
  }
  for (const id of accepted) {
    const found = await journal.find(id);
    if (!found) lost += 1;
    else if (found.inputState === "evicted") {
      evicted += 1;
      if (kept > 0) outOfOrder += 1;
    } else kept += 1;
  }
  if (gone > 0) violations.push(`${gone} escalations lost their picture or their place`);
  // Those of one commit are of one age.
  if (outOfOrder > stepSeconds * perSecond) violations.push(`${outOfOrder} pictures went before older ones`);
  if (evicted === 0) violations.push("the budget was never reached");
  return { lost, evicted, kept, violations };
}

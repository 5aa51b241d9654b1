import { fork } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answersOf } from "../support/child-answers.ts";
import { root } from "../support/agent-process.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { type WeekDecided, type WeekFound, type WeekQuestion, type WeekVerified } from "./seven-days-question.ts";

/**
 * The theorem: a store is offline for a week and decides twice a second, with a byte budget that holds hours of
 * pictures. The clock is simulated, the bytes are real. Accepted pictures go, oldest first, each with a tombstone; no
 * escalation that nobody answered ever goes; the memory of the journal's process does not grow with the days.
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
const foundAtOnce = 256;

/** A question to the journal's process. */
type Ask = <T>(question?: WeekQuestion) => Promise<T>;

export async function sevenDays(options: SevenDaysOptions): Promise<ChaosReport> {
  const { rounds: days, random, say, budgetBytes, pictureBytes, daySeconds = fullDaySeconds } = options;
  const dir = mkdtempSync(join(tmpdir(), "holdpoint-week-"));
  const sizes = ["--budget", String(budgetBytes), "--picture", String(pictureBytes)];
  // The agent's own bound of the young heap (edge-agent/cli/young-heap.node.ts).
  const child = fork(join(root, "test/chaos/seven-days-journal.node.ts"), ["--dir", dir, ...sizes], {
    execArgv: ["--max-semi-space-size=16"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const ask: Ask = answersOf(child, "the week's journal");
  const escalated: string[] = [];
  const accepted: string[] = [];
  const memories: number[] = [];
  const violations: string[] = [];
  try {
    await ask();
    for (let day = 1; day <= days; day += 1) {
      let rssBytes = 0;
      for (let second = 0; second < daySeconds; second += stepSeconds) {
        const cases = Array.from({ length: stepSeconds * perSecond });
        const fills = cases.map(() => Math.floor(random() * 256));
        const people = cases.map(() => random() < escalatedShare);
        const decided = await ask<WeekDecided>({ do: "decide", fills, people, ms: stepSeconds * 1000 });
        decided.ids.forEach((id, i) => (people[i] === true ? escalated : accepted).push(id));
        rssBytes = decided.rssBytes;
        if (decided.inputBytes > 1.1 * budgetBytes) {
          violations.push(`day ${day}: ${decided.inputBytes} input bytes are kept`);
        }
      }
      memories.push(rssBytes);
      say(`day ${day}: ${accepted.length + escalated.length} decisions, ${Math.round(rssBytes / 1e6)} MB`);
    }
    const found = await look(ask, accepted, escalated);
    violations.push(...found.violations);
    const [first = 0, last = 0] = [memories[Math.min(1, memories.length - 1)], memories.at(-1)];
    // The heap of a short day is still growing into what it needs.
    if (daySeconds === fullDaySeconds && last > 1.1 * first)
      violations.push(`memory grew from ${first} to ${last} bytes`);
    const chain = await ask<WeekVerified>({ do: "verify" });
    const counts = { acknowledged: accepted.length + escalated.length, lost: found.lost, doubled: 0 };
    return reportOf(
      { ...counts, chain },
      {
        ...{ escalations: escalated.length, evicted: found.evicted, kept: found.kept },
        journalMB: Math.round(statSync(join(dir, "journal.db")).size / 1e6),
        memoryMB: memories.map((bytes) => Math.round(bytes / 1e6)).join(" "),
      },
      violations,
    );
  } finally {
    child.kill("SIGKILL");
    await ended;
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Found {
  readonly lost: number;
  readonly evicted: number;
  readonly kept: number;
  readonly violations: readonly string[];
}

async function look(ask: Ask, accepted: readonly string[], escalated: readonly string[]): Promise<Found> {
  const violations: string[] = [];
  let [lost, gone, evicted, kept, outOfOrder] = [0, 0, 0, 0, 0];
  for await (const found of allOf(ask, escalated)) {
    if (!found) lost += 1;
    else if (found.input !== "kept" || found.state !== "pending") gone += 1;
  }
  for await (const found of allOf(ask, accepted)) {
    if (!found) lost += 1;
    else if (found.input === "evicted") {
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

/** In the order of the ids. */
async function* allOf(ask: Ask, ids: readonly string[]): AsyncGenerator<WeekFound[number]> {
  for (let at = 0; at < ids.length; at += foundAtOnce) {
    yield* await ask<WeekFound>({ do: "find", ids: ids.slice(at, at + foundAtOnce) });
  }
}

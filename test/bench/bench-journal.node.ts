import { join } from "node:path";
import { parseArgs } from "node:util";
import { openJournal } from "../../edge-agent/journal/journal.node.ts";
import { type Journal } from "../../edge-agent/journal/journal.ts";
import { openDatabase } from "../../protocol/platform/sqlite.node.ts";
import { bodyDigest, newId, silentLogger, type Decision, type DecisionRequest } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { trace } from "../support/journal-cases.ts";
import { quantile } from "./bench-row.ts";
import { type JournalAnswer, type JournalQuestion } from "./journal-question.ts";

/**
 * A journal in a process of its own, so that its memory can be told from everything else: filled through its own
 * interface, measured one commit after another. Each case is what a decided and delivered tabular request leaves: the
 * case with its input and the decision in one commit, then the device's acknowledgement.
 */

const device = "bench";
/** Cases under way while filling: full groups, and far from the queue's limit. */
const fillAtOnce = 4096;

/** More than 10⁷ records need: nothing is pruned to keep the file within its bound. */
const databaseBytesMax = 64 * 2 ** 30;

const { values } = parseArgs({ options: { dir: { type: "string" } } });
const dir = values.dir ?? "";
const startMs = performance.now();
const { journal } = await openJournal({
  ...{ dir, clock: systemClock, timers: systemTimers, random: systemRandom },
  logger: silentLogger,
  limits: { databaseBytesMax },
  retention: { journalBytesMax: 2_000_000_000, inputKeepMs: 72 * 3_600_000, unansweredMaxMs: 14 * 86_400_000 },
});

process.on("message", (question) => void answer(question as JournalQuestion));
process.on("disconnect", () => process.exit(0));
process.send?.(await tell(performance.now() - startMs, [0]));

async function answer(question: JournalQuestion): Promise<void> {
  const beforeMs = performance.now();
  if (question.do === "close") {
    await journal.close();
    process.disconnect();
    return;
  }
  const times: number[] = [];
  if (question.do === "fill") await fill(journal, question.cases);
  else {
    let delivered: Promise<void> = Promise.resolve();
    for (let i = 0; i < question.cases; i += 1) {
      const { admit, deliver } = nextCase(journal);
      const fromMs = performance.now();
      await admit();
      times.push(performance.now() - fromMs);
      // Not waited for: it goes with the next case's commit, as it does in an agent, and else only with the tick's.
      delivered = deliver();
    }
    await delivered;
  }
  process.send?.(await tell(performance.now() - beforeMs, times));
}

async function tell(tookMs: number, times: readonly number[]): Promise<JournalAnswer> {
  const database = await openDatabase(join(dir, "journal.db"), { readOnly: true });
  const { records } = database.prepare("SELECT head_n AS records FROM instance").get() as { records: number };
  database.close();
  const [p50Ms, p99Ms] = [quantile(times, 0.5), quantile(times, 0.99)];
  return { records, tookMs, p50Ms, p99Ms, rssBytes: process.memoryUsage.rss() };
}

async function fill(into: Journal, cases: number): Promise<void> {
  let left = cases;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const { admit, deliver } = nextCase(into);
      await admit();
      await deliver();
    }
  };
  await Promise.all(Array.from({ length: fillAtOnce }, lane));
}

function nextCase(into: Journal): { readonly admit: () => Promise<unknown>; readonly deliver: () => Promise<void> } {
  const id = newId(systemClock, systemRandom);
  const atMs = Date.now();
  const request: DecisionRequest = {
    ...{ v: 1, id, task: "sides", at: atMs },
    input: { kind: "tensor", dtype: "float32", shape: [1, 2], data: new Uint8Array(8) },
    context: { basket: "b-17", camera: "aisle-3", shelf: "C2" },
  };
  const record = { decision: decisionOf(id, atMs), trace, audit: false, reviewWithinMs: null };
  const admission = {
    ...({ request, device, transport: "mqtt", encoding: "msgpack", receivedAtMs: atMs, keepInput: true } as const),
    bodyDigest: bodyDigest(nodeHasher, request),
    decision: () => record,
  };
  return { admit: () => into.admit(admission), deliver: () => into.delivered(device, id, 1) };
}

function decisionOf(id: string, atMs: number): Decision {
  return {
    ...{ v: 1, id, revision: 1, task: "sides", status: "final", verdict: "accept", decidedBy: "model" },
    answer: { label: "left", value: 0, alternatives: [{ label: "right", confidence: 0.02 }] },
    ...{ confidence: 0.98, score: 0.98, gateThreshold: 0.9, certificate: null, reasons: ["confident"] },
    model: { name: "sides", version: "1.0.0", digest: `sha256:${"a".repeat(64)}` },
    config: { revision: 1, digest: `sha256:${"b".repeat(64)}` },
    ...{ provider: "cpu", at: atMs, latencyMs: 1.25, explanation: null },
  };
}

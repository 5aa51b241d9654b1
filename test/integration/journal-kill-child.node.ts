import { writeSync } from "node:fs";
import { openJournal } from "../../edge-agent/journal/journal.node.ts";
import { newId, silentLogger, type DecisionRequest } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { admissionOf, decisionOf, recordOf, settledBy } from "../support/journal-cases.ts";

/**
 * The process that journal-kill.test.ts kills: works on cases as fast as it can and prints, after each promise, what it
 * was promised: `a <id>` admitted, `d <id>` decided, `s <id>` settled.
 */

const { journal } = await openJournal({
  dir: process.argv[2] ?? "",
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  logger: silentLogger,
  // A small budget, so that evictions are among what is killed.
  retention: { journalBytesMax: 200_000, inputKeepMs: 86_400_000, unansweredMaxMs: 86_400_000 },
  limits: { reserveBytes: 1 << 20, walBytesMax: 1 << 20 },
});

/** Written at once, so that a kill loses no line; a pipe that is full for the moment is tried again. */
function tell(what: string): void {
  const line = Buffer.from(`${what}\n`);
  for (let at = 0; at < line.length;) {
    try {
      at += writeSync(1, line, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

async function work(): Promise<never> {
  for (let count = 0; ; count += 1) {
    const request: DecisionRequest = {
      v: 1,
      id: newId(systemClock, systemRandom),
      task: "product_identification",
      at: Math.round(systemClock.wallMs()),
      input: { kind: "image", encoding: "jpeg", data: systemRandom.bytes(1500) },
    };
    const { id } = request;
    await journal.admit(admissionOf(request));
    tell(`a ${id}`);
    const decision = decisionOf(request, count % 4 === 0 ? "escalate" : "accept");
    await journal.decide(recordOf(decision));
    tell(`d ${id}`);
    if (decision.status === "final") continue;
    await journal.settle({ revision: settledBy(decision) });
    tell(`s ${id}`);
  }
}

tell("ready");
await Promise.all(Array.from({ length: 16 }, work));

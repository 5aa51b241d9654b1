import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { newId } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { quantile } from "./bench-row.ts";
import { type PeerCase } from "./peer-model.ts";

/**
 * Load from a process of its own, told by lines of JSON what to do: `{"clients":10}` opens as many lanes and is answered
 * when they are open, `{"seconds":2}` keeps one request in flight on each of them for so long and is answered with a
 * TrafficResult. As little as possible happens per request: it runs on the cores of those it measures.
 */
export interface TrafficResult {
  readonly decisions: number;
  /** Answers that were not the model's, or that were not sure. */
  readonly wrong: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** One client. `answered` is called with the label of a sure answer, null for any other. */
export interface Lane {
  ask(id: string, caseIndex: number, answered: (label: string | null) => void): void;
}

export function readCases(): readonly PeerCase[] {
  return JSON.parse(readFileSync(process.env["PEER_CASES"] ?? "", "utf8")) as readonly PeerCase[];
}

export async function serveTraffic(
  cases: readonly PeerCase[],
  open: (count: number) => Promise<readonly Lane[]>,
): Promise<void> {
  let lanes: readonly Lane[] = [];
  const say = (line: object): void => console.log(JSON.stringify(line));
  say({ listening: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line) as { clients?: number; seconds?: number };
    if (asked.clients === undefined) say(await run(lanes, cases, asked.seconds ?? 0));
    else {
      lanes = await open(asked.clients);
      say(asked);
    }
  }
}

function run(lanes: readonly Lane[], cases: readonly PeerCase[], seconds: number): Promise<TrafficResult> {
  const latencies: number[] = [];
  let wrong = 0;
  let open = lanes.length;
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  return new Promise((resolve) => {
    const finish = (): void => {
      open -= 1;
      if (open > 0) return;
      resolve({
        decisions: latencies.length,
        wrong,
        seconds: (performance.now() - startMs) / 1000,
        p50Ms: quantile(latencies, 0.5),
        p99Ms: quantile(latencies, 0.99),
      });
    };
    const next = (lane: Lane, turn: number): void => {
      const sentMs = performance.now();
      if (sentMs >= endMs) {
        finish();
        return;
      }
      const index = turn % cases.length;
      lane.ask(newId(systemClock, systemRandom), index, (label) => {
        latencies.push(performance.now() - sentMs);
        if (label !== cases[index]?.label) wrong += 1;
        next(lane, turn + 1);
      });
    };
    lanes.forEach(next);
  });
}

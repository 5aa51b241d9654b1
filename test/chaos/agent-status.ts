import { setTimeout as sleep } from "node:timers/promises";
import { type AgentStatus } from "../../protocol/index.ts";
import { type AgentPorts } from "../support/agent-process.ts";

/** A machine with much other work keeps even this waiting; how soon something must be said is the callers' to judge. */
const answerMsMax = 60_000;

export async function statusOf({ http }: AgentPorts): Promise<AgentStatus> {
  const response = await fetch(`${http}/v1/status`, { signal: AbortSignal.timeout(answerMsMax) });
  return (await response.json()) as AgentStatus;
}

export async function says(agent: AgentPorts, code: string): Promise<boolean> {
  return (await statusOf(agent)).reasons.some((reason) => reason.code === code);
}

/** Milliseconds until it held, or null if it did not within the time. */
export async function timeUntil(holds: () => Promise<boolean>, withinMs: number): Promise<number | null> {
  const startedMs = performance.now();
  for (;;) {
    if (await holds()) return performance.now() - startedMs;
    if (performance.now() - startedMs > withinMs) return null;
    await sleep(20);
  }
}

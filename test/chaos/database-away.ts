import { setTimeout as sleep } from "node:timers/promises";
import { type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { type Circle, hubCircle } from "./hub-circle.ts";

/** Work before each time that the database goes away. */
const presentMs = 3_000;
/** The hub is ready so long after its database at the latest. */
const readyAgainMsMax = 15_000;

/**
 * The hub's PostgreSQL goes away for `awayMs`, while a device asks and people answer. The hub stays up and says why it is
 * not ready; the agent takes every request meanwhile and says that it still owes the hub; afterwards all goes on by itself.
 */
export async function databaseAway(options: ChaosOptions & { readonly awayMs: number }): Promise<ChaosReport> {
  const { rounds, awayMs, say } = options;
  return hubCircle({
    ...{ ...options, store: "postgres", faultShare: 0 },
    disturb: async (circle) => {
      const violations: string[] = [];
      let [takenMeanwhile, slowestReadyMs] = [0, 0];
      for (let round = 1; round <= rounds; round += 1) {
        await sleep(presentMs);
        const before = circle.ledger.acknowledged.size;
        await circle.hub.postgres?.stop();
        const watched = await watchAway(circle, awayMs);
        violations.push(...watched.map((fault) => `${fault} (time ${round})`));
        const taken = circle.ledger.acknowledged.size - before;
        takenMeanwhile += taken;
        if (taken === 0) violations.push(`nothing was taken while the database was away (time ${round})`);
        await circle.hub.postgres?.start();
        const readyMs = await readyAgain(circle);
        slowestReadyMs = Math.max(slowestReadyMs, readyMs);
        if (readyMs > readyAgainMsMax) violations.push(`the hub was not ready ${readyMs} ms after its database`);
        say(`away ${round} times, ${taken} requests taken meanwhile, ready again after ${readyMs} ms`);
      }
      return { detail: { timesAway: rounds, secondsAway: awayMs / 1000, takenMeanwhile, slowestReadyMs }, violations };
    },
  });
}

/** What was not as promised while the database was away; each fault once. */
async function watchAway({ hub, agentUrl }: Circle, awayMs: number): Promise<readonly string[]> {
  const faults = new Set<string>();
  const endMs = performance.now() + awayMs;
  // What is under way when the database goes may still end well.
  await sleep(Math.min(1_000, awayMs / 4));
  while (performance.now() < endMs) {
    const [alive, ready, status] = await Promise.all([
      fetch(`${hub.url}/healthz`).then(({ status }) => status),
      fetch(`${hub.url}/readyz`).then((answer) => answer.json() as Promise<{ reasons?: readonly string[] }>),
      fetch(`${agentUrl()}/v1/status`).then((answer) => answer.json() as Promise<{ safeToPowerOff?: boolean }>),
    ]);
    if (alive !== 200) faults.add(`the hub answered ${alive} to /healthz`);
    if (ready.reasons?.includes("HP_DATABASE") !== true) faults.add("the hub did not say that its database is away");
    if (status.safeToPowerOff !== false) faults.add("the agent said that it owes the hub nothing");
    await sleep(500);
  }
  return [...faults];
}

async function readyAgain({ hub }: Circle): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    const { status } = await fetch(`${hub.url}/readyz`);
    const tookMs = Math.round(performance.now() - startMs);
    if (status === 200 || tookMs > 2 * readyAgainMsMax) return tookMs;
    await sleep(50);
  }
}

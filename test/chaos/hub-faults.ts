import { setTimeout as sleep } from "node:timers/promises";
import { type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { hubCircle } from "./hub-circle.ts";

/** Long enough that the agent's link has begun to send, short enough to hit it while it does. */
const lifeMsMin = 300;
const lifeMsSpread = 2_200;
/** A database that goes away is no rare thing: once in so many rounds. */
const databaseEvery = 8;

/** Agent and hub die in turn behind a network that loses, delays, doubles, reorders and cuts. */
export async function hubFaults(
  options: ChaosOptions & { readonly store: "sqlite" | "postgres" },
): Promise<ChaosReport> {
  const { rounds, random, say } = options;
  return hubCircle({
    ...options,
    faultShare: 0.35,
    disturb: async ({ hub, ledger, book, killAgent }) => {
      let databaseRestarts = 0;
      for (let round = 1; round <= rounds; round += 1) {
        await sleep(lifeMsMin + random() * lifeMsSpread);
        await killAgent();
        await sleep(lifeMsMin + random() * lifeMsSpread);
        await hub.killAndRestart();
        if (hub.postgres && round % databaseEvery === 0) {
          await hub.postgres.restart();
          databaseRestarts += 1;
        }
        if (round % 10 === 0)
          say(`${round} rounds, ${ledger.acknowledged.size} acknowledged, ${book.taken.size} answered`);
      }
      return { detail: { agentKills: rounds, hubKills: rounds, databaseRestarts }, violations: [] };
    },
  });
}

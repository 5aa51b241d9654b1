import { killRounds, peopleRequest } from "../support/kill-rounds.ts";
import { reportOf, together, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { sidesPlace, sidesRequest } from "./sides-place.ts";

/**
 * Many lives: several agents, each in a place of its own, are killed at the same time, because most of a life is its start.
 * A place is judged and given up after some lives: a start that checks an ever larger journal would take ever longer.
 */
const livesOfAPlace = 40;
/** Nearly all of the rest are cases for people, which cost the least: the kills are to hit commits. */
const modelShare = 0.2;

export async function killAgents({ rounds, random, say, parallel = 1 }: ChaosOptions): Promise<ChaosReport> {
  const reports: ChaosReport[] = [];
  let [left, lives] = [rounds, 0];
  const lane = async (): Promise<void> => {
    while (left > 0) {
      const mine = Math.min(livesOfAPlace, Math.ceil(rounds / parallel), left);
      left -= mine;
      reports.push(await livesOf(mine, random, () => (lives += 1) % 10 === 0 && say(`${lives} lives`)));
      const { acknowledged, lost } = together(reports);
      say(`${lives} lives; in places that are judged: acknowledged ${acknowledged}, lost ${lost}`);
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  return together(reports);
}

async function livesOf(rounds: number, random: () => number, progress: () => void): Promise<ChaosReport> {
  const place = await sidesPlace();
  try {
    const request = () => (random() < modelShare ? sidesRequest(random) : peopleRequest());
    const lives = { place, rounds, random, request, progress, httpLanes: 4, lifeMs: [50, 700] } as const;
    const { decisionsSeen, rounds: killed, ...counts } = await killRounds(lives);
    return reportOf(counts, { killed, decisionsSeen });
  } finally {
    await place.remove();
  }
}

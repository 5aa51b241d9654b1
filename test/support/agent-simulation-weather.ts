import { type NetWeather } from "./agent-simulation-devices.ts";
import { type ModelWeather } from "./agent-simulation-models.ts";
import { type PeopleWeather } from "./agent-simulation-people.ts";
import { seededRandom } from "./requests.ts";

/** What happens to a simulated store, how much of it, and how often. */
export interface Weather {
  readonly net: NetWeather;
  readonly models: ModelWeather;
  readonly people: PeopleWeather;
  readonly commitMsMax: number;
  readonly readMsMax: number;
  /** Mean times between events; Infinity: never. */
  readonly askEveryMs: number;
  readonly crashEveryMs: number;
  readonly stopEveryMs: number;
  readonly diskTroubleEveryMs: number;
  readonly jumpEveryMs: number;
  readonly configEveryMs: number;
  readonly loadMs: number;
}

/** Every seed has weather of its own. */
export function weatherOf(seed: number): Weather {
  const random = seededRandom(seed * 7919 + 13);
  const upTo = (most: number): number => random.uniform() * most;
  const sometimes = (share: number, value: number): number => (random.uniform() < share ? value : Infinity);
  const rough = random.uniform() < 0.5;
  return {
    net: {
      loss: rough ? upTo(0.25) : 0,
      duplication: rough ? upTo(0.3) : 0,
      delayMsMax: random.uniform() < 0.5 ? upTo(30) : upTo(900),
      reorders: rough,
      cutEveryMs: 2_000 + upTo(30_000),
      frozen: random.uniform() < 0.3 ? upTo(0.3) : 0,
    },
    models: {
      slow: upTo(0.1),
      hang: upTo(0.05),
      crash: upTo(0.1),
      nan: upTo(0.05),
      runMsMax: random.uniform() < 0.5 ? 2 : upTo(300),
      missing: random.uniform() < 0.3 ? 0.3 : 0,
      warmMsMax: upTo(400),
    },
    people: {
      reviewers: Math.floor(upTo(4)),
      thinkMsMax: 500 + upTo(6_000),
      twice: upTo(0.4),
      undone: upTo(0.3),
      late: upTo(0.2),
      hub: random.uniform() < 0.5 ? upTo(0.5) : 0,
    },
    commitMsMax: random.uniform() < 0.5 ? 5 : 40,
    readMsMax: upTo(10),
    askEveryMs: 100 + upTo(500),
    crashEveryMs: sometimes(0.8, 1_500 + upTo(8_000)),
    stopEveryMs: sometimes(0.3, 4_000 + upTo(8_000)),
    diskTroubleEveryMs: sometimes(0.5, 1_500 + upTo(6_000)),
    jumpEveryMs: sometimes(0.5, 500 + upTo(5_000)),
    configEveryMs: sometimes(0.6, 750 + upTo(4_000)),
    loadMs: 4_000 + upTo(6_000),
  };
}

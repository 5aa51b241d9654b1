import { type Draw, seededDraw } from "../seeded-draw.ts";

/** What is simulated. Shares in [0, 1]. */
export interface FleetShape {
  readonly seed: number;
  readonly stores: number;
  readonly days: number;
  /** Mean number of decisions of a store a day; stores differ by a factor of about four. */
  readonly decisionsPerDay: number;
}

/** A store as the gate meets it. The model is calibrated over the fleet, and in no store exactly. */
export interface FleetStore {
  readonly name: string;
  readonly decisionsPerDay: number;
  /** True log-odds of a right answer: slope · logit(confidence) + offset. */
  readonly slope: number;
  readonly offset: number;
  /** From this day on the offset is lower by `driftOffset`; Infinity where nothing changes. */
  readonly driftDay: number;
}

export interface FleetDecision {
  readonly confidence: number;
  /** The true probability that it is wrong, and whether it is. */
  readonly wrongChance: number;
  readonly isWrong: boolean;
}

/** Standard deviations between stores. */
const slopeSpread = 0.12;
const offsetSpread = 0.5;
/** What drift takes from the log-odds: an error of 1 % becomes one of 5 %. */
const driftOffset = 1.6;
/** One store in four drifts, half-way. */
const driftingShare = 0.25;
const basketMax = 5;
/** With this chance the decisions of a basket share their luck: the same goods, light and camera. */
const sharedLuck = 0.3;
const expectedErrorMin = 1e-5;
const expectedErrorMax = 0.5;

/** The stores of a fleet, the same for the same seed. */
export function fleetStores({ seed, stores, days, decisionsPerDay }: FleetShape): readonly FleetStore[] {
  const draw = seededDraw(seed);
  return Array.from({ length: stores }, (_, at) => ({
    name: `store_${at + 1}`,
    decisionsPerDay: Math.max(1, Math.round(decisionsPerDay * 2 ** (2 * draw() - 1))),
    slope: Math.exp(slopeSpread * normal(draw)),
    offset: offsetSpread * normal(draw),
    driftDay: at < Math.round(driftingShare * stores) ? Math.floor(days / 2) : Infinity,
  }));
}

/** What a store's cameras ask in a day, basket after basket. */
export function dayOf(store: FleetStore, day: number, draw: Draw): readonly FleetDecision[] {
  const decisions: FleetDecision[] = [];
  while (decisions.length < store.decisionsPerDay) {
    const size = 1 + Math.floor(draw() * basketMax);
    const luck = draw() < sharedLuck ? draw() : null;
    for (let one = 0; one < size && decisions.length < store.decisionsPerDay; one += 1) {
      const expectedError = expectedErrorMin * (expectedErrorMax / expectedErrorMin) ** draw();
      const wrongChance = wrongChanceOf(store, expectedError, day);
      decisions.push({ confidence: 1 - expectedError, wrongChance, isWrong: (luck ?? draw()) < wrongChance });
    }
  }
  return decisions;
}

function wrongChanceOf({ slope, offset, driftDay }: FleetStore, expectedError: number, day: number): number {
  const logOdds = slope * Math.log((1 - expectedError) / expectedError) + offset - (day >= driftDay ? driftOffset : 0);
  return 1 / (1 + Math.exp(logOdds));
}

/** Box & Muller 1958. */
function normal(draw: Draw): number {
  return Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
}

import { type ErrorContract } from "../certify.ts";
import { auditPropensity, auditPropensityMin, errorSpread } from "../inverse-propensity.ts";
import { type Draw, seededDraw } from "../seeded-draw.ts";
import { fleetPolicy, perStorePolicy } from "./certified-policies.ts";
import { type FleetLabel, type FleetPolicy, globalPolicy, handTunedPolicy } from "./fleet-policy.ts";
import { type ReviewerProfile, ReviewRoom } from "./fleet-reviewers.ts";
import { dayOf, type FleetDecision, type FleetShape, type FleetStore, fleetStores } from "./fleet-world.ts";

export interface FleetOptions extends FleetShape, ErrorContract {
  readonly reviewers: readonly ReviewerProfile[];
  /** The one number of the global policy. */
  readonly globalThreshold: number;
  readonly onProgress?: (share: number) => void;
}

/** What a policy did to the fleet. */
export interface FleetRow {
  readonly policy: string;
  readonly decisions: number;
  readonly accepted: number;
  /** Answers that people gave: escalations, audits and adjudications. */
  readonly reviews: number;
  /** Accepted decisions that were wrong. */
  readonly wrongAccepts: number;
  /** Weeks in which the true selective risk of all that was accepted was above maxError, of the weeks with any. */
  readonly fleetWeeks: number;
  readonly fleetViolations: number;
  /** The same store by store: a fleet certificate does not promise these. */
  readonly storeWeeks: number;
  readonly storeViolations: number;
}

/** Labels come after this many days on average. */
const delayDays = 1.5;

/** The same fleet under each policy: the same decisions with the same truths, reviewers drawn anew. */
export function fleetSimulation(options: FleetOptions): readonly FleetRow[] {
  const stores = fleetStores(options);
  const names = stores.map(({ name }) => name);
  const policies = [
    globalPolicy(options.globalThreshold),
    handTunedPolicy(options.maxError),
    perStorePolicy(options, names),
    fleetPolicy(options, names),
  ];
  return policies.map((policy, at) =>
    run(policy, stores, options, (share) => options.onProgress?.((at + share) / policies.length)),
  );
}

/** Expected errors and counts of the accepted decisions of a week. */
interface Week {
  accepted: number;
  risk: number;
}

function run(
  policy: FleetPolicy,
  stores: readonly FleetStore[],
  options: FleetOptions,
  onProgress: (share: number) => void,
): FleetRow {
  const { seed, days, maxError } = options;
  const world = seededDraw(seed + 10);
  const people = seededDraw(seed + 11);
  const day = new SimulatedDay(policy, new ReviewRoom(options.reviewers, people), people);
  const weeks = { fleet: [] as Week[], store: [] as Week[] };
  for (let today = 0; today < days; today += 1) {
    const at = Math.floor(today / 7);
    day.begin();
    stores.forEach((store, index) => {
      const own = weekOf(weeks.store, at * stores.length + index);
      const all = weekOf(weeks.fleet, at);
      for (const decision of dayOf(store, today, world)) {
        if (!day.decide(store.name, decision, today)) continue;
        for (const week of [own, all]) {
          week.accepted += 1;
          week.risk += decision.wrongChance;
        }
      }
    });
    day.end(today);
    onProgress((today + 1) / days);
  }
  return { policy: policy.name, ...day.tally, ...violations(weeks.fleet, weeks.store, maxError) };
}

function weekOf(weeks: Week[], at: number): Week {
  const found = weeks[at];
  if (found !== undefined) return found;
  const fresh = { accepted: 0, risk: 0 };
  weeks[at] = fresh;
  return fresh;
}

function violations(fleet: readonly Week[], store: readonly Week[], maxError: number) {
  const open = (weeks: readonly Week[]): readonly Week[] => weeks.filter(({ accepted }) => accepted > 0);
  const above = (weeks: readonly Week[]): number =>
    open(weeks).filter(({ accepted, risk }) => risk > maxError * accepted).length;
  return {
    ...{ fleetWeeks: open(fleet).length, fleetViolations: above(fleet) },
    ...{ storeWeeks: open(store).length, storeViolations: above(store) },
  };
}

/** Decides, asks people, and brings labels to the policy when they are due. */
class SimulatedDay {
  readonly #policy: FleetPolicy;
  readonly #room: ReviewRoom;
  readonly #draw: Draw;
  readonly #due = new Map<number, FleetLabel[]>();
  readonly #spread = { sum: 0, count: 0 };
  #accepted = new Map<string, number>();
  readonly tally = { decisions: 0, accepted: 0, reviews: 0, wrongAccepts: 0 };

  constructor(policy: FleetPolicy, room: ReviewRoom, draw: Draw) {
    this.#policy = policy;
    this.#room = room;
    this.#draw = draw;
  }

  begin(): void {
    this.#room.newDay();
    this.#accepted = new Map();
  }

  /** Whether the gate accepts. */
  decide(store: string, { confidence, isWrong }: FleetDecision, today: number): boolean {
    const { auditShare } = this.#policy;
    const gate = this.#policy.gateThreshold(store);
    const seen = this.#policy.seen(store, confidence);
    const isAccepted = gate !== null && seen >= gate;
    this.tally.decisions += 1;
    if (isAccepted) {
      this.tally.accepted += 1;
      this.tally.wrongAccepts += isWrong ? 1 : 0;
      this.#accepted.set(store, (this.#accepted.get(store) ?? 0) + 1);
    }
    const propensity = isAccepted ? this.#propensity(seen) : 1;
    if (propensity < 1 && this.#draw() >= propensity) return isAccepted;
    const reviewed = this.#room.review(isWrong);
    this.tally.reviews += reviewed.reviews;
    if (auditShare === 0) return isAccepted;
    const label = { store, confidence, isWrong: reviewed.isWrong, propensity, decidedDay: today };
    const propensityMin = gate === null ? 1 : auditPropensityMin(auditShare);
    const due = today + Math.floor(-delayDays * Math.log(1 - this.#draw()));
    const waiting = this.#due.get(due) ?? [];
    waiting.push({ ...label, propensityMin });
    this.#due.set(due, waiting);
    return isAccepted;
  }

  end(today: number): void {
    for (const label of this.#due.get(today) ?? []) this.#policy.onLabel(label, today);
    this.#due.delete(today);
    this.#policy.onDayEnd(today, this.#accepted);
  }

  #propensity(seen: number): number {
    const { sum, count } = this.#spread;
    const propensity = auditPropensity(seen, sum / count, this.#policy.auditShare);
    this.#spread.sum += errorSpread(seen);
    this.#spread.count += 1;
    return propensity;
  }
}

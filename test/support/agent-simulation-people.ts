import { type Reviewer } from "../../cloud-sync/review/review-store.ts";
import { type Random, type ReviewAnswer, type ReviewCase, type Submit } from "../../protocol/index.ts";
import { type SimAgent } from "./agent-simulation-agent.ts";
import { modelLabels } from "./agent-simulation-models.ts";
import { type Oracle } from "./agent-simulation-oracle.ts";
import { type SimTime } from "./agent-simulation-time.ts";

export interface PeopleWeather {
  readonly reviewers: number;
  readonly thinkMsMax: number;
  /** Shares of answers that are given twice, taken back, or come when the lease is long over. */
  readonly twice: number;
  readonly undone: number;
  readonly late: number;
  /** Share of looks at which the hub brings an answer of its own. */
  readonly hub: number;
}

export interface PeopleWorld {
  readonly time: SimTime;
  readonly random: Random;
  readonly oracle: Oracle;
  readonly agent: () => SimAgent | null;
  readonly weather: PeopleWeather;
}

/** A person at the review page: takes a case, thinks, answers; some answer twice, too late, or think better of it. */
export class SimReviewer {
  readonly #world: PeopleWorld;
  readonly #reviewer: Reviewer;
  #answers = 0;

  constructor(name: string, world: PeopleWorld) {
    this.#world = world;
    this.#reviewer = { key: `session-${name}`, name };
    this.#rest();
  }

  #rest(): void {
    const { time, random, weather } = this.#world;
    time.after(200 + random.uniform() * weather.thinkMsMax, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { random, weather } = this.#world;
    const agent = this.#world.agent();
    this.#rest();
    const room = agent?.isAlive() === true ? agent.room : null;
    if (!agent || !room) return;
    if (random.uniform() < weather.hub) await this.#hubAnswers(agent);
    const { cases } = await room.next(this.#reviewer, 2);
    if (!agent.isAlive()) return;
    for (const one of cases) {
      const slow = random.uniform() < weather.late ? 7_000 : 0;
      this.#world.time.after(slow + random.uniform() * weather.thinkMsMax, () => void this.#answer(one));
    }
  }

  /** To whichever agent runs by then: the page outlives the agent's process. */
  async #answer(one: ReviewCase): Promise<void> {
    const { time, random, weather } = this.#world;
    const agent = this.#world.agent();
    const room = agent?.isAlive() === true ? agent.room : null;
    if (!agent || !room) return;
    this.#answers += 1;
    const reviewId = `${this.#reviewer.name}-${this.#answers}`;
    const generation = one.lease?.generation ?? 1;
    const submit: Submit = { answer: answerOf(random), generation, reviewId, tookMs: 1_000 };
    const taken = await room.submit(this.#reviewer, one.id, submit);
    if (!agent.isAlive()) return;
    this.#world.oracle.note(`answer ${reviewId} for ${one.id} ${taken.ok ? "taken" : taken.error.code}`);
    if (random.uniform() < weather.twice) {
      time.after(random.uniform() * 3_000, () => void this.#again(agent, one.id, submit));
    }
    if (random.uniform() < weather.undone) {
      time.after(random.uniform() * 2_000, () => {
        if (agent.isAlive()) void room.undo(this.#reviewer, one.id, reviewId);
      });
    }
  }

  async #again(agent: SimAgent, id: string, submit: Submit): Promise<void> {
    if (agent.isAlive()) await agent.room?.submit(this.#reviewer, id, submit);
  }

  /** Central reviewers answer the same cases, past the store's queue. */
  async #hubAnswers(agent: SimAgent): Promise<void> {
    const { oracle, random } = this.#world;
    const waiting = await agent.journal.pending(5);
    const chosen = waiting[Math.floor(random.uniform() * waiting.length)];
    if (!chosen || !agent.isAlive()) return;
    this.#answers += 1;
    const reviewId = `hub-${this.#reviewer.name}-${this.#answers}`;
    const review = { id: chosen.id, reviewId, reviewer: "hub", answer: answerOf(random), source: "hub", tookMs: null };
    try {
      const reviewed = await agent.core.engine.review({ ...review, source: "hub" });
      if (agent.isAlive() && reviewed?.kind === "final") oracle.reviewDecided(chosen.id, reviewId, reviewed.decision);
    } catch {
      // The disk is full, or fails: the hub sends it again another day.
    }
  }
}

function answerOf(random: Random): ReviewAnswer {
  const fate = random.uniform();
  if (fate < 0.15) return { kind: "cannot_tell" };
  if (fate < 0.25) return { kind: "bad_picture" };
  const label = modelLabels[Math.floor(random.uniform() * modelLabels.length)] ?? modelLabels[0];
  return { kind: "label", label };
}

import { type AgentStatus, type Clock, type ConfigReference } from "../protocol/index.ts";
import { type ModelState } from "../models/index.ts";
import { type JournalStorage } from "./journal/journal.ts";

/** Something that works worse than it should, as operators see it in `/readyz`, on the status topic and in metrics. */
export interface Problem {
  readonly code: string;
  readonly message: string;
}

/** What the status record is made of. */
export interface StatusFacts {
  readonly agent: string;
  readonly store: string;
  readonly phase: "starting" | "running" | "draining" | "offline";
  readonly problems: readonly Problem[];
  readonly models: readonly ModelState[];
  readonly inFlight: number;
  readonly storage: JournalStorage;
  /** Where there is no hub, nothing waits to be sent. */
  readonly hub: boolean;
  readonly config: ConfigReference;
}

/** Pure: facts in, the record out. A task that has no model is its config's wish unless a problem says otherwise. */
export function statusReport(facts: StatusFacts, clock: Clock): AgentStatus {
  const { storage } = facts;
  const reasons = [
    ...facts.problems,
    ...facts.models.flatMap(({ task, problem }) =>
      problem ? [{ code: problem.code, message: `${task}: ${problem.message}` }] : [],
    ),
    ...(storage.budgetFull
      ? [{ code: "HP_DISK_FULL", message: "the journal's byte budget is full of unanswered escalations" }]
      : []),
  ];
  const unsent = facts.hub ? storage.unsent : 0;
  return {
    v: 1,
    agent: facts.agent,
    store: facts.store,
    state: facts.phase === "running" ? (reasons.length > 0 ? "degraded" : "ready") : facts.phase,
    reasons,
    inFlight: facts.inFlight,
    waiting: storage.pending,
    unsent,
    safeToPowerOff: facts.inFlight === 0 && storage.undecided === 0 && unsent === 0,
    config: facts.config,
    models: facts.models.flatMap(({ running }) =>
      running ? [{ task: running.task, ...running.reference, provider: running.provider }] : [],
    ),
    at: Math.floor(clock.wallMs()),
  };
}

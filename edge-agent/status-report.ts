import { type AgentStatus, type Clock, type ConfigReference } from "../protocol/index.ts";
import { type LinkFacts } from "../cloud-sync/edge/link-report.ts";
import { type ModelState } from "../models/index.ts";
import { gatesTold, type GateState } from "./gate-states.ts";
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
  /** Null where there is no hub: then nothing waits to be sent. */
  readonly hub: Pick<LinkFacts, "state" | "owedPictures" | "problems"> | null;
  readonly config: ConfigReference;
  /** How each contract stands. */
  readonly gates?: readonly GateState[];
}

/** Pure: facts in, the record out. A task that has no model is its config's wish unless a problem says otherwise. */
export function statusReport(facts: StatusFacts, clock: Clock): AgentStatus {
  const { storage } = facts;
  const reasons = [
    ...facts.problems,
    ...(facts.hub?.problems ?? []),
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
    // A row is unsent until its picture is at the hub as well.
    safeToPowerOff: facts.inFlight === 0 && storage.undecided === 0 && unsent === 0,
    ...(facts.hub ? { hub: hubStatus(facts.hub) } : {}),
    config: facts.config,
    ...(facts.gates && facts.gates.length > 0 ? { gates: gatesTold(facts.gates) } : {}),
    models: facts.models.flatMap(({ running }) =>
      running ? [{ task: running.task, ...running.reference, provider: running.provider }] : [],
    ),
    at: Math.floor(clock.wallMs()),
  };
}

function hubStatus({ state, owedPictures }: NonNullable<StatusFacts["hub"]>): NonNullable<AgentStatus["hub"]> {
  const isWell = state.kind === "new" || state.kind === "connected";
  return {
    state: state.kind,
    sinceMs: isWell ? null : state.sinceMs,
    error: isWell ? null : { code: state.error.code, message: state.error.message },
    pictures: owedPictures,
  };
}

/**
 * The life of a supervised child process, as a pure machine. A child that dies is started again after a pause that
 * doubles; one that keeps dying is `down`: its work is refused at once instead of waiting, and it is tried again now and
 * then, because what killed it may have been the box.
 */
export type SupervisorState =
  | { readonly kind: "starting"; readonly deathsMs: readonly number[] }
  | { readonly kind: "ready"; readonly deathsMs: readonly number[] }
  /** Not running; started again by the `due` event. */
  | { readonly kind: "waiting"; readonly deathsMs: readonly number[] }
  /** The restart budget is spent. */
  | { readonly kind: "down"; readonly deathsMs: readonly number[] }
  /** Asked to end. */
  | { readonly kind: "closing" }
  | { readonly kind: "closed" };

export type SupervisorEvent =
  /** The child has loaded its models. */
  | { readonly kind: "loaded" }
  /** The process is gone, for whatever reason. */
  | { readonly kind: "exited"; readonly nowMs: number }
  /** The pause is over. */
  | { readonly kind: "due" }
  /** It did not answer in time, or is too large. */
  | { readonly kind: "stuck" }
  | { readonly kind: "close" };

export type SupervisorEffect =
  | { readonly kind: "spawn" }
  | { readonly kind: "kill" }
  | { readonly kind: "end" }
  | { readonly kind: "wake"; readonly afterMs: number }
  /** Send what waits. */
  | { readonly kind: "flush" }
  /** Answer what waits: nobody will. */
  | { readonly kind: "refuse" };

export interface RestartBudget {
  /** Deaths within the window beyond which the child is down. */
  readonly restartsMax: number;
  readonly windowMs: number;
  readonly pauseFirstMs: number;
  readonly pauseMaxMs: number;
  /** How long it stays down before it is tried again. */
  readonly downMs: number;
}

export const restartBudgetDefault: RestartBudget = Object.freeze({
  restartsMax: 8,
  windowMs: 60_000,
  pauseFirstMs: 50,
  pauseMaxMs: 5_000,
  downMs: 30_000,
});

export interface SupervisorStep {
  readonly state: SupervisorState;
  readonly effects: readonly SupervisorEffect[];
}

export const supervisorStart: SupervisorStep = {
  state: { kind: "starting", deathsMs: [] },
  effects: [{ kind: "spawn" }],
};

export function transitionSupervisor(
  state: SupervisorState,
  event: SupervisorEvent,
  budget: RestartBudget,
): SupervisorStep {
  switch (state.kind) {
    case "starting":
    case "ready":
      return whileRunning(state, event, budget);
    case "waiting":
    case "down":
      return whileStopped(state, event);
    case "closing":
      // Until it is gone it may still answer; a stuck one is not waited for.
      if (event.kind === "exited") return { state: { kind: "closed" }, effects: [{ kind: "refuse" }] };
      return { state, effects: event.kind === "stuck" ? [{ kind: "kill" }] : [] };
    case "closed":
      return { state, effects: [] };
  }
}

type Running = Extract<SupervisorState, { kind: "starting" | "ready" }>;
type Stopped = Extract<SupervisorState, { kind: "waiting" | "down" }>;

function whileRunning(state: Running, event: SupervisorEvent, budget: RestartBudget): SupervisorStep {
  switch (event.kind) {
    case "loaded":
      if (state.kind === "ready") return { state, effects: [] };
      return { state: { kind: "ready", deathsMs: state.deathsMs }, effects: [{ kind: "flush" }] };
    case "exited":
      return afterDeath(state.deathsMs, event.nowMs, budget);
    case "stuck":
      return { state, effects: [{ kind: "kill" }] };
    case "close":
      return { state: { kind: "closing" }, effects: [{ kind: "end" }] };
    case "due":
      return { state, effects: [] };
  }
}

function whileStopped(state: Stopped, event: SupervisorEvent): SupervisorStep {
  switch (event.kind) {
    case "due":
      return { state: { kind: "starting", deathsMs: state.deathsMs }, effects: [{ kind: "spawn" }] };
    case "close":
      return { state: { kind: "closed" }, effects: [{ kind: "refuse" }] };
    // There is no process that these could be about: an exit that was told twice, an answer that came late.
    case "loaded":
    case "exited":
    case "stuck":
      return { state, effects: [] };
  }
}

function afterDeath(before: readonly number[], nowMs: number, budget: RestartBudget): SupervisorStep {
  const deathsMs = [...before.filter((atMs) => atMs > nowMs - budget.windowMs), nowMs];
  if (deathsMs.length > budget.restartsMax) {
    const effects = [{ kind: "refuse" }, { kind: "wake", afterMs: budget.downMs }] as const;
    return { state: { kind: "down", deathsMs }, effects };
  }
  // The first death is an accident and costs no pause; then 50, 100, 200 … ms.
  const afterMs = deathsMs.length === 1 ? 0 : budget.pauseFirstMs * 2 ** (deathsMs.length - 2);
  return {
    state: { kind: "waiting", deathsMs },
    effects: [{ kind: "wake", afterMs: Math.min(budget.pauseMaxMs, afterMs) }],
  };
}

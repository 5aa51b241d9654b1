import { describe, expect, it } from "vitest";
import {
  supervisorStart,
  transitionSupervisor,
  type RestartBudget,
  type SupervisorEvent,
  type SupervisorState,
} from "../../models/runtimes/supervisor-machine.ts";

const budget: RestartBudget = { restartsMax: 3, windowMs: 1000, pauseFirstMs: 50, pauseMaxMs: 120, downMs: 5000 };
const deathsMs = [10, 20];

const states: Readonly<Record<SupervisorState["kind"], SupervisorState>> = {
  starting: { kind: "starting", deathsMs },
  ready: { kind: "ready", deathsMs },
  waiting: { kind: "waiting", deathsMs },
  down: { kind: "down", deathsMs },
  closing: { kind: "closing" },
  closed: { kind: "closed" },
};
const events: Readonly<Record<SupervisorEvent["kind"], SupervisorEvent>> = {
  loaded: { kind: "loaded" },
  exited: { kind: "exited", nowMs: 30 },
  due: { kind: "due" },
  stuck: { kind: "stuck" },
  close: { kind: "close" },
};

/** Every state against every event: the next state and the effects. No cell is missing; the type says so. */
const table: Readonly<
  Record<SupervisorState["kind"], Readonly<Record<SupervisorEvent["kind"], readonly [SupervisorState["kind"], string]>>>
> = {
  starting: {
    loaded: ["ready", "flush"],
    exited: ["waiting", "wake 100"],
    due: ["starting", ""],
    stuck: ["starting", "kill"],
    close: ["closing", "end"],
  },
  ready: {
    loaded: ["ready", ""],
    exited: ["waiting", "wake 100"],
    due: ["ready", ""],
    stuck: ["ready", "kill"],
    close: ["closing", "end"],
  },
  waiting: {
    loaded: ["waiting", ""],
    exited: ["waiting", ""],
    due: ["starting", "spawn"],
    stuck: ["waiting", ""],
    close: ["closed", "refuse"],
  },
  down: {
    loaded: ["down", ""],
    exited: ["down", ""],
    due: ["starting", "spawn"],
    stuck: ["down", ""],
    close: ["closed", "refuse"],
  },
  closing: {
    loaded: ["closing", ""],
    exited: ["closed", "refuse"],
    due: ["closing", ""],
    stuck: ["closing", "kill"],
    close: ["closing", ""],
  },
  closed: {
    loaded: ["closed", ""],
    exited: ["closed", ""],
    due: ["closed", ""],
    stuck: ["closed", ""],
    close: ["closed", ""],
  },
};

describe("the supervisor of the inference child", () => {
  it.each(
    Object.entries(table).flatMap(([state, row]) =>
      Object.entries(row).map(([event, to]) => [state, event, to] as const),
    ),
  )("in %s, on %s, goes to %s", (state, event, [kind, wanted]) => {
    const step = transitionSupervisor(
      states[state as SupervisorState["kind"]],
      events[event as SupervisorEvent["kind"]],
      budget,
    );
    expect(step.state.kind).toBe(kind);
    const effects = step.effects.map((effect) => ("afterMs" in effect ? `wake ${effect.afterMs}` : effect.kind));
    expect(effects.join(", ")).toBe(wanted);
  });

  it("starts by spawning", () => {
    expect(supervisorStart).toEqual({ state: { kind: "starting", deathsMs: [] }, effects: [{ kind: "spawn" }] });
  });

  it("pauses longer with every death, up to its longest pause, and is down beyond its budget", () => {
    let state: SupervisorState = supervisorStart.state;
    const pauses: (number | string)[] = [];
    for (let nowMs = 1; nowMs <= 4; nowMs += 1) {
      const step = transitionSupervisor(state, { kind: "exited", nowMs }, budget);
      pauses.push(
        step.state.kind,
        ...step.effects.map((effect) => ("afterMs" in effect ? effect.afterMs : effect.kind)),
      );
      state = transitionSupervisor(step.state, { kind: "due" }, budget).state;
    }
    expect(pauses).toEqual(["waiting", 0, "waiting", 50, "waiting", 100, "down", "refuse", 5000]);
  });

  it("forgets deaths that are older than its window", () => {
    const state: SupervisorState = { kind: "ready", deathsMs: [1, 2, 3] };
    const step = transitionSupervisor(state, { kind: "exited", nowMs: 1500 }, budget);
    expect(step).toEqual({ state: { kind: "waiting", deathsMs: [1500] }, effects: [{ kind: "wake", afterMs: 0 }] });
  });
});

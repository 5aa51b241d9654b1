import { describe, expect, it } from "vitest";
import { defaultPolicy } from "../../../sdk/client/client-policy.ts";
import {
  linkTransition,
  newLink,
  type LinkEvent,
  type LinkPhase,
  type LinkState,
} from "../../../sdk/client/link-machine.ts";

const inputs = { random: 0.5, upForMs: 0, policy: defaultPolicy.link };

/** `phase effects`; every cell is filled: the type says so. */
const table: Record<LinkPhase, Record<LinkEvent["kind"], string>> = {
  idle: { start: "opening open", opened: "idle", down: "idle", due: "idle", close: "closed close" },
  opening: { start: "opening", opened: "up", down: "waiting wake", due: "opening", close: "closed close" },
  up: { start: "up", opened: "up", down: "waiting wake", due: "up", close: "closed close" },
  waiting: { start: "waiting", opened: "waiting", down: "waiting", due: "opening open", close: "closed close" },
  closed: { start: "closed", opened: "closed", down: "closed", due: "closed", close: "closed" },
};

describe("the link machine", () => {
  for (const [phase, row] of Object.entries(table)) {
    for (const [kind, cell] of Object.entries(row)) {
      it(`${phase} on ${kind}: ${cell}`, () => {
        const state: LinkState = { phase: phase as LinkPhase, failures: 0 };
        const step = linkTransition(state, { kind: kind as LinkEvent["kind"] }, inputs);
        expect([step.state.phase, ...step.effects.map((effect) => effect.kind)].join(" ")).toBe(cell);
      });
    }
  }

  it("waits longer after each failure, up to the cap, anywhere below the ceiling", () => {
    let state: LinkState = { ...newLink, phase: "opening" };
    const waits: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      const step = linkTransition(state, { kind: "down" }, { ...inputs, random: 0.999999 });
      const [wake] = step.effects;
      waits.push(wake?.kind === "wake" ? wake.afterMs : -1);
      state = { ...step.state, phase: "opening" };
    }
    expect(waits).toEqual([249, 499, 999, 1999, 3999, 7999, 14_999, 14_999, 14_999]);
    const lucky = linkTransition(state, { kind: "down" }, { ...inputs, random: 0 });
    expect(lucky.effects).toEqual([{ kind: "wake", afterMs: 0 }]);
  });

  it("forgets its failures only when a link has lived: one that drops at once does not make a tight loop", () => {
    const up: LinkState = { phase: "up", failures: 5 };
    expect(linkTransition(up, { kind: "down" }, { ...inputs, upForMs: 100 }).state.failures).toBe(6);
    expect(linkTransition(up, { kind: "down" }, { ...inputs, upForMs: 60_000 }).state.failures).toBe(1);
  });
});

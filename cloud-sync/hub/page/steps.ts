import type { DecisionStep, StepsQuery } from "./api.web.ts";

/** What the charts of decisions over time are drawn from. Pure. */

const hourMs = 3_600_000;
const stepsMs = { hour: hourMs, day: 24 * hourMs };

interface Line {
  readonly name: string;
  readonly colour: string;
  readonly values: readonly (number | null)[];
  readonly isDashed?: boolean;
}

export interface AlignedSteps {
  readonly atMs: readonly number[];
  readonly counts: readonly Line[];
  readonly coverage: readonly Line[];
}

/** Every step of the time asked for: one without decisions counts none, and has no coverage. */
export function alignedSteps(steps: readonly DecisionStep[], { from, to, step }: StepsQuery): AlignedSteps {
  const stepMs = stepsMs[step];
  const known = new Map(steps.map((one) => [one.atMs, one]));
  const atMs: number[] = [];
  for (let at = from - (from % stepMs); at < to; at += stepMs) atMs.push(at);
  const rows = atMs.map((at) => known.get(at));
  return {
    atMs,
    counts: [
      { name: "By the model", colour: "--bar-first", values: rows.map((row) => row?.accepted ?? 0) },
      { name: "Asked people", colour: "--amber-line", values: rows.map((row) => row?.escalated ?? 0) },
      { name: "Safe action", colour: "--line-strong", values: rows.map((row) => row?.abstained ?? 0), isDashed: true },
    ],
    coverage: [
      {
        ...{ name: "Coverage", colour: "--bar-first" },
        values: rows.map((row) => {
          const all = row ? row.accepted + row.escalated + row.abstained : 0;
          return row && all > 0 ? row.accepted / all : null;
        }),
      },
    ],
  };
}

export interface Total {
  readonly all: number;
  readonly accepted: number;
  readonly escalated: number;
  readonly abstained: number;
  /** Share accepted; 0 where there was nothing. */
  readonly coverage: number;
}

export function totalOf(steps: readonly Pick<DecisionStep, "accepted" | "escalated" | "abstained">[]): Total {
  const sum = (column: "accepted" | "escalated" | "abstained"): number =>
    steps.reduce((total, step) => total + step[column], 0);
  const [accepted, escalated, abstained] = [sum("accepted"), sum("escalated"), sum("abstained")];
  const all = accepted + escalated + abstained;
  return { all, accepted, escalated, abstained, coverage: all === 0 ? 0 : accepted / all };
}

/** Totals of each group, the largest first. */
export function byGroup(steps: readonly DecisionStep[]): readonly (Total & { readonly group: string })[] {
  const groups = new Map<string, DecisionStep[]>();
  for (const step of steps) {
    const group = step.group ?? "";
    const own = groups.get(group);
    if (own) own.push(step);
    else groups.set(group, [step]);
  }
  return [...groups].map(([group, own]) => ({ group, ...totalOf(own) })).sort((a, b) => b.all - a.all);
}

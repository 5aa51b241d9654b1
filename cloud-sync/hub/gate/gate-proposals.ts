import { figureAt, gateFigures } from "./gate-figures.ts";
import { fitProposals } from "./fit-proposals.ts";
import {
  labelsMin,
  percent,
  placesText,
  reviewsOf,
  savedMin,
  wordsOf,
  type GateProposal,
  type ProposalStore,
  type ProposedEdit,
} from "./proposal-parts.ts";

/** Contracts that are proposed, from strict to loose. */
const ladder = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05];
const delta = 0.05;

/** Pure. `missShare`: the share of the model's errors that reviewers are taken to overlook. */
export function proposalsFor(
  task: string,
  stores: readonly ProposalStore[],
  missShare: number,
): readonly GateProposal[] {
  const guessed = [...floorProposals(task, stores), ...contractProposals(task, stores)];
  return [...guessed, ...fitProposals(task, stores, missShare)];
}

function floorProposals(task: string, stores: readonly ProposalStore[]): readonly GateProposal[] {
  const held = stores.filter(
    ({ number, certified, promise }) =>
      promise !== null && number !== null && certified !== null && number.gateThreshold > certified.gateThreshold,
  );
  const labels = held.flatMap((one) => one.labels);
  if (held.length === 0 || labels.length < labelsMin) return [];
  const before = reviewsOf(held, ({ number }) => number?.gateThreshold ?? 1);
  const after = reviewsOf(held, ({ certified }) => certified?.gateThreshold ?? 1);
  if (before - after < savedMin) return [];
  const bounds = held.map(({ certified }) => certified?.upperBound ?? null);
  const errorBound = bounds.includes(null) ? null : Math.max(...bounds.map((bound) => bound ?? 0));
  return [
    {
      ...{ kind: "drop_floor", task, stores: held.map(({ store }) => store) },
      title: titleOf(`Lower the gate for ${wordsOf(task)}`, held.length, before - after, errorBound),
      before: {
        reviewsPer1000: before,
        gateThreshold: only(held.map(({ number }) => number?.gateThreshold)),
        errorBound,
      },
      after: {
        reviewsPer1000: after,
        gateThreshold: only(held.map(({ certified }) => certified?.gateThreshold)),
        errorBound,
      },
      lowest: Math.min(...held.map(({ certified }) => certified?.gateThreshold ?? 1)),
      ...{ labels: labels.length, method: "certificate" },
      edits: layersOf(held),
    },
  ];
}

/** By the layer that gives the number: one contract takes its place there. */
function contractProposals(task: string, stores: readonly ProposalStore[]): readonly GateProposal[] {
  const groups = new Map<string, ProposalStore[]>();
  for (const store of stores) {
    if (store.promise !== null || store.number === null) continue;
    const key = `${store.number.layer}/${store.number.scope}`;
    groups.set(key, [...(groups.get(key) ?? []), store]);
  }
  return [...groups.values()].flatMap((group) => {
    const found = contractFor(task, group);
    return found ? [found] : [];
  });
}

function contractFor(task: string, group: readonly ProposalStore[]): GateProposal | null {
  const number = group[0]?.number;
  const labels = group.flatMap((one) => one.labels);
  if (!number || labels.length < labelsMin) return null;
  const { curve, method } = gateFigures(labels);
  const now = figureAt(curve, number.gateThreshold);
  for (const maxError of ladder) {
    const best = curve.findLast((point) => point.upper <= maxError);
    const saved = best ? (best.coverage - (now?.coverage ?? 0)) * 1000 : 0;
    // The strictest contract that asks no more of people than the number does.
    if (!best || saved < savedMin) continue;
    return {
      ...{ kind: "use_contract", task, stores: group.map(({ store }) => store) },
      title: titleOf(
        `Promise at most ${percent(maxError)} wrong for ${wordsOf(task)}`,
        group.length,
        saved,
        best.upper,
      ),
      before: {
        reviewsPer1000: (1 - (now?.coverage ?? 0)) * 1000,
        ...{ gateThreshold: number.gateThreshold, errorBound: now?.upper ?? null },
      },
      after: {
        reviewsPer1000: (1 - best.coverage) * 1000,
        ...{ gateThreshold: best.gateThreshold, errorBound: best.upper },
      },
      ...{ lowest: best.gateThreshold, labels: labels.length, method },
      edits: layersOf(group).map((edit) => ({ ...edit, contract: { max_error: maxError, delta } })),
    };
  }
  return null;
}

function layersOf(stores: readonly ProposalStore[]): readonly ProposedEdit[] {
  const edits = new Map<string, ProposedEdit>();
  for (const { number } of stores) {
    if (number) edits.set(`${number.layer}/${number.scope}`, { layer: number.layer, scope: number.scope });
  }
  return [...edits.values()];
}

function titleOf(what: string, stores: number, saved: number, bound: number | null): string {
  const reviews = Math.round(saved) === 1 ? "1 fewer review" : `${Math.round(saved)} fewer reviews`;
  return `${what} in ${placesText(stores)}: ${reviews} per 1,000${bound === null ? "" : `, error bound ${percent(bound)}`}`;
}

function only(values: readonly (number | undefined)[]): number | null {
  const [first] = values;
  return first !== undefined && values.every((value) => value === first) ? first : null;
}

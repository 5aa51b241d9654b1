import { type HubLayer } from "../config/config-tables.ts";
import { figureAt, gateFigures } from "./gate-figures.ts";
import { type FigureLabel } from "./figure-label.ts";

/** What could be changed in the config so that people look at fewer cases, with what it would have meant. Pure. */
export interface GateProposal {
  readonly kind: ProposalKind;
  readonly task: string;
  /** One line for people. */
  readonly title: string;
  readonly stores: readonly string[];
  readonly before: Preview;
  readonly after: Preview;
  /** The lowest gate threshold that any store would have. */
  readonly lowest: number;
  /** Labels of the last 30 days that the preview is made of. */
  readonly labels: number;
  /** How the bound was made: of the certificate, or a preview's interval of 95 %. */
  readonly method: "certificate" | "inverse_propensity" | "clopper_pearson";
  /** Layers that would say something else, and what. */
  readonly edits: readonly ProposedEdit[];
}

/** `drop_floor`: a number below a contract holds the gate up. `use_contract`: a guessed number could be a contract. */
type ProposalKind = "drop_floor" | "use_contract";

interface Preview {
  /** Reviews for each thousand decisions, without those of audits. */
  readonly reviewsPer1000: number;
  /** Null where it differs between the stores. */
  readonly gateThreshold: number | null;
  /** Upper bound of the share that is wrong among the accepted; null where none is known. */
  readonly errorBound: number | null;
}

export interface ProposedEdit {
  readonly layer: HubLayer;
  readonly scope: string;
  /** Undefined takes the task's number out. */
  readonly contract?: { readonly max_error: number; readonly delta: number };
}

/** One store as its config and certificate stand. */
export interface ProposalStore {
  readonly store: string;
  /** The number of the task in force here, and the layer that gives it; null where there is none. */
  readonly number: { readonly gateThreshold: number; readonly layer: HubLayer; readonly scope: string } | null;
  /** What is certified here; null without a contract, and where nothing is. */
  readonly certified: { readonly gateThreshold: number; readonly upperBound: number | null } | null;
  readonly isUnderContract: boolean;
  /** Labels of the last 30 days, as the gate compares them. */
  readonly labels: readonly FigureLabel[];
}

/** Fewer labels than this preview nothing. */
const labelsMin = 100;
/** Less than one review in a thousand is not worth a change. */
const savedMin = 1;
/** Contracts that are proposed, from strict to loose. */
const ladder = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05];
const delta = 0.05;

export function proposalsFor(task: string, stores: readonly ProposalStore[]): readonly GateProposal[] {
  return [...floorProposals(task, stores), ...contractProposals(task, stores)];
}

function floorProposals(task: string, stores: readonly ProposalStore[]): readonly GateProposal[] {
  const held = stores.filter(
    ({ number, certified, isUnderContract }) =>
      isUnderContract && number !== null && certified !== null && number.gateThreshold > certified.gateThreshold,
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
    if (store.isUnderContract || store.number === null) continue;
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

/** Reviews in a thousand decisions, by what the labels stand for. */
function reviewsOf(stores: readonly ProposalStore[], gateOf: (store: ProposalStore) => number): number {
  let [whole, asked] = [0, 0];
  for (const store of stores) {
    const gateThreshold = gateOf(store);
    for (const { confidence, propensity } of store.labels) {
      whole += 1 / propensity;
      if (confidence < gateThreshold) asked += 1 / propensity;
    }
  }
  return whole === 0 ? 0 : (asked / whole) * 1000;
}

function layersOf(stores: readonly ProposalStore[]): readonly ProposedEdit[] {
  const edits = new Map<string, ProposedEdit>();
  for (const { number } of stores) {
    if (number) edits.set(`${number.layer}/${number.scope}`, { layer: number.layer, scope: number.scope });
  }
  return [...edits.values()];
}

function titleOf(what: string, stores: number, saved: number, bound: number | null): string {
  const where = stores === 1 ? "one store" : `${stores} stores`;
  const reviews = Math.round(saved) === 1 ? "1 fewer review" : `${Math.round(saved)} fewer reviews`;
  return `${what} in ${where}: ${reviews} per 1,000${bound === null ? "" : `, error bound ${percent(bound)}`}`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`;
}

function wordsOf(task: string): string {
  return task.replaceAll(/[_-]/g, " ");
}

function only(values: readonly (number | undefined)[]): number | null {
  const [first] = values;
  return first !== undefined && values.every((value) => value === first) ? first : null;
}

import { type HubLayer } from "../config/config-tables.ts";
import { type FigureLabel } from "./figure-label.ts";
import { type GateContract } from "./gate-contracts.ts";

/** What could be changed in the config so that contract, labels and people fit, with what it would have meant. */
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
  /** How the bound was made: of the certificate, or a preview by the launch's own test or an interval of 95 %. */
  readonly method: "certificate" | "fallback_auto" | "inverse_propensity" | "clopper_pearson";
  /** Layers that would say something else, and what. */
  readonly edits: readonly ProposedEdit[];
}

/**
 * `drop_floor`: a number below a contract holds the gate up. `use_contract`: a guessed number could be a contract.
 * `loosen_contract`: a contract sends more to people than they can look at.
 */
type ProposalKind = "drop_floor" | "use_contract" | "loosen_contract";

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
  readonly contract?: ProposedContract;
  /** The contract that the layer gives now; absent where it gives a number. */
  readonly replaces?: ProposedContract;
}

interface ProposedContract {
  readonly max_error: number;
  readonly delta: number;
}

/** One store as its config and certificate stand. */
export interface ProposalStore {
  readonly store: string;
  /** The number of the task in force here, and the layer that gives it; null where there is none. */
  readonly number: { readonly gateThreshold: number; readonly layer: HubLayer; readonly scope: string } | null;
  /** What is certified here; null without a contract, and where nothing is. */
  readonly certified: ProposalCertificate | null;
  /** The task's contract here, and the layer that gives it; null where a number decides. */
  readonly promise: { readonly level: HubLayer; readonly scope: string; readonly contract: GateContract } | null;
  /** Labels of the last 30 days, as the gate compares them. */
  readonly labels: readonly ProposalLabel[];
}

interface ProposalCertificate {
  readonly gateThreshold: number;
  readonly upperBound: number | null;
  readonly basis: string;
  readonly model: string;
  readonly calibration: string;
}

export interface ProposalLabel extends FigureLabel {
  readonly model: string;
  readonly calibration: string;
  /** Every decision like it had a chance of a label. */
  readonly isEvidence: boolean;
}

/** Fewer labels than this preview nothing. */
export const labelsMin = 100;
/** Less than one review in a thousand is not worth a change. */
export const savedMin = 1;

/** Reviews in a thousand decisions, by what the labels stand for. */
export function reviewsOf(stores: readonly ProposalStore[], gateOf: (store: ProposalStore) => number): number {
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

export function placesText(stores: number): string {
  return stores === 1 ? "one store" : `${stores} stores`;
}

export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`;
}

export function wordsOf(task: string): string {
  return task.replaceAll(/[_-]/g, " ");
}

import { type HubTransaction } from "../database/database.ts";
import { type LabelSource } from "./review-tables.ts";

/** What the review room asks of the certified gate and tells it, in the transactions of its own changes. */
export interface GatePort {
  /** Which of these stores' tasks are decided under a contract: there nobody contradicts a model without a second look. */
  underContract(trx: HubTransaction, places: readonly ReviewPlace[]): Promise<(place: ReviewPlace) => boolean>;
  /** What people, or the world, make of a case that a model had an answer to. */
  learn(trx: HubTransaction, truth: CaseTruth): Promise<void>;
}

interface ReviewPlace {
  readonly store: string;
  readonly task: string;
}

export type CaseTruth = { readonly caseId: string } & (
  | { readonly kind: "label"; readonly label: string; readonly source: LabelSource }
  /** The model's answer was wrong; nobody says what would be right. */
  | { readonly kind: "wrong"; readonly source: "outcome" }
  /** Somebody has spoken, and others are still to. */
  | { readonly kind: "pending" }
  /** Nobody who was asked could tell. */
  | { readonly kind: "unknowable" }
  /** Nobody is asked any more, and nobody has contradicted the model. */
  | { readonly kind: "dropped" }
);

/** Where nothing is certified. */
export const noGate: GatePort = Object.freeze({
  underContract: () => Promise.resolve(() => false),
  learn: () => Promise.resolve(),
});

import { type Hasher, type ReviewAnswer, type ReviewNews } from "../../../protocol/index.ts";
import { type ReviewPolicy } from "../../review/review-machine.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { type GatePort } from "./gate-port.ts";

/** What the review room's files work with. */
export interface ReviewParts extends HubParts {
  readonly hasher: Hasher;
  /** Leases, undo windows, margins. */
  readonly policy: ReviewPolicy;
  readonly gate: GatePort;
  /** Told, in the transaction, of every answer that leaves for whoever sent the case. */
  readonly onDecided: (trx: HubTransaction, decided: DecidedCase) => Promise<void>;
}

interface DecidedCase {
  readonly caseId: string;
  readonly store: string;
  readonly task: string;
  readonly kind: "escalation" | "audit" | "import";
  readonly answer: ReviewAnswer;
  /** Names of the people whose answer it is. */
  readonly reviewers: readonly string[];
  readonly atMs: number;
}

/** The hub's own times: an answer can be taken back for ten seconds, and it has five to reach the store. */
export const hubReviewPolicy: ReviewPolicy = Object.freeze({
  leaseMs: 60_000,
  undoWindowMs: 10_000,
  deadlineMarginMs: 5_000,
  // The hub commits in one transaction: what fails is tried again by the next sweep.
  commitRetryMs: 1_000,
  commitRetryMsMax: 30_000,
});

export function tellReviewer(trx: HubTransaction, reviewer: string | null, news: ReviewNews): void {
  if (reviewer !== null) trx.tell({ kind: "review", reviewer, news });
}

export function nowOf({ clock }: Pick<HubParts, "clock">): number {
  return Math.round(clock.wallMs());
}

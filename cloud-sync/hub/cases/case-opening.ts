import { type HubTransaction } from "../database/database.ts";

/**
 * What the review room must know of a case, in the transaction that changes it: so that no case is ever without its
 * place in the queue, and none stays there after it was decided elsewhere.
 */
export interface CaseListener {
  /** New cases; their rows are written. */
  opened(trx: HubTransaction, cases: readonly OpenedCase[]): Promise<void>;
  /** The store's journal has made this case final: by a review of its own, an expiry, or the hub's review coming back. */
  settled(trx: HubTransaction, settled: SettledCase): Promise<void>;
  /** A person in the store answered; a label where another review came first. */
  storeReview(trx: HubTransaction, review: StoreReview): Promise<void>;
  /** The device has acknowledged the final decision. */
  delivered(trx: HubTransaction, caseId: string): Promise<void>;
  /** The truth from the world. */
  outcome(trx: HubTransaction, outcome: CaseOutcome): Promise<void>;
  /** The case's content is gone: nobody can be shown it any more. What people said of it stays. */
  erased(trx: HubTransaction, caseId: string): Promise<void>;
}

export interface OpenedCase {
  readonly caseId: string;
  readonly store: string;
  readonly task: string;
  readonly kind: "escalation" | "audit" | "import";
  /** By the hub's clock; null where nobody waits. */
  readonly dueMs: number | null;
  readonly heldMs: number;
  /** Calibrated confidence of the model in its answer; 0 where there is none. */
  readonly confidence: number;
  /** The model's answer, or null. */
  readonly label: string | null;
  readonly costs: { readonly review: number; readonly wrongAccept: number } | null;
  /** Null where no model had an answer. */
  readonly sample: CaseSample | null;
  /** What the same look says of the model's answer at the other rung; null where it has none, or nobody was to see it. */
  readonly second: CaseSample | null;
}

/** What the gate's statistics need of a model's answer that people look at. */
export interface CaseSample {
  readonly rung: "fine" | "coarse";
  readonly predicted: string;
  /** The model's own, before any calibration of the store. */
  readonly confidence: number;
  readonly gateThreshold: number;
  readonly certificate: string | null;
  /** `sha256:…` of the model and of its calibration; `none` where it has none. */
  readonly model: string;
  readonly calibration: string;
  /** Chance that it would be looked at, in (0, 1]. */
  readonly propensity: number;
  readonly isUniform: boolean;
  /** Nothing was certified then, so every decision that this answer speaks of went to people. */
  readonly isUncertified: boolean;
  /** What was accepted then was audited by the contract's share. False with `isUncertified`: nobody knows. */
  readonly isAudited: boolean;
  /** A rule decided and not the gate. */
  readonly isRule: boolean;
  readonly basket: string | null;
  /** Of a coarse answer: what the fine gate made of the case that it left; null with a fine one, and where nobody says. */
  readonly fine: FineSide | null;
  /** `labelsDigest` of the model's labels and groups. */
  readonly groups: string | null;
  /** An audit sample whose picture the box has no more: nobody can say that it was right. */
  readonly isLost: boolean;
}

export interface FineSide {
  /** The model's own, and the digest of its calibration. */
  readonly confidence: number;
  readonly calibration: string;
  /** Null: nothing was accepted. */
  readonly gateThreshold: number | null;
}

export interface SettledCase {
  readonly caseId: string;
  readonly task: string;
  readonly decidedBy: "model" | "rule" | "reviewer" | "fallback";
  readonly label: string | null;
}

interface StoreReview {
  readonly caseId: string;
  readonly reviewId: string;
  readonly reviewer: string;
  /** The review's answer (JSON), as the agent's journal keeps it. */
  readonly body: string;
  readonly conflict: boolean;
  readonly atMs: number;
}

interface CaseOutcome {
  readonly caseId: string;
  /** What it really was; null where the world only says that something was wrong. */
  readonly label: string | null;
  /** Whether the decision was right; null where the world does not say. */
  readonly isCorrect: boolean | null;
}

import { type Answer, type Certificate } from "../protocol/index.ts";

/**
 * The effective config as the code uses it: every default filled in, every duration in milliseconds. The YAML's own
 * shape (snake case, `2s`) ends in `store-config.ts`.
 */
export interface EffectiveConfig {
  readonly storeId: string;
  /** `sha256:<hex>` over the canonical JSON of everything below but `revision`. */
  readonly digest: string;
  /** Counts effective changes on this agent; the journal keeps it across restarts. 0 until the agent has numbered it. */
  readonly revision: number;
  readonly tasks: Readonly<Record<string, TaskPolicy>>;
  /** Store-wide limits on the box. */
  readonly retention: RetentionPolicy;
  /** Not part of the digest: it says how requests come, not how they are decided. */
  readonly broker?: BrokerAddress;
}

/** An existing broker that the agent uses instead of its own. */
export interface BrokerAddress {
  readonly url: string;
  /** null: the agent's name. */
  readonly username: string | null;
  readonly passwordFile: string | null;
  readonly caFile: string | null;
}

export interface RetentionPolicy {
  /** Pictures and other input bytes that the journal may keep. */
  readonly journalBytesMax: number;
  /** A decided case keeps its input this long after its answer. */
  readonly inputKeepMs: number;
  /** An escalation that nobody answered for this long takes its fallback. */
  readonly unansweredMaxMs: number;
}

export type Rung = "coarse_answer" | "human_review" | "safe_action";

export interface TaskPolicy {
  readonly task: string;
  readonly model: ModelSource | null;
  /** Why there is no usable model although one is named (for instance a `.pkl` path): shown to operators. */
  readonly modelProblem: { readonly code: string; readonly message: string; readonly hint: string } | null;
  readonly batchSize: number;
  /** Other keys of the model's entry (`max_history_frames` …), for the feature builder. */
  readonly modelOptions: Readonly<Record<string, number | string | boolean>>;
  readonly gate: GatePolicy;
  readonly rules: readonly Rule[];
  readonly decideWithinMs: number;
  readonly reviewWithinMs: number;
  /** The ladder, in order; walked when the gate does not accept. */
  readonly fallback: readonly Rung[];
  readonly safeAction: Answer | null;
  /** null: no limit. */
  readonly escalationsPerHour: number | null;
  /** What people can take; null: as much as comes. */
  readonly reviewCapacity: ReviewCapacity | null;
  /** Share of accepted decisions that a person looks at as well, in [0, 1]. */
  readonly auditShare: number;
  readonly costs: Costs | null;
  /** What a reviewer is asked. */
  readonly question: string;
  /** Labels that a reviewer may choose where no model names them. */
  readonly labels: readonly string[];
}

export type ModelSource =
  { readonly kind: "registry"; readonly spec: string } | { readonly kind: "path"; readonly path: string };

/** "At most this share is wrong": the gate threshold comes with a certificate, and without one nothing is accepted. */
export interface Contract {
  readonly kind: "contract";
  /** Most of the accepted decisions that may be wrong, a share. */
  readonly maxError: number;
  /** Chance that the certificate is mistaken. */
  readonly delta: number;
  /** Labels at which the certificate of the launch is tried; null: the hub computes how many. */
  readonly launchLabels: number | null;
  /** Without fresh evidence a certificate lapses after so long, or after so many accepted decisions. */
  readonly lapseAfterMs: number;
  readonly lapseAccepts: number;
}

/** A number, or a contract whose number a certificate gives (statistics.md). */
export type GateTarget = { readonly kind: "number"; readonly gateThreshold: number } | Contract;

export interface ReviewCapacity {
  /** Most of a thousand decisions that people look at. Audits count, and are not turned away. */
  readonly per1000: number;
  /** People are slower than they should be when their 95th percentile is above it. */
  readonly answerWithinMs: number;
}

export interface GatePolicy {
  readonly target: GateTarget;
  /**
   * Under a contract: the number that a lower layer gave. The gate threshold is the certified one, but never below the
   * floor; a floor alone certifies nothing. Null where the target is a number.
   */
  readonly floor: number | null;
  /** Gate thresholds of single labels; they replace the task's number. Under a contract they are floors as well. */
  readonly classes: Readonly<Record<string, number>>;
  /** Labels with a contract of their own, which takes the place of the task's number or contract. */
  readonly classContracts: Readonly<Record<string, Contract>>;
  /** For the `coarse_answer` rung; null: the task's gate threshold. Under a contract it is a floor. */
  readonly coarse: number | null;
  /** Contract of the `coarse_answer` rung; null: the task's. */
  readonly coarseContract: Contract | null;
  /** What came for these contracts, narrowest scope first: checked for whose they are, not for which model runs. */
  readonly certificates: readonly Certificate[];
}

export interface Costs {
  readonly review: number;
  readonly wrongAccept: number;
  readonly currency: string;
}

/** A hard rule: it decides before the gate does. Rules are tried in order; the first that holds counts. */
export interface Rule {
  readonly name: string;
  readonly when: Condition;
  readonly then:
    | { readonly verdict: "accept"; readonly label: string | null }
    | { readonly verdict: "escalate" }
    | { readonly verdict: "abstain" };
}

/**
 * Conditions in the shape of Amazon A2I's activation conditions JSON: And, Or, Not over leaves with a `ConditionType`
 * and `ConditionParameters`, spelled as A2I spells them.
 */
export type Condition =
  | { readonly And: readonly Condition[] }
  | { readonly Or: readonly Condition[] }
  | { readonly Not: Condition }
  | {
      readonly ConditionType: "ConfidenceCheck";
      readonly ConditionParameters: {
        /** The label that the check is about; any label where it is absent. */
        readonly Label?: string;
        readonly ConfidenceEquals?: number;
        readonly ConfidenceLessThan?: number;
        readonly ConfidenceLessThanEquals?: number;
        readonly ConfidenceGreaterThan?: number;
        readonly ConfidenceGreaterThanEquals?: number;
      };
    }
  | { readonly ConditionType: "LabelCheck"; readonly ConditionParameters: { readonly LabelIn: readonly string[] } }
  | {
      readonly ConditionType: "ContextCheck";
      readonly ConditionParameters: {
        readonly Key: string;
        readonly Equals?: string | number | boolean;
        readonly In?: readonly (string | number | boolean)[];
        readonly LessThan?: number;
        readonly GreaterThan?: number;
        readonly Exists?: boolean;
      };
    }
  | {
      readonly ConditionType: "Sampling";
      /** Percent as A2I writes it, 0.01 to 100: the one place where a share is not in [0, 1]. */
      readonly ConditionParameters: { readonly RandomSamplingPercentage: number };
    };

/** One line about something in a config that works, but not as somebody may think. */
export interface ConfigWarning {
  readonly key: string;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

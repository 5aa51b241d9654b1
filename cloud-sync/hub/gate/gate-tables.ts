/** Tables of the gate: what is known of the models' answers, and the contracts that they are held to. */
export interface GateTables {
  /**
   * One row for each case that a model had an answer to: the answer, how the case came to be looked at, and whether it
   * was wrong once that is known. It has no word of a shopper and no picture, and stays when the case is erased.
   */
  readonly gate_labels: {
    readonly case_id: string;
    readonly store: string;
    readonly task: string;
    readonly kind: "escalation" | "audit";
    readonly rung: GateRung;
    /** The model's answer. */
    readonly predicted: string;
    /** The model's own calibrated confidence in it, before any calibration of the store. */
    readonly confidence: number;
    /** What the gate held it against then, and the certificate that this came from. */
    readonly gate_threshold: number;
    readonly certificate: string | null;
    /** `sha256:…` of the model and of its calibration; `none` where it has none. */
    readonly model: string;
    readonly calibration: string;
    /** Chance that people would look at it: 1 for an escalation, of the audit coin otherwise; never 0. */
    readonly propensity: number;
    /**
     * The least chance that any decision made under the same rules had: 1 while all of them went to people, else half of
     * the audit share. 0: some were never looked at, so this label is no evidence.
     */
    readonly propensity_min: number;
    /** 1: drawn without a look at the confidence. */
    readonly is_uniform: number;
    /** 1: a rule decided. No certificate is about it. */
    readonly is_rule: number;
    /** The shopper's basket, hashed under this hub's id; null where the request named none. */
    readonly basket: string | null;
    readonly held_ms: number;
    readonly came_ms: number;
    readonly state: LabelState;
    /** What it really was; null while that is unknown, and where only that it was wrong is known. */
    readonly truth: string | null;
    /** 1 or 0; null while it is unknown. Once 1 was counted it stays: labels that contradict each other are an error. */
    readonly is_wrong: number | null;
    readonly source: GateLabelSource | null;
    /** When people first spoke of it: labels are counted in this order. */
    readonly answered_ms: number | null;
    readonly counted_ms: number | null;
  };
  /**
   * Which contract each store's tasks are under, and whose it is; made of the config's layers by any hub process
   * whenever they change.
   */
  readonly gate_contracts: {
    readonly store: string;
    readonly task: string;
    /** A class with a contract of its own; `""` is every label that has none. */
    readonly label: string;
    readonly rung: GateRung;
    /** The layer that gives it: its certificate is of all the stores that this layer's contract is for. */
    readonly level: GateLevel;
    readonly scope: string;
    /** `GateContract` (JSON). */
    readonly contract: string;
  };
  /** One row: of which state of the layers, stores and agents `gate_contracts` was made. Its lock is the right to. */
  readonly gate_head: { readonly one: number; readonly config_stamp: string };
}

type GateRung = "fine" | "coarse";
type GateLevel = "store" | "region" | "fleet";

/**
 * `open`: nobody has spoken. `pending`: somebody has, and others (a lead, a second reviewer) are still to. `ready`: it is
 * known and not counted yet, or was counted as right and turned out to be wrong. `counted`: by the keeper. `apart`: known,
 * and of no certificate's business.
 */
type LabelState = "open" | "pending" | "ready" | "counted" | "apart";

/** Who says whether the answer was right. `unknowable`: nobody who looked could tell. `lost`: there was nothing to look at. */
export type GateLabelSource =
  | "review"
  | "store"
  | "consensus"
  | "adjudication"
  | "outcome"
  /** All of these count as wrong. */
  | "unknowable"
  | "lost"
  | "undecided";

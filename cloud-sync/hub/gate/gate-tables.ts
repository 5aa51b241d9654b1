/** Tables of the gate: what is known of the models' answers, and the contracts that they are held to. */
export interface GateTables {
  /**
   * A row for each answer that a model had to a case, the fine one and where people are to say of both the coarse one: the
   * answer, how the case came to be looked at, and whether it was wrong once that is known. It has no word of a shopper and no picture, and stays when the case is erased.
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
    /** `labelsDigest` of the labels and groups of the model; null where its agent did not say. */
    readonly label_groups: string | null;
    /**
     * Of a coarse answer: the model's own confidence in its fine one, the digest of that calibration, and what the fine gate
     * asked for then (null: it accepted nothing). Without a confidence nobody knows what the coarse answer was left by.
     */
    readonly fine_confidence: number | null;
    readonly fine_calibration: string | null;
    readonly fine_gate_threshold: number | null;
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
    /** Line of `gate_log` with which it was counted, or will never be (`0`: of its basket another one was). */
    readonly counted_n: number | null;
  };
  /** Labels and groups of every model that agents have reported, by `labelsDigest`: they are never others. */
  readonly gate_groups: {
    readonly digest: string;
    readonly labels: string;
    readonly coarse: string;
    /** When an agent last brought them. */
    readonly came_ms: number;
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
  /** One row for each task that the keeper has ever counted for. Its lock is the right to count. */
  readonly gate_tasks: {
    readonly task: string;
    /** Last line of `gate_log`. */
    readonly last_n: number;
    /** When the keeper looks again although no label came: certificates lapse. */
    readonly look_ms: number;
    /** How long people take at the 95th percentile; null while nobody knows. */
    readonly answer_p95_ms: number | null;
    /** Until when another process makes proposals: they are made once. */
    readonly proposed_ms: number;
  };
  /** How many of an hour's accepted decisions the keeper has told the certificates of; the last hours only. */
  readonly gate_accepts: {
    readonly task: string;
    readonly store: string;
    readonly hour_ms: number;
    readonly accepted: number;
  };
  /** Every label in the order in which it was counted: certificates can be computed again from it. */
  readonly gate_log: {
    readonly task: string;
    /** 1, 2, 3 … for each task. */
    readonly n: number;
    readonly case_id: string;
    readonly rung: GateRung;
    /** As it was counted then. */
    readonly is_wrong: number;
    readonly at_ms: number;
  };
  /** The life of each certificate (`CertificateState` of models/measure). */
  readonly gate_states: StateKey & {
    /** `cap`: the looser one of a store under the contract of a group. */
    readonly purpose: "certificate" | "cap";
    /** `GateContract` (JSON) that it is held to. */
    readonly contract: string;
    readonly state: string;
    /** Kind of `state`. */
    readonly kind: string;
    readonly epoch: number;
    /** The log's line after which the epoch's labels begin. */
    readonly epoch_n: number;
    readonly labels: number;
    readonly gate_threshold: number | null;
    readonly certificate: string | null;
    readonly renewal: number;
    readonly issued_ms: number;
    /** When it lapses unless it is renewed; null where nothing is certified. */
    readonly lapse_ms: number | null;
    readonly changed_ms: number;
    /** Share of the model's errors that reviewers are taken to overlook: the labels are held to so much less. */
    readonly miss_share: number;
    /** Of a coarse certificate: what it speaks of (`Residual`, JSON); null until its epoch's first label. */
    readonly residual: string | null;
    /** When the last point of `gate_history` was written. */
    readonly told_ms: number;
  };
  /** Certificates as they were issued, without signature, calibration of a store and cap: those are of each store. */
  readonly gate_certificates: StateKey & {
    readonly certificate: string;
    readonly renewal: number;
    readonly body: string;
    readonly issued_ms: number;
    /** 1: the newest of its state. */
    readonly is_newest: number;
    /** The log's last line when it was issued. */
    readonly log_n: number;
  };
  /** By whom, when and why a gate is raised, as long as it is; what it is raised to each model's state has as well. */
  readonly gate_raises: Omit<StateKey, "model" | "calibration"> & {
    /** Null: nothing is accepted. */
    readonly gate_threshold: number | null;
    readonly raised_by: string;
    readonly raised_ms: number;
    readonly why: string;
  };
  /** Evidence over time, for people to look at. */
  readonly gate_history: StateKey & {
    readonly at_ms: number;
    readonly epoch: number;
    readonly kind: string;
    readonly labels: number;
    readonly errors: number;
    /** ln of the evidence at the gate threshold that comes next or holds. */
    readonly ln_evidence: number;
    readonly gate_threshold: number | null;
    readonly upper_bound: number | null;
  };
  /** Each store's own calibration over the model's; fixed for an epoch of the certificate that uses it. */
  readonly gate_adjusts: {
    readonly task: string;
    readonly model: string;
    readonly calibration: string;
    readonly store: string;
    readonly slope: number;
    readonly intercept: number;
    readonly labels: number;
    readonly fitted_ms: number;
  };
  readonly gate_proposals: {
    readonly proposal_id: string;
    readonly task: string;
    /** The same thing is proposed once: what it would change, in one text. */
    readonly subject: string;
    /** `GateProposal` (JSON). */
    readonly body: string;
    readonly state: "open" | "applied" | "dismissed" | "superseded";
    readonly made_ms: number;
    readonly ended_ms: number | null;
    readonly ended_by: string | null;
    readonly why: string | null;
  };
  /** Within what the hub may change a gate by itself; no row: nothing. */
  readonly gate_limits: {
    readonly task: string;
    /** `GateLimits` (JSON). */
    readonly body: string;
    readonly changed_ms: number;
    readonly changed_by: string;
  };
}

/** What one certificate is about. */
export interface StateKey {
  readonly level: GateLevel;
  readonly scope: string;
  readonly task: string;
  /** `""` is every label without a contract of its own. */
  readonly label: string;
  readonly rung: GateRung;
  readonly model: string;
  readonly calibration: string;
}

export type GateRung = "fine" | "coarse";
export type GateLevel = "store" | "region" | "fleet";

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

/** A task that the keeper has not seen yet. */
export function newTask(task: string): GateTables["gate_tasks"] {
  return { task, last_n: 0, look_ms: 0, answer_p95_ms: null, proposed_ms: 0 };
}

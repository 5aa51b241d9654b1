/** Tables of the review room: who is to answer what, every answer that was given, and what came of it. */
export interface ReviewTables {
  /** One row for each case that people are asked about: what they have said together, and what it led to. */
  readonly review_cases: {
    readonly case_id: string;
    readonly store: string;
    readonly task: string;
    readonly kind: "escalation" | "audit" | "import";
    /** `ConsensusState` (JSON), and whether anything can still come of it. */
    readonly consensus: string;
    readonly is_open: number;
    /** `ReviewRules` under which it was opened (JSON): a change of the policy changes no case that is under way. */
    readonly rules: string;
    readonly model_label: string | null;
    /** What people's answers are held against: the model's answer, and of a coarse one the label that it saw in the group. */
    readonly compared_label: string | null;
    readonly queue_key: number;
    readonly held_ms: number;
    readonly due_ms: number | null;
    /** What left the hub (JSON of the answer), and when; null where nothing has. */
    readonly sent_answer: string | null;
    readonly sent_ms: number | null;
    /** What the store's journal made of it. */
    readonly final_label: string | null;
    readonly final_by: string | null;
    readonly final_ms: number | null;
    /** The best that is known of the truth, who says so, and since when. */
    readonly adjudicated_label: string | null;
    readonly adjudicated_source: LabelSource | null;
    readonly adjudicated_ms: number | null;
    /** 1: the store's answer and the hub's differ. */
    readonly has_conflict: number;
  };
  /** One row for each answer that is needed: a review task, leased to one reviewer at a time. */
  readonly review_slots: {
    readonly slot_id: string;
    readonly case_id: string;
    readonly store: string;
    readonly task: string;
    readonly role: SlotRole;
    /** 1: the model's answer is not shown. */
    readonly is_blind: number;
    /** Kind of `machine`. */
    readonly state: "waiting" | "leased" | "answered" | "committing" | "closed";
    /** `ReviewTaskState` of the review machine (JSON); its times are wall-clock milliseconds. */
    readonly machine: string;
    /** Whoever holds it or answered it: the session, the person behind it, the name that others see. */
    readonly reviewer_key: string | null;
    readonly person_id: string | null;
    readonly reviewer_name: string | null;
    /** The review that was kept of it; null before. */
    readonly review_row: string | null;
    /** `task|skill|lead`: what a reviewer must be able to do (lanes.ts). */
    readonly lane: string;
    /** Smaller is sooner (queue-key.ts). */
    readonly queue_key: number;
    readonly held_ms: number;
    readonly due_ms: number | null;
    /** When something happens to it by itself: a lease, an undo window or the deadline ends. Null where nothing does. */
    readonly wake_ms: number | null;
  };
  readonly review_lanes: {
    readonly lane: string;
    readonly task: string;
    readonly skill: string | null;
    /** 1: for leads. */
    readonly is_lead: number;
  };
  /** Lanes in which a store has ever had work. */
  readonly review_lane_stores: { readonly store: string; readonly lane: string };
  /** Who must not be given a case (again): they hold it, have answered it, or handed it to a lead. */
  readonly review_exclusions: { readonly case_id: string; readonly person_id: string };
  /** Every answer ever given, at the hub and in the stores, in time or late. */
  readonly reviews: {
    readonly review_row: string;
    readonly case_id: string;
    readonly slot_id: string | null;
    /** As the reviewer's page named it. */
    readonly review_id: string;
    readonly role: SlotRole | null;
    readonly source: "hub" | "store";
    readonly person_id: string | null;
    readonly reviewer_name: string;
    /** `ReviewAnswer` (JSON), and its label. */
    readonly answer: string;
    readonly label: string | null;
    readonly took_ms: number | null;
    readonly is_gold: number;
    /** 1 or 0 where the truth is known; null before. */
    readonly is_right: number | null;
    /** 1: it came when the case was closed, and is a label only. */
    readonly is_late: number;
    readonly has_conflict: number;
    readonly at_ms: number;
  };
  /** What is known of how well and how fast each reviewer works, by task. */
  readonly review_stats: {
    readonly person_id: string;
    readonly task: string;
    readonly reviewer_name: string;
    readonly answered: number;
    readonly cannot_tell: number;
    readonly gold_shown: number;
    readonly gold_right: number;
    /** Votes that the consensus or a lead has judged, and how many of them stood. */
    readonly judged: number;
    readonly upheld: number;
    readonly took_ms_sum: number;
    readonly took_count: number;
  };
  /** Cases with a known truth that may be shown again to measure a reviewer. */
  readonly review_gold: {
    readonly case_id: string;
    readonly store: string;
    readonly task: string;
    readonly label: string;
    readonly source: LabelSource;
    /** A random number in [0, 2^31): a gold case is found by a random place in this order. */
    readonly spot: number;
    readonly made_ms: number;
  };
  readonly review_policies: {
    readonly task: string;
    /** `ReviewRules` (JSON). */
    readonly body: string;
    readonly changed_ms: number;
    readonly changed_by: string;
  };
}

/**
 * `first` and `second` are votes, `adjudication` is a lead's word, `audit` looks at what a model accepted, `gold` measures
 * the reviewer and reaches nobody else.
 */
export type SlotRole = "first" | "second" | "adjudication" | "audit" | "gold";

/** From weak to strong: one reviewer, a person in the store, reviewers who agree, a lead, the world. */
export type LabelSource = "review" | "store" | "consensus" | "adjudication" | "outcome";

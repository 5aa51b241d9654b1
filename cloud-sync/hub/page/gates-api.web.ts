import type { Layer, LayerName, PageOf } from "./api.web.ts";
import { ask, level, search, type Answered } from "./ask.web.ts";

/** The calls of the gates' pages, one function each. */

export interface GateLine {
  readonly level: Layer;
  readonly scope: string;
  readonly task: string;
  readonly label: string | null;
  readonly rung: "fine" | "coarse";
  readonly stores: number;
  readonly contract: { readonly maxError: number; readonly delta: number } | null;
  readonly state: GateStateLine | null;
  /** Since when the hub has not looked at it, though it should; null where it does. */
  readonly overdueSinceMs: number | null;
  /** Where one store was asked for: what its own labels cap the group's gate threshold with. */
  readonly cap: { readonly gateThreshold: number | null; readonly maxError: number } | null;
}

export interface GateStateLine {
  readonly kind: string;
  readonly model: string;
  readonly calibration: string;
  readonly epoch: number;
  readonly labels: number;
  readonly labelsMissing: number | null;
  /** Of coarse answers: it speaks of cases whose fine confidence is below that, null of all. */
  readonly residual: { readonly below: number | null } | null;
  readonly gateThreshold: number | null;
  /** What a person has raised it to; `people`: nothing is accepted. */
  readonly raised: number | "people" | null;
  readonly issuedMs: number | null;
  readonly lapseMs: number | null;
}

export interface GateFigurePoint {
  readonly gateThreshold: number;
  readonly coverage: number;
  readonly risk: number;
  readonly lower: number;
  readonly upper: number;
  readonly labels: number;
  readonly errors: number;
}

export interface GateCertificate {
  readonly id: string;
  readonly renewal: number;
  readonly basis: string;
  readonly method: string;
  readonly model: string;
  readonly calibration: string;
  readonly epoch: number;
  /** In force. */
  readonly gateThreshold: number | null;
  /** Where that is not the proved one: the proved one, which the counts and the bound speak of. */
  readonly provedGateThreshold?: number;
  readonly labels: number;
  readonly accepted: number;
  readonly errors: number;
  readonly coverage: number;
  readonly upperBound: number | null;
  readonly issuedAtMs: number;
  /** What ended it; null: it holds. */
  readonly ended: { readonly why: string; readonly atMs: number | null } | null;
}

export interface GateDetail extends Omit<GateLine, "stores" | "cap"> {
  readonly stores: readonly string[];
  readonly storesTotal: number;
  /** By whom, when and why it is raised, as long as it is. */
  readonly raise: {
    readonly gateThreshold: number | null;
    readonly by: string;
    readonly atMs: number;
    readonly why: string;
  } | null;
  readonly figures: {
    readonly labels: number;
    readonly method: string;
    readonly curve: readonly GateFigurePoint[];
    readonly reliability: readonly {
      readonly lower: number;
      readonly upper: number;
      readonly items: number;
      readonly confidence: number;
      readonly accuracy: number;
      /** Interval of 95 % of the accuracy. */
      readonly accuracyLower: number;
      readonly accuracyUpper: number;
      /** Labels so few that the bar says next to nothing. */
      readonly isFew: boolean;
    }[];
    readonly calibrationError: number | null;
  };
  readonly capacity: {
    readonly contract: GateSetting;
    readonly capacity: GateSetting | null;
    readonly binds: "contract" | "capacity";
    readonly spillPer1000: number;
    readonly reviewsPer1000: number;
  } | null;
  /** What the task's reviews and wrong accepts cost; null where nobody has said, or in several currencies. */
  readonly costs: { readonly review: number; readonly wrongAccept: number; readonly currency: string } | null;
  /** Stores state different costs or capacities: these are means over their decisions. */
  readonly isMeanOfStores: boolean;
  readonly offers: readonly GateOffer[];
  readonly answerP95Ms: number | null;
  readonly sources: readonly { readonly source: string; readonly labels: number; readonly wrong: number }[];
  readonly byRule: { readonly labels: number; readonly wrong: number };
  readonly waiting: { readonly open: number; readonly pending: number; readonly ready: number };
  /** Labels a day that the launch waits for; null where nobody can tell. */
  readonly labelsPerDay: number | null;
  readonly evidence: readonly {
    readonly atMs: number;
    readonly epoch: number;
    readonly labels: number;
    readonly errors: number;
    readonly lnEvidence: number;
    readonly gateThreshold: number | null;
  }[];
  readonly certificates: readonly GateCertificate[];
}

/** What another contract would mean, by the labels at hand. */
export interface GateOffer {
  readonly maxError: number;
  readonly gateThreshold: number | null;
  readonly labels: number;
  readonly accepted: number;
  readonly errors: number;
  readonly coverage: number;
  readonly reviewsPer1000: number;
  readonly wrongPer1000: number;
  readonly costPer1000: number | null;
  readonly method: string;
}

export interface GateProposal {
  readonly id: string;
  readonly kind: string;
  readonly title: string;
  readonly before: GatePreview;
  readonly after: GatePreview;
  readonly labels: number;
  readonly method: string;
  readonly edits: readonly LayerName[];
}

interface GateSetting {
  readonly gateThreshold: number | null;
  readonly reviewsPer1000: number;
  readonly wrongPer1000: number;
}

interface GatePreview {
  readonly reviewsPer1000: number;
  readonly gateThreshold: number | null;
  readonly errorBound: number | null;
}

/** Which gate of a task; the fleet's unless a store or a region is named. */
export interface GateOf {
  readonly store: string | null;
  readonly region: string | null;
  readonly label: string | null;
  readonly rung: string | null;
}

export const gates = {
  list: (cursor: string | null, store: string | null = null): Promise<Answered<PageOf<GateLine>>> =>
    ask("GET", `/v1/gates${search({ cursor, store, limit: 100 })}`),
  one: (task: string, of: GateOf): Promise<Answered<GateDetail>> =>
    ask("GET", `/v1/gates/${level(task)}${search({ ...of })}`),
  raise: (
    task: string,
    of: GateOf,
    given: { readonly gateThreshold: number | "evidence" | null; readonly why: string },
  ): Promise<Answered<unknown>> => ask("POST", `/v1/gates/${level(task)}/raise${search({ ...of })}`, given),
  proposals: (task: string | null, cursor: string | null): Promise<Answered<PageOf<GateProposal>>> =>
    ask("GET", `/v1/gate-proposals${search({ task, state: "open", cursor })}`),
  endProposal: (id: string, to: "apply" | "dismiss", why: string): Promise<Answered<unknown>> =>
    ask("POST", `/v1/gate-proposals/${level(id)}/${to}`, { why }),
  csvAddress: (task: string, of: { readonly store: string | null; readonly rung: string | null }): string =>
    `/v1/gate-labels${search({ task, ...of })}`,
};

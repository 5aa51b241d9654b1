import { type Kysely } from "kysely";
import { capacityReport, type CapacityReport } from "../../../models/measure/capacity.ts";
import { HoldpointError } from "../../../protocol/index.ts";
import { inScope, type PersonCaller } from "../api/caller.ts";
import { type HubTables } from "../database/tables.ts";
import { adjusted, type StoreAdjustment } from "../../../models/measure/store-adjustment.ts";
import { withEnds, type EndedCertificate } from "./certificate-ends.ts";
import { type IssuedCertificate } from "./certificate-issue.ts";
import { gateFigures, type GateFigures } from "./gate-figures.ts";
import { type FigureLabel } from "./figure-label.ts";
import { gateOffers, type GateOffer } from "./gate-offers.ts";
import { gateTerms } from "./store-terms.ts";
import { missShareOf } from "./label-quality.ts";
import { type GateContract } from "./gate-contracts.ts";
import { gateColumns, newestState, type GateName, type GateStateLine } from "./gate-list.ts";
import { labelsPerDay } from "./label-rate.ts";
import { overdueSince } from "./gate-overdue.ts";
import { raiseOf, type GateRaise } from "./gate-raising.ts";
import { type GateLabelSource } from "./gate-tables.ts";

export type GateDb = Kysely<HubTables>;
type Db = GateDb;

/** Labels that a curve is drawn of; the newest. */
const figureLabelsMax = 20_000;
const historyPointsMax = 1_000;
const certificatesMax = 50;
const storesShownMax = 200;

interface EvidenceAt {
  readonly atMs: number;
  readonly epoch: number;
  readonly kind: string;
  readonly labels: number;
  readonly errors: number;
  readonly lnEvidence: number;
  readonly gateThreshold: number | null;
  readonly upperBound: number | null;
}

export interface GateDetail extends GateName {
  readonly stores: readonly string[];
  readonly storesTotal: number;
  /** With the costs and the capacity of all of the caller's stores together. */
  readonly contract: GateContract | null;
  /** The stores state different costs or capacities, and those of `contract` are means. */
  readonly isMeanOfStores: boolean;
  readonly state: GateStateLine | null;
  /** By whom, when and why it is raised, as long as it is; null as well for a raise that an earlier release took down. */
  readonly raise: GateRaise | null;
  /** Since when the hub should have counted its labels and looked at its certificates; null where it does. */
  readonly overdueSinceMs: number | null;
  readonly figures: GateFigures;
  /** Labels by who says so, of the newest model; `wrong` of them are wrong. */
  readonly sources: readonly { readonly source: GateLabelSource; readonly labels: number; readonly wrong: number }[];
  /** What rules decided: no certificate is about it. */
  readonly byRule: { readonly labels: number; readonly wrong: number };
  /** Cases that nobody has spoken of, of which others are still to speak, and labels that are not counted yet. */
  readonly waiting: { readonly open: number; readonly pending: number; readonly ready: number };
  /**
   * Labels a day that the launch waits for, by the last week; null where it was tried, where too few have come to tell, and of
   * coarse answers, whose labels do not all count.
   */
  readonly labelsPerDay: number | null;
  /** Evidence over time, oldest first. */
  readonly evidence: readonly EvidenceAt[];
  /** The newest first, each with what ended it. */
  readonly certificates: readonly EndedCertificate[];
  /** What the contract and the reviewers' capacity allow together; null where no capacity is stated, or no label is there. */
  readonly capacity: (CapacityReport & { readonly reviewsPer1000: number }) | null;
  /** What a contract twice as strict or twice as loose would mean beside this one; empty without a contract or a label. */
  readonly offers: readonly GateOffer[];
  /** How long people take at the 95th percentile, milliseconds; null while too few cases have come. */
  readonly answerP95Ms: number | null;
}

/** Everything that the hub knows of one gate, within the caller's stores. Throws HP_NOT_FOUND. */
export async function gateDetail(db: Db, caller: PersonCaller, name: GateName, nowMs: number): Promise<GateDetail> {
  const { stores, contracts } = await mustSeeGate(db, caller, name);
  const state = await newestState(db, name);
  const model = state ?? (await newestModel(db, name, stores));
  const all = model === null ? [] : await labelsOf(db, name, stores, model);
  const rows = await spokenOf(db, name, all, state?.residual?.below ?? null);
  // Only under a group's contract the gate compares confidences of the store's own calibration.
  const isOfGroup = contracts.size > 0 && name.level !== "store";
  const adjusts =
    model === null || name.rung === "coarse" || !isOfGroup
      ? new Map<string, StoreAdjustment>()
      : await adjustsOf(db, name, model);
  const shown = (some: Counted): readonly FigureLabel[] =>
    some
      .filter((row) => row.is_rule === 0)
      .map((row): FigureLabel => ({
        confidence: adjusted(row.confidence, adjusts.get(row.store) ?? null),
        isWrong: row.is_wrong === 1,
        propensity: row.propensity,
      }));
  const figures = gateFigures(shown(rows));
  const decisions = decisionsOf(rows);
  const terms = gateTerms(
    [...contracts].map(([store, own]) => ({ contract: own, decisions: decisions.get(store) ?? 0 })),
  );
  // The promise is the same in all of its stores: one layer gives it.
  const [promise = null] = contracts.values();
  const contract = promise && { ...promise, costs: terms.costs, reviewsPer1000: terms.reviewsPer1000 };
  // A label whose like were never looked at says nothing of what a gate would accept.
  const evidence = shown(rows.filter((row) => row.propensity_min > 0));
  return {
    ...name,
    ...{ stores: stores.slice(0, storesShownMax), storesTotal: stores.length, contract, state, figures },
    isMeanOfStores: terms.isMean,
    overdueSinceMs: contract === null ? null : await overdueSince(db, name.task, nowMs),
    sources: bySource(rows.filter((row) => row.is_rule === 0)),
    byRule: countsOf(rows.filter((row) => row.is_rule === 1)),
    waiting: await waitingOf(db, name, stores),
    labelsPerDay:
      name.rung === "fine" && state !== null && (state.labelsMissing ?? 0) > 0
        ? await labelsPerDay(db, name, stores.slice(0, storesAskedMax), state, nowMs)
        : null,
    evidence: state === null ? [] : await evidenceOf(db, name, state),
    raise: await raiseOf(db, name),
    certificates: withEnds(await certificatesOf(db, name), state),
    capacity: capacityOf(figures, state?.gateThreshold ?? null, contract?.reviewsPer1000 ?? null),
    offers: contract === null ? [] : gateOffers(evidence, contract, await missShareOf({ db }, name.task)),
    answerP95Ms: await answerP95Of(db, name.task),
  };
}

/** Decisions of each store that its labels stand for. */
function decisionsOf(rows: Counted): ReadonlyMap<string, number> {
  const decisions = new Map<string, number>();
  for (const { store, is_rule: isRule, propensity } of rows) {
    if (isRule === 0) decisions.set(store, (decisions.get(store) ?? 0) + 1 / propensity);
  }
  return decisions;
}

/** The curve in decisions and not in labels: each stands for as many as its chance of a label says. */
function capacityOf(
  { curve, labels }: GateFigures,
  gateThreshold: number | null,
  reviewsPer1000: number | null,
): GateDetail["capacity"] {
  if (reviewsPer1000 === null || curve.length === 0) return null;
  const items = labels * 1000;
  const points = curve.map(({ gateThreshold: at, coverage, risk }) => {
    const accepted = Math.max(1, Math.round(coverage * items));
    return { gateThreshold: at, accepted, errors: Math.round(risk * accepted) };
  });
  return { ...capacityReport(points, gateThreshold, { reviewsPer1000 }), reviewsPer1000 };
}

async function answerP95Of(db: Db, task: string): Promise<number | null> {
  const row = await db.selectFrom("gate_tasks").select("answer_p95_ms").where("task", "=", task).executeTakeFirst();
  return row?.answer_p95_ms ?? null;
}

interface GateStores {
  readonly stores: readonly string[];
  /** Each store's own; empty where the gate threshold is a number. */
  readonly contracts: ReadonlyMap<string, GateContract>;
}

/** Those of its stores that are the caller's. Throws HP_NOT_FOUND where there is none. */
export async function mustSeeGate(db: Db, caller: PersonCaller, name: GateName): Promise<GateStores> {
  const found = inScope(caller.tasks, name.task) ? await storesOf(db, caller, name) : null;
  if (found === null || found.stores.length === 0) throw new HoldpointError("HP_NOT_FOUND", "no such gate");
  return found;
}

/** The stores of the gate that the caller sees; of a task without a contract, those that report it. */
async function storesOf(db: Db, caller: PersonCaller, name: GateName): Promise<GateStores> {
  const rows = await db
    .selectFrom("gate_contracts")
    .select(["store", "contract"])
    .where((row) => row.and(gateColumns(name)))
    .orderBy("store")
    .execute();
  if (rows.length > 0) {
    const own = rows.filter(({ store }) => inScope(caller.stores, store));
    const contracts = new Map(own.map(({ store, contract }) => [store, JSON.parse(contract) as GateContract]));
    return { stores: [...contracts.keys()], contracts };
  }
  if (name.label !== null || name.rung !== "fine") return { stores: [], contracts: new Map() };
  const known = await db
    .selectFrom("store_tasks")
    .leftJoin("stores", "stores.store", "store_tasks.store")
    .select("store_tasks.store")
    .where("store_tasks.task", "=", name.task)
    .$if(name.level === "store", (query) => query.where("store_tasks.store", "=", name.scope))
    .$if(name.level === "region", (query) => query.where("stores.region", "=", name.scope))
    .orderBy("store_tasks.store")
    .execute();
  const stores = known.map(({ store }) => store).filter((store) => inScope(caller.stores, store));
  return { stores, contracts: new Map() };
}

interface ModelName {
  readonly model: string;
  readonly calibration: string;
}

async function newestModel(
  db: Db,
  { task, rung }: Pick<GateName, "task" | "rung">,
  stores: readonly string[],
): Promise<ModelName | null> {
  const row = await db
    .selectFrom("gate_labels")
    .select(["model", "calibration"])
    .where("task", "=", task)
    .where("rung", "=", rung)
    .where("store", "in", stores.slice(0, storesAskedMax))
    .orderBy("came_ms", "desc")
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

/** Stores of one question: SQLite binds at most 32,766 values. A gate of more is asked without naming them. */
const storesAskedMax = 10_000;

async function labelsOf(db: Db, { task, rung, label }: GateName, stores: readonly string[], model: ModelName) {
  return db
    .selectFrom("gate_labels")
    .select(["store", "confidence", "is_wrong", "is_rule", "propensity", "propensity_min", "source"])
    .select(["model", "fine_confidence", "fine_calibration"])
    .where("task", "=", task)
    .where("rung", "=", rung)
    .where("model", "=", model.model)
    .where("calibration", "=", model.calibration)
    .where("is_wrong", "is not", null)
    .where("store", "in", stores.slice(0, storesAskedMax))
    .$if(label !== null, (query) => query.where("predicted", "=", label ?? ""))
    .orderBy("came_ms", "desc")
    .limit(figureLabelsMax)
    .execute();
}

async function adjustsOf(db: Db, { task }: GateName, model: ModelName): Promise<ReadonlyMap<string, StoreAdjustment>> {
  const rows = await db
    .selectFrom("gate_adjusts")
    .select(["store", "slope", "intercept"])
    .where("task", "=", task)
    .where("model", "=", model.model)
    .where("calibration", "=", model.calibration)
    .execute();
  return new Map(rows.map(({ store, slope, intercept }) => [store, { slope, offset: intercept }]));
}

type Counted = Awaited<ReturnType<typeof labelsOf>>;

/** Those that a coarse certificate speaks of: what the fine gate leaves, under each store's own calibration of it. */
async function spokenOf(db: Db, name: GateName, rows: Counted, below: number | null): Promise<Counted> {
  if (below === null) return rows;
  const known = rows.find((row) => row.fine_calibration !== null);
  const fine = known?.fine_calibration ?? null;
  const adjusts = known && fine !== null ? await adjustsOf(db, name, { model: known.model, calibration: fine }) : null;
  return rows.filter(({ store, fine_confidence: confidence, fine_calibration: calibration }) => {
    return confidence !== null && calibration === fine && adjusted(confidence, adjusts?.get(store) ?? null) < below;
  });
}

function bySource(rows: Counted): GateDetail["sources"] {
  const sources = new Map<GateLabelSource, { labels: number; wrong: number }>();
  for (const { source, is_wrong: isWrong } of rows) {
    if (source === null) continue;
    const known = sources.get(source) ?? { labels: 0, wrong: 0 };
    sources.set(source, { labels: known.labels + 1, wrong: known.wrong + (isWrong ?? 0) });
  }
  return [...sources].map(([source, counts]) => ({ source, ...counts })).sort((a, b) => b.labels - a.labels);
}

function countsOf(rows: Counted): { readonly labels: number; readonly wrong: number } {
  return { labels: rows.length, wrong: rows.filter((row) => row.is_wrong === 1).length };
}

async function waitingOf(db: Db, { task, rung }: GateName, stores: readonly string[]): Promise<GateDetail["waiting"]> {
  const rows = await db
    .selectFrom("gate_labels")
    .select((row) => ["state", row.fn.countAll<number>().as("count")])
    .where("task", "=", task)
    .where("rung", "=", rung)
    .where("state", "in", ["open", "pending", "ready"])
    .where("store", "in", stores.slice(0, storesAskedMax))
    .groupBy("state")
    .execute();
  const countOf = (state: string): number => rows.find((row) => row.state === state)?.count ?? 0;
  return { open: countOf("open"), pending: countOf("pending"), ready: countOf("ready") };
}

async function evidenceOf(db: Db, name: GateName, { model, calibration }: ModelName): Promise<readonly EvidenceAt[]> {
  const rows = await db
    .selectFrom("gate_history")
    .selectAll()
    .where((row) => row.and(gateColumns(name)))
    .where("model", "=", model)
    .where("calibration", "=", calibration)
    .orderBy("at_ms", "desc")
    .limit(historyPointsMax)
    .execute();
  return rows.reverse().map((row) => ({
    ...{ atMs: row.at_ms, epoch: row.epoch, kind: row.kind, labels: row.labels, errors: row.errors },
    ...{ lnEvidence: row.ln_evidence, gateThreshold: row.gate_threshold, upperBound: row.upper_bound },
  }));
}

async function certificatesOf(db: Db, name: GateName): Promise<readonly IssuedCertificate[]> {
  const rows = await db
    .selectFrom("gate_certificates")
    .select("body")
    .where((row) => row.and(gateColumns(name)))
    .orderBy("issued_ms", "desc")
    .orderBy("renewal", "desc")
    .limit(certificatesMax)
    .execute();
  return rows.map(({ body }) => JSON.parse(body) as IssuedCertificate);
}

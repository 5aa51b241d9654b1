import { monitorEventLoopDelay } from "node:perf_hooks";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { type LinkFacts } from "../cloud-sync/edge/link-report.ts";
import { type AgentStatus, type Decision, type ErrorCode } from "../protocol/index.ts";
import { gateGauges, type GateFacts } from "./metrics-gate.ts";
import { type JournalCounts } from "./journal/journal.ts";
import { type AgentMetrics } from "./service.ts";

export interface MetricsSources {
  /** Asked at each scrape. */
  readonly counts?: () => Promise<JournalCounts>;
  /** Asked at each scrape: state and reasons. */
  readonly status?: () => Promise<AgentStatus>;
  /** Asked at each scrape: the way to the hub, or null where there is none. */
  readonly hub?: () => HubFacts | null;
  /** Asked at each scrape: how contracts and people stand. */
  readonly gates?: () => GateFacts;
}

/** What the way to the hub is like, of LinkFacts. */
type HubFacts = Pick<
  LinkFacts,
  "state" | "owedPictures" | "refusedRows" | "droppedPictures" | "applied" | "skipped"
> & {
  /** Seconds since the hub last said that it has nothing more to tell. */
  readonly feedLagS: number | null;
};

export interface PrometheusMetrics extends AgentMetrics {
  /** A call to the hub has ended. */
  exchanged(call: string, outcome: string): void;
  /** The text that Prometheus scrapes. A source that fails is left out and counted. */
  text(): Promise<{ readonly contentType: string; readonly body: string }>;
  close(): void;
}

/** Task names come from the config; whatever comes after so many of them is counted as `other`. */
const tasksMax = 64;
/** Seconds, from a tabular model to a person. */
const latencyBuckets = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 900];

/**
 * The agent's metrics. The busy ones are counted in plain maps and handed to prom-client at the scrape: its own `inc`
 * with labels costs more than a decision's gate.
 */
export function createMetrics(sources: MetricsSources = {}): PrometheusMetrics {
  const registry = new Registry();
  const connections = new Map<"mqtt" | "http", number>();
  const tasks = new Set<string>();
  const loop = monitorEventLoopDelay({ resolution: 10 });
  loop.enable();

  collectDefaultMetrics({ register: registry, prefix: "holdpoint_" });
  const { decisions, reasons, refusals, acknowledgements, exchanges } = talliesOf(registry);
  const hub = hubGauges(registry);
  const gates = gateGauges((name, help, labelNames) => {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
  });
  const observeLatency = latencyHistogram(registry);
  connectionsGauge(registry, connections);
  loopGauge(registry, loop);
  const failures = new Counter({
    name: "holdpoint_metric_source_failures_total",
    help: "Scrapes at which the journal or the status did not answer",
    registers: [registry],
  });
  const journal = journalGauges(registry);
  const state = stateGauges(registry);

  const taskLabel = (task: string): string => {
    if (tasks.has(task)) return task;
    if (tasks.size >= tasksMax) return "other";
    tasks.add(task);
    return task;
  };
  return {
    refused: (door: "mqtt" | "http", code: ErrorCode) => refusals.add(door, code),
    exchanged: (call, outcome) => exchanges.add(call, outcome),
    acknowledged: (door) => acknowledgements.add(door),
    connections: (door, open) => void connections.set(door, open),
    decided: (decision: Decision) => {
      const task = taskLabel(decision.task);
      decisions.add(task, decision.verdict, decision.decidedBy);
      for (const reason of decision.reasons) reasons.add(task, reason);
      if (decision.revision !== 1) return;
      observeLatency(task, decision.latencyMs / 1000);
    },
    text: async () => {
      const failed = (): null => (failures.inc(), null);
      const [counts, status] = await Promise.all([
        sources.counts?.().catch(failed) ?? null,
        sources.status?.().catch(failed) ?? null,
      ]);
      journal(counts);
      state(status);
      hub(sources.hub?.() ?? null);
      gates(sources.gates?.() ?? { contracts: [], reviews: [] });
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
    close: () => {
      loop.disable();
      registry.clear();
    },
  };
}

function talliesOf(registry: Registry) {
  const tally = (name: string, help: string, labelNames: readonly string[]): Tally => {
    const made = new Tally();
    tallied(registry, name, help, labelNames, made);
    return made;
  };
  const byTask = ["task", "verdict", "decided_by"];
  return {
    decisions: tally("holdpoint_decisions_total", "Revisions by task, verdict and who decided", byTask),
    reasons: tally("holdpoint_reasons_total", "Reasons of revisions, by task", ["task", "reason"]),
    refusals: tally("holdpoint_refused_total", "Refused messages by door and code", ["door", "code"]),
    acknowledgements: tally("holdpoint_acknowledged_total", "Messages acknowledged as durable, by door", ["door"]),
    exchanges: tally("holdpoint_hub_calls_total", "Calls to the hub by what became of them", ["call", "outcome"]),
  };
}

/** prom-client looks labels up by hashing them; a task's own histogram is found once. */
function latencyHistogram(registry: Registry): (task: string, seconds: number) => void {
  const latency = new Histogram({
    name: "holdpoint_decision_seconds",
    help: "From the request to its first decision, by task",
    labelNames: ["task"],
    buckets: latencyBuckets,
    registers: [registry],
  });
  const byTask = new Map<string, { observe(seconds: number): void }>();
  return (task, seconds) => {
    const known = byTask.get(task) ?? latency.labels({ task });
    byTask.set(task, known);
    known.observe(seconds);
  };
}

interface Counted {
  count: number;
  readonly below: Map<string, Counted>;
}

/** Counts by label values: a map for each label, because joining the values to a key costs more than looking them up. */
class Tally {
  readonly #root: Counted = { count: 0, below: new Map() };

  add(...values: readonly string[]): void {
    let at = this.#root;
    for (const value of values) {
      let next = at.below.get(value);
      if (next === undefined) at.below.set(value, (next = { count: 0, below: new Map() }));
      at = next;
    }
    at.count += 1;
  }

  entries(): Iterable<{ readonly values: readonly string[]; readonly count: number }> {
    return countsIn(this.#root, []);
  }
}

function* countsIn(
  { count, below }: Counted,
  values: readonly string[],
): Iterable<{ readonly values: readonly string[]; readonly count: number }> {
  if (count > 0) yield { values, count };
  for (const [value, counted] of below) yield* countsIn(counted, [...values, value]);
}

function tallied(registry: Registry, name: string, help: string, labelNames: readonly string[], tally: Tally): void {
  new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const { values, count } of tally.entries()) {
        this.inc(Object.fromEntries(labelNames.map((label, i) => [label, values[i] ?? ""])), count);
      }
    },
  });
}

function connectionsGauge(registry: Registry, connections: ReadonlyMap<string, number>): void {
  new Gauge({
    name: "holdpoint_connections",
    help: "Open connections by door",
    labelNames: ["door"],
    registers: [registry],
    collect() {
      for (const [door, open] of connections) this.set({ door }, open);
    },
  });
}

function loopGauge(registry: Registry, loop: ReturnType<typeof monitorEventLoopDelay>): void {
  new Gauge({
    name: "holdpoint_event_loop_delay_seconds",
    help: "Delay of the event loop since the last scrape",
    labelNames: ["quantile"],
    registers: [registry],
    collect() {
      // Without a sample (a scrape right after another) the histogram says NaN or its largest number.
      if (loop.count === 0) return;
      for (const quantile of [50, 99, 100]) {
        this.set({ quantile: String(quantile / 100) }, loop.percentile(quantile) / 1e9);
      }
      loop.reset();
    },
  });
}

const journalNumbers = {
  received: ["holdpoint_journal_received", "Requests made durable"],
  undecided: ["holdpoint_journal_undecided", "Requests durable and not yet decided"],
  pending: ["holdpoint_journal_pending", "Cases that wait for a person"],
  undelivered: ["holdpoint_journal_undelivered", "Revisions that a device has not acknowledged"],
  unsent: ["holdpoint_journal_unsent", "Outbox rows that no hub has taken"],
  inputBytes: ["holdpoint_journal_input_bytes", "Bytes of inputs kept, of the byte budget"],
  evicted: ["holdpoint_journal_evicted", "Inputs evicted to stay within the byte budget"],
  budgetFull: ["holdpoint_journal_budget_full", "1 when only unanswered escalations are left to evict"],
} as const satisfies Partial<Record<keyof JournalCounts, readonly [string, string]>>;

/** Sets the gauges to what the journal says; clears them where it said nothing, so that no old number is shown as new. */
function journalGauges(registry: Registry): (counts: JournalCounts | null) => void {
  const keys = Object.keys(journalNumbers) as (keyof typeof journalNumbers)[];
  const gauges = keys.map((key) => {
    const [name, help] = journalNumbers[key];
    return { key, gauge: new Gauge({ name, help, registers: [registry] }) };
  });
  return (counts) => {
    for (const { key, gauge } of gauges) {
      if (counts === null) gauge.remove({});
      else gauge.set(Number(counts[key]));
    }
  };
}

/** Numbers of the way to the hub; none where there is no hub. */
function hubGauges(registry: Registry): (facts: HubFacts | null) => void {
  const numbers = {
    connected: ["holdpoint_hub_connected", "1 while the hub answers"],
    owedPictures: ["holdpoint_hub_pictures_owed", "Pictures that the hub wants and has not"],
    refusedRows: ["holdpoint_hub_rows_refused", "Rows that the hub set aside since the start"],
    droppedPictures: ["holdpoint_hub_pictures_dropped", "Pictures that could not be sent any more since the start"],
    applied: ["holdpoint_hub_feed_applied", "Items of the hub's feed that were applied since the start"],
    skipped: ["holdpoint_hub_feed_skipped", "Items of the hub's feed that could not be, since the start"],
    feedLagS: ["holdpoint_hub_feed_lag_seconds", "Since the hub last said that it has nothing more to tell"],
  } as const;
  const gauges = new Map<string, Gauge>();
  for (const [key, [name, help]] of Object.entries(numbers)) {
    gauges.set(key, new Gauge({ name, help, registers: [registry] }));
  }
  return (facts) => {
    const { state, ...rest } = facts ?? {};
    const values: Readonly<Record<string, number | null>> = facts
      ? { connected: state?.kind === "connected" ? 1 : 0, ...rest }
      : {};
    for (const [key, gauge] of gauges) {
      const value = values[key];
      if (typeof value === "number") gauge.set(value);
      else gauge.remove({});
    }
  };
}

const states: readonly AgentStatus["state"][] = ["starting", "ready", "degraded", "draining", "offline"];
const reasonsMax = 32;

function stateGauges(registry: Registry): (status: AgentStatus | null) => void {
  const current = new Gauge({
    name: "holdpoint_state",
    help: "1 for the state that the agent is in",
    labelNames: ["state"],
    registers: [registry],
  });
  const reasons = new Gauge({
    name: "holdpoint_degraded",
    help: "1 for each reason why the agent is degraded",
    labelNames: ["code"],
    registers: [registry],
  });
  return (status) => {
    current.reset();
    reasons.reset();
    if (status === null) return;
    for (const state of states) current.set({ state }, status.state === state ? 1 : 0);
    for (const { code } of status.reasons.slice(0, reasonsMax)) reasons.set({ code }, 1);
  };
}

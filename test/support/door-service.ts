import {
  HoldpointError,
  parseObservedEvent,
  parseOutcome,
  parseRequest,
  type AgentStatus,
  type Decision,
  type Encoding,
  type ErrorCode,
} from "../../protocol/index.ts";
import { type CasePage, type CaseQuery, type JournalCase } from "../../edge-agent/journal/journal.ts";
import {
  type AgentMetrics,
  type AgentService,
  type DeviceMessage,
  type Revision,
  type Submitted,
  type Taken,
} from "../../edge-agent/service.ts";

/**
 * The agent's core as the doors see it, in memory: what is durable, decided and undelivered can be read, and every
 * commit can be held back, so that a test sees what a door does before and after it.
 */
export class DoorService implements AgentService {
  readonly storeId: string;
  readonly submitted: DeviceMessage[] = [];
  readonly durable = new Map<
    string,
    { device: string; encoding: Encoding; transport: "mqtt" | "http"; body: string }
  >();
  readonly outcomes: string[] = [];
  readonly events: string[] = [];
  readonly deliveredRows: string[] = [];
  readonly rows: Revision[] = [];
  readonly #decisions = new Map<string, Decision>();
  readonly #listeners = new Set<(revision: Revision) => void>();
  /** Decide at once after the commit. */
  decides = true;
  verdict: Decision["verdict"] = "accept";
  label: string | null = "Oat-Milk";
  /** Refuse everything with this. */
  refuseWith: HoldpointError | null = null;
  /** A bug: everything fails with this. */
  failWith: Error | null = null;
  /** Every commit waits for this. */
  commit: () => Promise<void> = () => Promise.resolve();
  state: AgentStatus["state"] = "ready";
  waiting = 0;

  constructor(storeId = "store-1") {
    this.storeId = storeId;
  }

  async submit(message: DeviceMessage): Promise<Submitted> {
    this.submitted.push(message);
    if (this.failWith) throw this.failWith;
    const parsed = parseRequest(message.bytes);
    if (!parsed.ok) return { kind: "refused", id: parsed.id, error: parsed.error, encoding: parsed.encoding };
    const { value: request, encoding } = parsed;
    const refusedBy = (error: HoldpointError): Submitted => ({ kind: "refused", id: request.id, error, encoding });
    if (this.refuseWith) return refusedBy(this.refuseWith);
    if (request.task === "unknown") return refusedBy(new HoldpointError("HP_UNKNOWN_TASK", "no task unknown"));
    const body = JSON.stringify([request.task, request.input, request.context ?? {}]);
    const known = this.durable.get(request.id);
    if (known && known.body !== body) return refusedBy(new HoldpointError("HP_CONFLICT", "another body"));
    await this.commit();
    if (!known) {
      this.durable.set(request.id, { device: message.device, encoding, transport: message.transport, body });
      if (this.decides) setImmediate(() => this.decide(request.id, request.task));
    }
    return {
      kind: "durable",
      id: request.id,
      decision: this.#decisions.get(request.id) ?? null,
      known: known !== undefined,
    };
  }

  /** Commits a revision: pending for an escalation, final otherwise. */
  decide(id: string, task = "product_identification", over: Partial<Decision> = {}): Decision {
    const revision = (this.#decisions.get(id)?.revision ?? 0) + 1;
    const decision: Decision = {
      v: 1,
      id,
      revision,
      task,
      status: this.verdict === "escalate" && revision === 1 ? "pending" : "final",
      verdict: this.verdict,
      decidedBy: revision === 1 ? "model" : "reviewer",
      answer: this.label === null ? null : { label: this.label },
      confidence: 0.97,
      score: 0.9,
      gateThreshold: 0.95,
      certificate: null,
      reasons: [this.verdict === "accept" ? "confident" : "below_gate"],
      model: null,
      config: { revision: 1, digest: "sha256:00" },
      provider: "cpu",
      at: 1_795_000_000_000,
      latencyMs: 1,
      explanation: null,
      ...over,
    };
    this.#decisions.set(id, decision);
    const row = this.durable.get(id) ?? { device: "camera-1", encoding: "json" as const, transport: "mqtt" as const };
    const { device, encoding, transport } = row;
    const entry: Revision = { device, decision, encoding, transport };
    this.rows.push(entry);
    for (const listener of this.#listeners) listener(entry);
    return decision;
  }

  outcome(message: DeviceMessage): Promise<Taken> {
    return this.#take(parseOutcome(message.bytes), this.outcomes);
  }

  observe(message: DeviceMessage): Promise<Taken> {
    return this.#take(parseObservedEvent(message.bytes), this.events);
  }

  async #take(parsed: ReturnType<typeof parseOutcome | typeof parseObservedEvent>, into: string[]): Promise<Taken> {
    if (!parsed.ok) return { kind: "refused", id: parsed.id, error: parsed.error, encoding: parsed.encoding };
    if (this.refuseWith)
      return { kind: "refused", id: parsed.value.id, error: this.refuseWith, encoding: parsed.encoding };
    await this.commit();
    into.push(parsed.value.id);
    return { kind: "durable", id: parsed.value.id };
  }

  decision(device: string, id: string): Promise<JournalCase | null> {
    const known = this.durable.get(id);
    if (known?.device !== device) return Promise.resolve(null);
    const decision = this.#decisions.get(id) ?? null;
    const state = decision === null ? "received" : decision.status;
    return Promise.resolve({
      id,
      device,
      task: decision?.task ?? "product_identification",
      state,
      request: { v: 1, id, task: "product_identification", at: 0, input: { kind: "entity", entity: "1" } },
      transport: known.transport,
      encoding: known.encoding,
      receivedAtMs: 0,
      decision,
      revisions: decision === null ? [] : [decision],
      trace: null,
      audit: false,
      reviews: [],
      outcomes: [],
      inputState: "none",
      auditState: "none",
      reviewLeftMs: null,
    });
  }

  async wait(
    device: string,
    id: string,
    until: "decided" | "final",
    waitMs: number,
    gone?: AbortSignal,
  ): Promise<Decision | null> {
    if (this.durable.get(id)?.device !== device) return null;
    const enough = (): Decision | null => {
      const decision = this.#decisions.get(id);
      return decision && (until === "decided" || decision.status === "final") ? decision : null;
    };
    const now = enough();
    if (now) return now;
    this.waiting += 1;
    try {
      return await new Promise<Decision | null>((resolve) => {
        const timer = setTimeout(() => done(null), waitMs);
        const stop = this.onRevision(() => {
          const decision = enough();
          if (decision) done(decision);
        });
        gone?.addEventListener("abort", () => done(null));
        const done = (decision: Decision | null): void => {
          clearTimeout(timer);
          stop();
          resolve(decision);
        };
      });
    } finally {
      this.waiting -= 1;
    }
  }

  list(query: CaseQuery): Promise<CasePage> {
    const decisions = [...this.#decisions.values()]
      .filter(({ id, task, verdict }) => {
        const mine = query.device === undefined || this.durable.get(id)?.device === query.device;
        return mine && (query.task ?? task) === task && (query.verdict ?? verdict) === verdict;
      })
      .slice(0, query.limit);
    return Promise.resolve({ decisions, cursor: null });
  }

  onRevision(listener: (revision: Revision) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  undelivered(device: string, limit: number): Promise<readonly Revision[]> {
    return Promise.resolve(this.rows.filter((row) => row.device === device).slice(0, limit));
  }

  delivered(device: string, id: string, revision: number): void {
    this.deliveredRows.push(`${id}/${revision}`);
    const at = this.rows.findIndex(
      (row) => row.device === device && row.decision.id === id && row.decision.revision === revision,
    );
    if (at >= 0) this.rows.splice(at, 1);
  }

  status(): Promise<AgentStatus> {
    return Promise.resolve({
      v: 1,
      agent: "agent-1",
      store: this.storeId,
      state: this.state,
      reasons: this.state === "ready" ? [] : [{ code: "HP_DISK_FULL", message: "the disk is full" }],
      inFlight: 0,
      waiting: 0,
      unsent: 0,
      safeToPowerOff: true,
      config: { revision: 1, digest: "sha256:00" },
      models: [],
      at: 1_795_000_000_000,
    });
  }
}

/** Counts what the doors report. */
export class DoorMetrics implements AgentMetrics {
  readonly refusals: string[] = [];
  readonly open = { mqtt: 0, http: 0 };
  acks = 0;

  refused(door: "mqtt" | "http", code: ErrorCode): void {
    this.refusals.push(`${door} ${code}`);
  }
  decided(): void {
    // The core's.
  }
  connections(door: "mqtt" | "http", open: number): void {
    this.open[door] = open;
  }
  acknowledged(): void {
    this.acks += 1;
  }
}

import {
  encodingOf,
  HoldpointError,
  parseObservedEvent,
  parseOutcome,
  parseRequest,
  RecentMap,
  type AgentStatus,
  type Decision,
  type DecisionRequest,
  type Logger,
  type ObservedEvent,
  type ParseResult,
} from "../protocol/index.ts";
import { type Engine } from "../sdk/index.ts";
import { type CaseOrigin, type CasePage, type CaseQuery, type Journal, type JournalCase } from "./journal/journal.ts";
import {
  type AgentMetrics,
  type AgentService,
  type DeviceMessage,
  type Revision,
  type Submitted,
  type Taken,
} from "./service.ts";

export interface AgentServiceOptions {
  readonly storeId: string;
  readonly engine: Engine<CaseOrigin>;
  readonly journal: Journal;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
  readonly status: () => Promise<AgentStatus>;
  /** Told of every observed event after its commit: the windows over events read them. */
  readonly onEvent: (event: ObservedEvent) => void;
  /** Told when a device has acknowledged a revision. */
  readonly onDelivered: (id: string, revision: number) => void;
}

type Refused = Extract<Taken, { kind: "refused" }>;

/** Who asked lately over HTTP: a wait right after a request asks no database whose case it is. */
const ownersMax = 16_384;

/** The core as the doors see it: bytes in, durable facts out. */
export function createAgentService(options: AgentServiceOptions): AgentService {
  return new CoreService(options);
}

class CoreService implements AgentService {
  readonly storeId: string;
  readonly status: () => Promise<AgentStatus>;
  readonly #options: AgentServiceOptions;
  readonly #listeners = new Set<(revision: Revision) => void>();
  readonly #owners = new RecentMap<string, string>(ownersMax);

  constructor(options: AgentServiceOptions) {
    this.#options = options;
    this.storeId = options.storeId;
    this.status = options.status;
    options.engine.onRevision((decision, origin) => {
      options.metrics.decided(decision);
      if (origin) this.#tell(decision, origin);
      else void this.#tellLate(decision);
    });
  }

  async submit(message: DeviceMessage): Promise<Submitted> {
    const parsed = parseRequest(message.bytes);
    if (!parsed.ok) return refusalOf(parsed);
    const { value: request, encoding } = parsed;
    const { device, transport } = message;
    try {
      const submission = await this.#options.engine.submit(request, { device, transport, encoding });
      if (submission.kind === "conflict") {
        throw new HoldpointError("HP_CONFLICT", `the id ${request.id} was used for another request`);
      }
      if (transport === "http") this.#owners.set(request.id, device);
      if (!submission.known) this.#rememberEvent(device, request);
      return { ...submission, id: request.id };
    } catch (cause) {
      return { kind: "refused", id: request.id, error: refusalBy(this.#options, cause), encoding };
    }
  }

  async outcome(message: DeviceMessage): Promise<Taken> {
    return take(this.#options, message, parseOutcome(message.bytes), async (outcome) => {
      const recorded = await this.#options.journal.outcome(message.device, outcome);
      if (recorded === "unknown_id") throw new HoldpointError("HP_NOT_FOUND", `no decision has the id ${outcome.id}`);
    });
  }

  async observe(message: DeviceMessage): Promise<Taken> {
    return take(this.#options, message, parseObservedEvent(message.bytes), async (event) => {
      const recorded = await this.#options.journal.observe(message.device, event);
      if (recorded === "recorded") this.#options.onEvent(event);
    });
  }

  async decision(device: string, id: string): Promise<JournalCase | null> {
    const known = await this.#ownCase(device, id);
    if (known?.transport === "http" && known.decision) this.#fetched(device, known.decision);
    return known;
  }

  async wait(
    device: string,
    id: string,
    until: "decided" | "final",
    waitMs: number,
    gone?: AbortSignal,
  ): Promise<Decision | null> {
    const isOwn = this.#owners.get(id) === device;
    const known = isOwn ? null : await this.#ownCase(device, id);
    if (!isOwn && !known) return null;
    try {
      const decision = await this.#options.engine.wait(id, { until, waitMs, signal: gone });
      if (decision && (isOwn || known?.transport === "http")) this.#fetched(device, decision);
      return decision;
    } catch (cause) {
      if (gone?.aborted === true) return null;
      throw cause;
    }
  }

  list(query: CaseQuery): Promise<CasePage> {
    return this.#options.journal.list(query);
  }

  onRevision(listener: (revision: Revision) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async undelivered(device: string, limit: number): Promise<readonly Revision[]> {
    const rows = await this.#options.journal.undelivered(device, limit);
    return rows.map((row) => ({ ...row, transport: "mqtt" as const }));
  }

  delivered(device: string, id: string, revision: number): void {
    const { journal, logger, onDelivered } = this.#options;
    onDelivered(id, revision);
    // A row that could not be cleared is sent once more after the next connect: a duplicate, never a gap.
    journal.delivered(device, id, revision).catch((cause: unknown) => {
      logger.warn("delivery_not_cleared", { device, id, revision, cause });
    });
  }

  async #ownCase(device: string, id: string): Promise<JournalCase | null> {
    const known = await this.#options.journal.find(id);
    return known?.device === device ? known : null;
  }

  /** A caller over HTTP has a person's answer: what a PUBACK says elsewhere. */
  #fetched(device: string, { id, status, revision }: Decision): void {
    if (status === "final" && revision > 1) this.delivered(device, id, revision);
  }

  /** A revision that did not come with its request: the journal knows whose case it is. */
  async #tellLate(decision: Decision): Promise<void> {
    const known = await this.#options.journal.find(decision.id).catch(() => null);
    if (known) this.#tell(decision, known);
  }

  #tell(decision: Decision, { device, encoding, transport }: CaseOrigin): void {
    for (const listener of this.#listeners) listener({ device, decision, encoding, transport });
  }

  /** An event that was decided on is an event of its entity: the next window sees it, after a restart too. */
  #rememberEvent(device: string, { id, at, input }: DecisionRequest): void {
    if (input.kind !== "event") return;
    const { journal, logger, onEvent } = this.#options;
    const event: ObservedEvent = { v: 1, id, entity: input.entity, at, values: input.values };
    onEvent(event);
    journal.observe(device, event).catch((cause: unknown) => logger.warn("event_not_kept", { id, cause }));
  }
}

/** What a device is told to wait while a journal is broken: about as long as a restart takes. */
const brokenRetryMs = 5000;

type FailureOptions = Pick<AgentServiceOptions, "logger"> & { readonly journal: Pick<Journal, "storage"> };

/**
 * A journal that cannot be written is the box's trouble and not the message's: the device keeps it and asks again, as
 * with a full disk, and the restarted agent takes it. Refused for good, it would be gone for a fault of the disk.
 */
function refusalBy({ journal, logger }: FailureOptions, cause: unknown): HoldpointError {
  const error = HoldpointError.told(cause);
  // Nothing is known to be durable then: the device keeps its message, and the log alone has what went wrong.
  if (error !== cause) logger.error("message_failed", { cause });
  if (error.code !== "HP_JOURNAL" || journal.storage().problem?.code !== "HP_JOURNAL") return error;
  const hint = "The agent's disk fails: restart the agent, which sets a damaged journal aside.";
  return new HoldpointError("HP_BUSY", error.message, { hint, retryAfterMs: brokenRetryMs, cause: error });
}

/** Runs a step on a parsed message; whatever it throws becomes a refusal. */
async function take<T extends { readonly id: string }>(
  options: FailureOptions,
  message: DeviceMessage,
  parsed: ParseResult<T>,
  work: (value: T) => Promise<void>,
): Promise<Taken> {
  if (!parsed.ok) return refusalOf(parsed);
  const { id } = parsed.value;
  try {
    await work(parsed.value);
    return { kind: "durable", id };
  } catch (cause) {
    const encoding = encodingOf(message.bytes) ?? "json";
    return { kind: "refused", id, error: refusalBy(options, cause), encoding };
  }
}

function refusalOf({ id, error, encoding }: Extract<ParseResult<unknown>, { ok: false }>): Refused {
  return { kind: "refused", id, error, encoding };
}

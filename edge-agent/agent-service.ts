import {
  encodingOf,
  HoldpointError,
  parseObservedEvent,
  parseOutcome,
  parseRequest,
  type AgentStatus,
  type Decision,
  type DecisionRequest,
  type Encoding,
  type Logger,
  type ObservedEvent,
} from "../protocol/index.ts";
import { type Engine } from "../sdk/index.ts";
import { type Journal, type JournalCase } from "./journal/journal.ts";
import {
  type AgentMetrics,
  type AgentService,
  type DeviceMessage,
  type Revision,
  type Submitted,
  type Taken,
} from "./service.ts";

/** What the journal keeps with a case beside its request. */
export interface CaseOrigin {
  readonly device: string;
  readonly transport: "mqtt" | "http" | "embedded";
  readonly encoding: Encoding;
}

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

const ownersMax = 16_384;

type Refuse = (
  message: DeviceMessage,
  id: string | null,
  error: HoldpointError,
  encoding: Encoding,
) => Extract<Taken, { kind: "refused" }>;

/** The core as the doors see it: bytes in, durable facts out. */
export function createAgentService(options: AgentServiceOptions): AgentService {
  const { engine, journal, metrics } = options;
  const listeners = new Set<(revision: Revision) => void>();

  engine.onRevision((decision, origin) => {
    if (decision.revision === 1) metrics.decided(decision);
    void tell(decision, origin);
  });

  const tell = async (decision: Decision, origin: CaseOrigin | null): Promise<void> => {
    const known = origin ?? (await journal.find(decision.id).catch(() => null));
    if (!known) return;
    const { device, encoding, transport } = known;
    for (const listener of listeners) listener({ device, decision, encoding, transport });
  };

  const owned = async (device: string, id: string): Promise<JournalCase | null> => {
    const known = await journal.find(id);
    return known?.device === device ? known : null;
  };

  // Who asked lately: a wait right after a request asks no database whose case it is.
  const owners = new RecentOwners();

  const refuse: Refuse = (_message, id, error, encoding) => {
    return { kind: "refused", id, error, encoding };
  };

  /** Runs a step after parsing; whatever it throws becomes a refusal. */
  const take = async (message: DeviceMessage, id: string, work: () => Promise<void>): Promise<Taken> => {
    try {
      await work();
      return { kind: "durable", id };
    } catch (cause) {
      return refuse(message, id, HoldpointError.from(cause, "HP_JOURNAL"), encodingOf(message.bytes) ?? "json");
    }
  };

  /** An event that was decided on is an event of its entity: the next window sees it, after a restart too. */
  const remember = (device: string, { id, at, input }: DecisionRequest): void => {
    if (input.kind !== "event") return;
    const event: ObservedEvent = { v: 1, id, entity: input.entity, at, values: input.values };
    options.onEvent(event);
    journal.observe(device, event).catch((cause: unknown) => options.logger.warn("event_not_kept", { id, cause }));
  };

  return {
    storeId: options.storeId,
    submit: async (message) => {
      const submitted = await submit(message, engine, refuse);
      if (submitted.kind !== "durable") return submitted.refusal;
      owners.set(submitted.id, message.device);
      if (!submitted.known) remember(message.device, submitted.request);
      return submitted;
    },
    outcome: async (message) => {
      const parsed = parseOutcome(message.bytes);
      if (!parsed.ok) return refuse(message, parsed.id, parsed.error, parsed.encoding);
      return take(message, parsed.value.id, async () => {
        const recorded = await journal.outcome(message.device, parsed.value);
        if (recorded !== "unknown_id") return;
        throw new HoldpointError("HP_NOT_FOUND", `no decision has the id ${parsed.value.id}`);
      });
    },
    observe: async (message) => {
      const parsed = parseObservedEvent(message.bytes);
      if (!parsed.ok) return refuse(message, parsed.id, parsed.error, parsed.encoding);
      return take(message, parsed.value.id, async () => {
        if ((await journal.observe(message.device, parsed.value)) === "recorded") options.onEvent(parsed.value);
      });
    },
    decision: owned,
    wait: async (device, id, until, waitMs) => {
      if (owners.get(id) !== device && !(await owned(device, id))) return null;
      return engine.wait(id, { until, waitMs });
    },
    list: (query) => journal.list(query),
    onRevision: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    undelivered: async (device, limit) => {
      const rows = await journal.undelivered(device, limit);
      return rows.map((row) => ({ ...row, transport: "mqtt" as const }));
    },
    delivered: (device, id, revision) => {
      options.onDelivered(id, revision);
      // A row that could not be cleared is sent once more after the next connect: a duplicate, never a gap.
      journal.delivered(device, id, revision).catch((cause: unknown) => {
        options.logger.warn("delivery_not_cleared", { device, id, revision, cause });
      });
    },
    status: options.status,
  };
}

class RecentOwners {
  readonly #byId = new Map<string, string>();

  get(id: string): string | undefined {
    return this.#byId.get(id);
  }

  set(id: string, device: string): void {
    this.#byId.set(id, device);
    if (this.#byId.size <= ownersMax) return;
    const [oldest] = this.#byId.keys();
    if (oldest !== undefined) this.#byId.delete(oldest);
  }
}

type SubmitResult =
  | (Extract<Submitted, { kind: "durable" }> & { readonly request: DecisionRequest })
  | { readonly kind: "refused"; readonly refusal: Extract<Submitted, { kind: "refused" }> };

async function submit(message: DeviceMessage, engine: Engine<CaseOrigin>, refuse: Refuse): Promise<SubmitResult> {
  const parsed = parseRequest(message.bytes);
  if (!parsed.ok) return { kind: "refused", refusal: refuse(message, parsed.id, parsed.error, parsed.encoding) };
  const { value: request, encoding } = parsed;
  const { device, transport } = message;
  try {
    const submission = await engine.submit(request, { device, transport, encoding });
    if (submission.kind === "durable") return { ...submission, id: request.id, request };
    const error = new HoldpointError("HP_CONFLICT", `the id ${request.id} was used for another request`);
    return { kind: "refused", refusal: refuse(message, request.id, error, encoding) };
  } catch (cause) {
    const error = HoldpointError.from(cause, "HP_JOURNAL");
    return { kind: "refused", refusal: refuse(message, request.id, error, encoding) };
  }
}

import {
  encodingOf,
  HoldpointError,
  parseObservedEvent,
  parseOutcome,
  parseRequest,
  type AgentStatus,
  type Decision,
  type Encoding,
  type Logger,
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
  readonly onEvent: (event: Parameters<Journal["observe"]>[1]) => void;
}

const ownersMax = 16_384;

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

  const refuse = (message: DeviceMessage, id: string | null, error: HoldpointError, encoding: Encoding): Taken => {
    metrics.refused(message.transport, error.code);
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

  return {
    storeId: options.storeId,
    submit: async (message) => {
      const submitted = await submit(message, engine, refuse);
      if (submitted.kind === "durable") owners.set(submitted.id, message.device);
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

async function submit(
  message: DeviceMessage,
  engine: Engine<CaseOrigin>,
  refuse: (message: DeviceMessage, id: string | null, error: HoldpointError, encoding: Encoding) => Taken,
): Promise<Submitted> {
  const parsed = parseRequest(message.bytes);
  if (!parsed.ok) return refusal(refuse(message, parsed.id, parsed.error, parsed.encoding));
  const { value: request, encoding } = parsed;
  const { device, transport } = message;
  try {
    const submission = await engine.submit(request, { device, transport, encoding });
    if (submission.kind === "durable") return { ...submission, id: request.id };
    const error = new HoldpointError("HP_CONFLICT", `the id ${request.id} was used for another request`);
    return refusal(refuse(message, request.id, error, encoding));
  } catch (cause) {
    return refusal(refuse(message, request.id, HoldpointError.from(cause, "HP_JOURNAL"), encoding));
  }
}

function refusal(taken: Taken): Submitted {
  if (taken.kind === "durable") throw new Error("a refusal was expected");
  return taken;
}

import { type EntityEvent, type EventHistory, type ModelHost } from "../models/index.ts";
import { type Clock, type ObservedEvent } from "../protocol/index.ts";

/** Entities whose events are in memory; the one that was asked about longest ago leaves first. */
const entitiesMax = 20_000;
/** Events of one entity; the oldest leave first. */
const eventsMax = 2_000;
/** How far back events are read from the journal when an entity is seen again. */
const reachMs = 30 * 86_400_000;

export interface EventMemoryOptions {
  readonly clock: Clock;
  /** Events from the journal, oldest first. */
  readonly load: (entity: string, sinceMs: number, limit: number) => Promise<readonly ObservedEvent[]>;
}

/** The windows' state: recent events by entity, read from the journal when an entity comes up after a restart. */
export class EventMemory implements EventHistory {
  readonly #options: EventMemoryOptions;
  readonly #byEntity = new Map<string, EntityEvent[]>();
  readonly #loading = new Map<string, Promise<void>>();

  constructor(options: EventMemoryOptions) {
    this.#options = options;
  }

  nowMs(): number {
    return this.#options.clock.wallMs();
  }

  eventsOf(entity: string, sinceMs: number): readonly EntityEvent[] {
    return (this.#byEntity.get(entity) ?? []).filter(({ atMs }) => atMs > sinceMs);
  }

  /** Adds an event that the journal has. An entity that is not in memory is read from there when it is asked about. */
  add(event: Pick<ObservedEvent, "entity" | "at" | "values">): void {
    const events = this.#byEntity.get(event.entity);
    if (!events) return;
    events.push({ atMs: event.at, values: event.values });
    if (events.length > eventsMax) events.shift();
  }

  /** Resolves when the entity's events are in memory. */
  async ensure(entity: string): Promise<void> {
    const known = this.#byEntity.get(entity);
    if (known) {
      this.#touch(entity, known);
      return;
    }
    const loading = this.#loading.get(entity) ?? this.#load(entity);
    this.#loading.set(entity, loading);
    await loading;
  }

  async #load(entity: string): Promise<void> {
    try {
      const events = await this.#options.load(entity, this.nowMs() - reachMs, eventsMax);
      this.#touch(
        entity,
        events.map(({ at, values }) => ({ atMs: at, values })),
      );
    } finally {
      this.#loading.delete(entity);
    }
  }

  #touch(entity: string, events: EntityEvent[]): void {
    this.#byEntity.delete(entity);
    this.#byEntity.set(entity, events);
    if (this.#byEntity.size <= entitiesMax) return;
    const [oldest] = this.#byEntity.keys();
    if (oldest !== undefined) this.#byEntity.delete(oldest);
  }
}

/** A host that has an entity's events at hand before it predicts. */
export function withEvents(host: ModelHost, memory: EventMemory): ModelHost {
  return {
    ...host,
    predict: async (task, id, input, withinMs) => {
      if (input.kind === "event" || input.kind === "entity") {
        try {
          await memory.ensure(input.entity);
        } catch (cause) {
          return { ok: false, reason: "model_error", message: `no events at hand: ${String(cause)}`, by: null };
        }
      }
      return host.predict(task, id, input, withinMs);
    },
  };
}

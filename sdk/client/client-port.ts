import {
  type Decision,
  type HoldpointError,
  type Input,
  type ObservedEvent,
  type Outcome,
} from "../../protocol/index.ts";
import { type DecideOptions, type Decider } from "../decider-port.ts";
import { type LinkPhase } from "./link-machine.ts";

/** A decider that asks an agent. What it was given it delivers, through broken connections and restarts of the agent. */
export interface Client extends Decider {
  /**
   * Like `decide`, but resolves with the id as soon as the outbox has the request: with a file outbox it will then be
   * asked even if this process dies now. The decision comes by `on("revision")`, `final(id)`, or `decide` with the id.
   */
  submit(task: string, input: Input, options?: DecideOptions): Promise<string>;
  /** Tells the truth from the world about a decision. Resolves when the outbox has it. */
  outcome(outcome: Omit<Outcome, "at"> & { readonly at?: number }): Promise<void>;
  /** Tells an event to observe, no decision asked. Resolves with the event's id when the outbox has it. */
  observe(entity: string, values: ObservedEvent["values"], options?: ObserveOptions): Promise<string>;
  /** Ids of requests that an earlier life of this outbox left unanswered; they are being asked again. */
  recovered(): Promise<readonly string[]>;
  status(): ClientStatus;

  /**
   * Each revision once and in order, whoever asked for it. A listener may return a promise: the decision is acknowledged
   * to the agent, and leaves the outbox, only when that is fulfilled (or after ten seconds). Across a crash it may
   * therefore come twice, and is never missed.
   */
  on(event: "revision", listener: (decision: Decision) => unknown): () => void;
  /** A refusal that no promise carries: of an outcome, an event, a recovered request, or of a message without an id. */
  on(event: "refused", listener: (refusal: ClientRefusal) => unknown): () => void;
  /** The link came up, broke, or is being opened. */
  on(event: "link", listener: (link: ClientLink) => unknown): () => void;
}

export interface ObserveOptions {
  /** UUID that makes a repeat harmless; without it one is made. */
  readonly id?: string;
  /** When it happened, wall-clock milliseconds; now, where it is absent. */
  readonly at?: number;
}

export interface ClientRefusal {
  readonly id: string | null;
  readonly error: HoldpointError;
}

export interface ClientLink {
  readonly phase: LinkPhase;
  /** Why it is down, or what went wrong last. */
  readonly error: HoldpointError | null;
}

export interface ClientStatus {
  readonly link: ClientLink;
  /** Requests, outcomes and events that the agent has not finally answered. At 0 nothing would be lost. */
  readonly outstanding: number;
  readonly outboxBytes: number;
}

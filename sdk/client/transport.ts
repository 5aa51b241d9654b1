import { type Decision, type HoldpointError } from "../../protocol/index.ts";
import { type OutboxItem } from "./outbox.ts";

/** One way to an agent. It tries once and tells; when to try again is the client's business, the same for every way. */
export interface Transport {
  /** Starts one attempt: `up` or `down` follows once, and `down` once more when a link that was up breaks. */
  open(): void;
  /** Sends an item once. What comes of it is told by the events; nothing, if the link breaks first. */
  send(item: OutboxItem): void;
  /** Ask for the decision of this id until `unfollow`: `revision` is known already, 0 for none. */
  follow(id: string, revision: number): void;
  unfollow(id: string): void;
  /** Items sent and not acknowledged at a time; the others queue in the client and not in the socket. */
  readonly windowMax: number;
  /** Whether the agent can be asked about an id without the request's body. */
  readonly asksById: boolean;
  close(): Promise<void>;
}

export interface TransportEvents {
  up(): void;
  down(error: HoldpointError): void;
  acknowledged(key: string): void;
  /** One exchange failed although the link may be fine: send this item again after a while. */
  lost(key: string, error: HoldpointError): void;
  /** Resolves when the decision was handed over: only then may the transport acknowledge it. */
  decision(decision: Decision): Promise<void>;
  /** The agent refused an item, for good or (`error.retry` is "backoff") for now. */
  refused(target: RefusedTarget, error: HoldpointError): void;
  /** The agent was asked for this id and does not know it. */
  gone(id: string): void;
}

/** What a refusal is about: the id is null where the agent could not read it, the key known where the way tells it. */
export interface RefusedTarget {
  readonly id: string | null;
  readonly key?: string;
}

/** Makes a transport once the outbox is open; `instance` is the outbox's. */
export type TransportFactory = (events: TransportEvents, instance: string) => Transport;

import {
  type AgentStatus,
  type Decision,
  type Encoding,
  type ErrorCode,
  type HoldpointError,
} from "../protocol/index.ts";
import { type CasePage, type CaseQuery, type JournalCase } from "./journal/journal.ts";

/**
 * What the doors of the agent (MQTT broker, HTTP) ask of its core. The doors authenticate and bound; the core decides.
 * Every method that takes bytes validates them and never throws for bad input; the doors count what is refused.
 */
export interface AgentService {
  readonly storeId: string;
  /** Resolves when the request is durable (or was refused): only then may a door acknowledge. */
  submit(message: DeviceMessage): Promise<Submitted>;
  outcome(message: DeviceMessage): Promise<Taken>;
  observe(message: DeviceMessage): Promise<Taken>;
  /** Latest decision of a case that belongs to the device, or null (unknown, or another device's). */
  decision(device: string, id: string): Promise<JournalCase | null>;
  /**
   * Waits for a first (`decided`) or final decision up to `waitMs`; null if the time ran out, the id is unknown, or
   * `gone` was aborted: then nothing is left behind.
   */
  wait(
    device: string,
    id: string,
    until: "decided" | "final",
    waitMs: number,
    gone?: AbortSignal,
  ): Promise<Decision | null>;
  list(query: CaseQuery): Promise<CasePage>;
  /** Called for every revision after its commit. Returns the unsubscriber. */
  onRevision(listener: (revision: Revision) => void): () => void;
  /** Revisions that the device has not acknowledged. */
  undelivered(device: string, limit: number): Promise<readonly Revision[]>;
  delivered(device: string, id: string, revision: number): void;
  status(): Promise<AgentStatus>;
}

export interface DeviceMessage {
  readonly device: string;
  readonly bytes: Uint8Array;
  readonly transport: "mqtt" | "http";
}

export interface Revision {
  readonly device: string;
  readonly decision: Decision;
  readonly encoding: Encoding;
  readonly transport: "mqtt" | "http" | "embedded";
}

export type Submitted =
  /**
   * Durable. `decision` is there if the case was `known` and decided, or is new and was decided in the commit of its
   * request; `onRevision` brings those of new cases in any case.
   */
  | { readonly kind: "durable"; readonly id: string; readonly decision: Decision | null; readonly known: boolean }
  /** `error.retry` says whether the door acknowledges and reports (never, after-change) or withholds (backoff). */
  | {
      readonly kind: "refused";
      readonly id: string | null;
      readonly error: HoldpointError;
      readonly encoding: Encoding;
    };

export type Taken =
  | { readonly kind: "durable"; readonly id: string }
  | {
      readonly kind: "refused";
      readonly id: string | null;
      readonly error: HoldpointError;
      readonly encoding: Encoding;
    };

/** Who may connect. Secrets are kept as scrypt hashes; a device is known by name. */
export interface DeviceDirectory {
  /** True if the secret is the device's. Constant time in the secret; bounded work per unknown name. */
  verify(device: string, secret: string): Promise<boolean>;
  has(device: string): boolean;
}

/** Counters that doors and core share; `metrics.node.ts` shows them to Prometheus. */
export interface AgentMetrics {
  refused(door: "mqtt" | "http", code: ErrorCode): void;
  decided(decision: Decision): void;
  connections(door: "mqtt" | "http", open: number): void;
  acknowledged(door: "mqtt" | "http"): void;
}

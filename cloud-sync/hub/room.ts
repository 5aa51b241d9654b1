import { type Clock, type Hasher, type Logger, type Random, type Timers } from "../../protocol/index.ts";
import { type HubRoute } from "./api/hub-route.ts";
import { type HubDatabase, type HubTransaction } from "./database/database.ts";
import { type EventOutlet } from "./webhooks/hub-event.ts";

/** What every room of the hub is given. */
export interface HubParts {
  readonly hubId: string;
  readonly database: HubDatabase;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly hasher: Hasher;
  readonly logger: Logger;
  readonly audit: AuditTrail;
  /** What webhooks tell. */
  readonly events: EventOutlet;
}

/** Who did what, in a chain of hashes. A room writes its entry in the transaction that makes the change. */
export interface AuditTrail {
  record(trx: HubTransaction, entry: AuditEntry): Promise<void>;
}

export interface AuditEntry {
  /** `person:<id>`, `program:<id>`, `agent:<id>` or `hub`. */
  readonly actor: string;
  /** A verb in the past tense with its room: `config.changed`, `case.viewed`. */
  readonly action: string;
  /** What it was done to: `agent:<id>`, `case:<id>`, `layer:fleet`. */
  readonly subject: string;
  /** Plain data without secrets and without pictures. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** A room as the hub runs it: what it answers, and what it does by itself until it is closed. */
export interface HubRoom {
  readonly routes: readonly HubRoute[];
  /** Begins what the room does by itself (deadlines, retention, webhooks); returns what ends it. */
  start?(): () => void | Promise<void>;
}

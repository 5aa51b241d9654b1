import { type LinkPolicy } from "./link-machine.ts";
import { type RequestPolicy } from "./request-machine.ts";

/** Every wait and bound of a client. docs/clients.md says what happens at each of them. */
export interface ClientPolicy {
  readonly link: LinkPolicy;
  readonly request: RequestPolicy;
  /** Items in the outbox: HP_OUTBOX_FULL above it. */
  readonly outstandingMax: number;
  /** Bytes in the outbox (and in memory): HP_OUTBOX_FULL above it. */
  readonly outboxBytesMax: number;
  /** Ids whose last revision is remembered, so that a repeat is not shown again. */
  readonly revisionsMax: number;
  /** A revision listener's promise is waited for this long before the decision is acknowledged all the same. */
  readonly handOverMsMax: number;
  /** `decide` without `deadlineMs` waits this long for revision 1, and in both cases `graceMs` longer. */
  readonly patienceMs: number;
  readonly graceMs: number;
}

export const defaultPolicy: ClientPolicy = Object.freeze({
  link: { reconnect: { baseMs: 250, capMs: 15_000 }, stableMs: 5_000 },
  request: {
    retry: { baseMs: 250, capMs: 15_000 },
    acknowledge: { baseMs: 20_000, capMs: 120_000 },
    askFirst: { baseMs: 10_000, capMs: 60_000 },
    askFinal: { baseMs: 60_000, capMs: 600_000 },
  },
  outstandingMax: 10_000,
  outboxBytesMax: 64 * 1024 * 1024,
  revisionsMax: 4096,
  handOverMsMax: 10_000,
  patienceMs: 2_000,
  graceMs: 3_000,
});

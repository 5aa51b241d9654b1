import { type HubTransaction } from "../database/database.ts";

/** What the hub tells to those who have asked for it: webhooks. Names are a contract; docs/hub-webhooks.md lists them. */
export const hubEventTypes = [
  "case.opened",
  "case.final",
  "case.erased",
  "agent.enrolled",
  "agent.offline",
  "agent.online",
  "agent.revoked",
  "agent.cloned",
  "config.changed",
  "gate.certified",
  "gate.raised",
  "gate.alarm",
  "gate.lapsed",
  "gate.restarted",
  "gate.proposed",
  "gate.applied",
] as const;
export type HubEventType = (typeof hubEventTypes)[number];

export interface HubEvent {
  readonly type: HubEventType;
  /** Whose event it is: a webhook for some stores hears of no other. Null: of the whole fleet. */
  readonly store: string | null;
  /** Plain data; no picture, no secret, and nothing that a person typed about a shopper. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Where the rooms put their events, in the transaction of what they tell: none is told that did not happen. */
export interface EventOutlet {
  /** Whether anybody asked for it: for rooms that would have to look up what to tell. */
  wants(trx: HubTransaction, type: HubEventType): Promise<boolean>;
  emit(trx: HubTransaction, events: readonly HubEvent[]): Promise<void>;
  /**
   * Who asks has changed, and that is committed: what happens here from now on is told to them. Other processes hear
   * of it by news.
   */
  askersChanged(): void;
}

import { type z } from "zod";
import { type HoldpointError } from "../../protocol/index.ts";

/** One call to the hub, as the forwarder, the feed and the heartbeat ask for it. */
export interface HubCall<T> {
  /** For logs and metrics. */
  readonly name: "enrol" | "ingest" | "blob" | "feed" | "heartbeat" | "config";
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  /** With its "?"; nothing unless given. */
  readonly query?: string;
  readonly body?: { readonly bytes: Uint8Array; readonly contentType: string };
  readonly headers?: Readonly<Record<string, string>>;
  readonly reply: z.ZodType<T>;
  /** Over everything: connecting, sending, waiting, reading. Milliseconds. */
  readonly deadlineMs?: number;
  /** Only enrolment goes without. */
  readonly unsigned?: boolean;
}

/**
 * What became of a call. `refused`: the hub itself said no, with a code. All others: what answered is not the hub, or
 * nothing did.
 */
export type ExchangeOutcome =
  | "ok"
  | "refused"
  | "unreachable"
  | "timeout"
  | "stalled"
  | "certificate"
  | "redirect"
  | "compressed"
  | "too_long"
  | "foreign";

export type HubAnswer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: HoldpointError; readonly outcome: Exclude<ExchangeOutcome, "ok"> };

/** Calls are answered by values: whatever the network does, nothing is thrown. */
export interface HubExchange {
  call<T>(call: HubCall<T>, signal?: AbortSignal): Promise<HubAnswer<T>>;
}

/** What the worker asks of the network. `webhook-sender.node.ts` is the one that exists. */
export interface WebhookSender {
  /** Whether a webhook may go there at all. Errors: HP_FORBIDDEN, HP_UNREACHABLE. */
  check(url: string): Promise<void>;
  /** One attempt; never throws. */
  send(post: WebhookPost): Promise<SendResult>;
}

export interface WebhookPost {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Aborted when the hub stops. */
  readonly signal: AbortSignal;
}

export type SendResult =
  | { readonly kind: "answered"; readonly status: number; readonly retryAfterMs: number | null }
  | { readonly kind: "failed"; readonly reason: string };

/** What the load and the worker of the BullMQ peer agree on. */
export const queueName = "decisions";

export interface PeerRequest {
  readonly id: string;
  readonly input: { readonly data: string };
}

export interface PeerResult {
  readonly task_id: string;
  readonly status: "completed";
  readonly decision: string;
  readonly automated: boolean;
  readonly confidence: number;
}

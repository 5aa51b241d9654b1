/** Tables of the webhooks: who is told, and what is on its way. */
export interface WebhookTables {
  readonly webhooks: {
    readonly webhook_id: string;
    readonly url: string;
    /** `whsec_<base64>`: signing needs it as it is. Shown once, when it is made. */
    readonly secret: string;
    /** JSON array of event types. */
    readonly events: string;
    /** JSON array of stores; null means every one, and events of the whole fleet. */
    readonly stores: string | null;
    readonly made_ms: number;
    readonly made_by: string;
    /** Null while it is told; else why not: `gone` (it answered 410). */
    readonly off: string | null;
  };
  readonly webhook_deliveries: {
    /** `msg_<UUIDv7>`: the `webhook-id` of every attempt, by which the receiver knows a repeat. */
    readonly delivery_id: string;
    readonly webhook_id: string;
    readonly event: string;
    /** What is sent, the same characters in every attempt. */
    readonly body: string;
    readonly made_ms: number;
    readonly state: "waiting" | "sent" | "dead";
    /** When the next attempt is due; while one runs, when it counts as lost. */
    readonly due_ms: number;
    readonly attempts: number;
    /** Counts leases: what a lost attempt says later is not heard. */
    readonly generation: number;
    readonly last_status: number | null;
    readonly last_error: string | null;
    readonly ended_ms: number | null;
  };
}

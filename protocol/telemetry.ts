import { z } from "zod";

/** What an agent says of itself: on the retained status topic, at `/v1/status`, in `/readyz`. */

export const agentStatusSchema = z.strictObject({
  v: z.literal(1),
  agent: z.string(),
  store: z.string(),
  state: z.enum(["starting", "ready", "degraded", "draining", "offline"]),
  /** Codes of what is wrong, each with a message; empty when ready. */
  reasons: z.array(z.strictObject({ code: z.string(), message: z.string() })),
  /** Tasks acknowledged and not yet decided. */
  inFlight: z.number().int(),
  /** Escalations that wait for a person. */
  waiting: z.number().int(),
  /** Outbox rows that the hub has not durably. 0 where there is no hub to send to. */
  unsent: z.number().int(),
  /** Nothing in flight and, where there is a hub, watermark = last seq. */
  safeToPowerOff: z.boolean(),
  /** The way to the hub, where there is one. Being out of its reach is normal for a store, and no reason by itself. */
  hub: z
    .strictObject({
      state: z.enum(["new", "connected", "unreachable", "shut_out"]),
      /** Wall clock, of the states that are not well. */
      sinceMs: z.number().int().nullable(),
      /** Why nobody answers, or why the hub refuses. */
      error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
      /** Pictures that the hub wants and has not; their rows are `unsent` until it has. */
      pictures: z.number().int(),
    })
    .optional(),
  /** How each contract of the config stands with the model that runs; absent where there is none. */
  gates: z
    .array(
      z.strictObject({
        task: z.string(),
        rung: z.enum(["fine", "coarse"]),
        label: z.string().nullable(),
        /** Null: nothing is accepted, and `why` says why. */
        gateThreshold: z.number().nullable(),
        certificate: z.string().nullable(),
        level: z.enum(["store", "region", "fleet"]).nullable(),
        /** Decisions accepted under it so far, some of them counted ahead. */
        accepted: z.number().nullable(),
        why: z.string().nullable(),
      }),
    )
    .optional(),
  config: z.strictObject({ revision: z.number().int(), digest: z.string() }),
  models: z.array(
    z.strictObject({
      task: z.string(),
      name: z.string(),
      version: z.string(),
      digest: z.string(),
      provider: z.string(),
    }),
  ),
  at: z.number().int(),
});
export type AgentStatus = z.infer<typeof agentStatusSchema>;

/**
 * A delivery's life. Pure: `transition(state, event) → state`, and what follows for the webhook itself. An attempt that
 * failed is due again later and later; after the last one the delivery is a dead letter that a person can send again.
 */
export type DeliveryState =
  | { readonly state: "waiting"; readonly attempts: number; readonly dueMs: number }
  | { readonly state: "sent"; readonly attempts: number }
  | { readonly state: "dead"; readonly attempts: number };

export type DeliveryEvent =
  /** The receiver answered 2xx. */
  | { readonly kind: "delivered" }
  /** Another answer, or none. `retryAfterMs` is the receiver's own wish, or null. */
  | { readonly kind: "failed"; readonly retryAfterMs: number | null }
  /** 410: the receiver wants no more (Standard Webhooks, "Deliverability and reliability"). */
  | { readonly kind: "gone" }
  /** A person asks for it again. */
  | { readonly kind: "again" };

export interface DeliveryInputs {
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  readonly uniform: number;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** Waits after the first, second … failed attempt; the specification's own. Without a further one it is a dead letter. */
export const retryWaitsMs: readonly number[] = Object.freeze([
  5 * second,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
]);
/** A receiver may ask for a longer wait than ours, up to this one. */
const retryAfterMsMax = 6 * hour;
/** Share by which a wait is longer at most, so that what failed together does not come back together. */
const jitter = 0.2;

export function deliver(
  delivery: DeliveryState,
  event: DeliveryEvent,
  { nowMs, uniform }: DeliveryInputs,
): DeliveryState {
  if (event.kind === "again") {
    // What is on its way already needs no second send.
    return delivery.state === "waiting" ? delivery : { state: "waiting", attempts: 0, dueMs: nowMs };
  }
  // An attempt's end that comes after the delivery's own (a lease that was lost) changes nothing.
  if (delivery.state !== "waiting") return delivery;
  const attempts = delivery.attempts + 1;
  if (event.kind === "delivered") return { state: "sent", attempts };
  const waitMs = retryWaitsMs[attempts - 1];
  if (event.kind === "gone" || waitMs === undefined) return { state: "dead", attempts };
  const wantedMs = Math.min(event.retryAfterMs ?? 0, retryAfterMsMax);
  return { state: "waiting", attempts, dueMs: nowMs + Math.round(Math.max(waitMs, wantedMs) * (1 + jitter * uniform)) };
}

import { limits } from "../../protocol/index.ts";

/** Every bound of the agent's HTTP door. docs/http.md says what a caller sees at each of them. */
export interface HttpLimits {
  readonly connectionsMax: number;
  readonly bodyBytesMax: number;
  /** Bodies of all exchanges together; above it 503 HP_BUSY. */
  readonly bodiesBytesMax: number;
  /** From the first byte of a request to its last; then 408. */
  readonly requestTimeoutMs: number;
  /** Exchanges that wait for a decision; above it a GET is refused (503) and a POST does not wait (202). */
  readonly waitersMax: number;
  /** Longest `?wait=`. A longer one is cut. */
  readonly waitMsMax: number;
  /** Decisions of one list. */
  readonly listMax: number;
  readonly idempotencyKeyCharsMax: number;
}

export const httpLimits: HttpLimits = Object.freeze({
  connectionsMax: 4_096,
  bodyBytesMax: limits.messageBytesMax,
  bodiesBytesMax: 128 * 1024 * 1024,
  requestTimeoutMs: 30_000,
  waitersMax: 1_024,
  waitMsMax: limits.waitMsMax,
  listMax: 500,
  idempotencyKeyCharsMax: 255,
});

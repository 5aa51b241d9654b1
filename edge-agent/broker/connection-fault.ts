import { type ErrorCode } from "../../protocol/index.ts";

/** Why a connection was closed: a counter, a log line, and a message on the device's error topic (3.1.1 has no words). */
export type ConnectionFault =
  | "malformed"
  | "too_large"
  | "connect_expected"
  | "frame_timeout"
  /** No CONNECT in time. */
  | "silent"
  /** No CONNECT yet, and too many others wait for theirs. */
  | "crowded"
  /** The peer does not read, and an answer waits. */
  | "frozen"
  | "withheld"
  | "revoked";

/** What a closed connection is counted as, and told where its device can be told. */
export const faultErrors: Readonly<Partial<Record<ConnectionFault, readonly [ErrorCode, string]>>> = {
  too_large: ["HP_TOO_LARGE", "the packet is larger than a message may be; the connection was closed"],
  malformed: ["HP_ENCODING", "the packet is not MQTT 3.1.1; the connection was closed"],
  connect_expected: ["HP_ENCODING", "the first packet must be CONNECT; the connection was closed"],
  frame_timeout: ["HP_TIMEOUT", "the packet did not arrive in time; the connection was closed"],
  frozen: ["HP_TIMEOUT", "nothing was read from a connection that an answer waits on; it was closed"],
  silent: ["HP_TIMEOUT", "CONNECT did not arrive in time; the connection was closed"],
  crowded: ["HP_BUSY", "too many connections wait for their CONNECT; the oldest was closed"],
};

/** aedes has no codes for its two clocks; tests hold these words against it. */
const timeouts: Readonly<Partial<Record<string, ConnectionFault>>> = {
  "connect did not arrive in time": "silent",
  "drain timeout": "frozen",
};

/** The fault behind an error that aedes destroyed a connection with. */
export function faultOf(cause: Error): ConnectionFault {
  return timeouts[cause.message] ?? "malformed";
}

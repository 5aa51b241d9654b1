import { limits } from "../../protocol/index.ts";

/** Every bound of the embedded broker. docs/protocol.md says what a device sees at each of them. */
export interface BrokerLimits {
  /** Open sockets. Above it a new socket is closed at once. */
  readonly connectionsMax: number;
  /** Sockets that have not sent a whole CONNECT. Above it the one that has been silent longest is closed. */
  readonly silentConnectionsMax: number;
  /** Connections of one device. Above it CONNACK 3 (server unavailable). */
  readonly connectionsPerDeviceMax: number;
  /** From the accepted socket to a whole CONNECT. */
  readonly connectTimeoutMs: number;
  /** A CONNECT packet; nothing larger is read from a peer that has not shown its secret. */
  readonly connectBytesMax: number;
  /** A PUBLISH of a device: the message, and room for its topic. */
  readonly publishBytesMax: number;
  /** Any other packet. */
  readonly controlBytesMax: number;
  /** PUBLISH packets of one connection that are read and not yet answered. At it the socket is not read further. */
  readonly inflightPerClientMax: number;
  /** Decisions sent on one connection and not yet acknowledged. At it the others wait in the journal. */
  readonly deliveryWindowMax: number;
  /** Frames above this many bytes share `largeFramesBytesMax`. */
  readonly largeFrameBytes: number;
  /** Large frames of all connections together that are being read or made durable. At it their sockets wait in turn. */
  readonly largeFramesBytesMax: number;
  /** From the header of a large frame to its last byte; a device that stalls in the middle is closed. */
  readonly largeFrameTimeoutMs: number;
  /** Sessions (`clean=false`) kept, connected or not. Above it the one that has been away longest is forgotten. */
  readonly sessionsMax: number;
  /** After a withheld PUBACK: the connection is closed, so that the client delivers again. */
  readonly withheldCloseMs: number;
  /** Told to the device with HP_BUSY where the refusal names no time. */
  readonly retryAfterMs: number;
  /** A peer that takes no bytes for so long while an answer waits for it is closed. */
  readonly drainTimeoutMs: number;
  /** A peer to whom something is owed, bytes or a decision that it has not acknowledged, is closed after such a silence. */
  readonly frozenTimeoutMs: number;
  /** The retained status is published at least this often. */
  readonly statusIntervalMs: number;
}

export const brokerLimits: BrokerLimits = Object.freeze({
  connectionsMax: 12_000,
  silentConnectionsMax: 512,
  connectionsPerDeviceMax: 12_000,
  connectTimeoutMs: 5_000,
  connectBytesMax: 16 * 1024,
  publishBytesMax: limits.messageBytesMax + 64 * 1024,
  controlBytesMax: 64 * 1024,
  inflightPerClientMax: 256,
  deliveryWindowMax: 256,
  largeFrameBytes: 64 * 1024,
  largeFramesBytesMax: 128 * 1024 * 1024,
  largeFrameTimeoutMs: 30_000,
  sessionsMax: 12_000,
  withheldCloseMs: 30_000,
  retryAfterMs: 1_000,
  drainTimeoutMs: 2_000,
  frozenTimeoutMs: 120_000,
  statusIntervalMs: 10_000,
});

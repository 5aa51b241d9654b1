import { type Socket } from "node:net";
import { Duplex } from "node:stream";
import { type Cancel, type Timers } from "../../protocol/index.ts";
import { AckOrder } from "./ack-order.ts";
import { type BrokerLimits } from "./broker-limits.ts";
import { type ByteBudget } from "./byte-budget.ts";
import { type ConnectionFault } from "./connection-fault.ts";
import {
  encodePublish,
  FrameScanner,
  leastBytes,
  packetType,
  type FrameHeader,
  type FrameJudge,
  type FrameRuling,
} from "./frame.ts";

/** One object for all connections: what each of them holds is paid ten thousand times. */
export interface ConnectionOptions {
  readonly limits: BrokerLimits;
  readonly timers: Timers;
  readonly largeFrames: ByteBudget;
  /** The whole CONNECT packet has been read. */
  readonly onConnect: (connection: Connection) => void;
  readonly onFault: (connection: Connection, fault: ConnectionFault) => void;
  readonly onClosed: (connection: Connection) => void;
}

/** Who has to hear of a connection after CONNACK. */
export interface ConnectionOwner {
  /** Something was sent that the device has to acknowledge. */
  readonly awaitsDevice: boolean;
  /** The peer takes bytes again. */
  flowing(): void;
  closed(): void;
}

/**
 * The stream that aedes reads and writes instead of the socket. aedes 1.2 has no back-pressure for what its hooks have
 * not answered yet, and buffers whatever a packet claims to be long; here
 * - nothing but one CONNECT of at most `connectBytesMax` is read until the device has shown its secret,
 * - a frame is refused by its header, before its body is read,
 * - at most `inflightPerClientMax` PUBLISH packets are inside, and large ones share one budget of bytes,
 * - nothing is read while the peer does not take what is written,
 * - acknowledgements of one group commit leave in one write.
 */
export class Connection extends Duplex implements FrameJudge {
  // Functions of the class and not of each connection; `this` is the socket, which knows its connection.
  static readonly #onData = function (this: GuardedSocket, chunk: Uint8Array): void {
    this[guard].#feed(chunk);
  };
  static readonly #onEnd = function (this: GuardedSocket): void {
    this[guard].#socketEnded();
  };
  static readonly #onDrain = function (this: GuardedSocket): void {
    this[guard].#drained();
  };
  static readonly #onError = function (this: GuardedSocket, cause: Error): void {
    this[guard].#socketFailed = true;
    this[guard].destroy(cause);
  };
  static readonly #onClose = function (this: GuardedSocket): void {
    this[guard].destroy();
  };
  static readonly #flushNow = function (connection: Connection): void {
    connection.#flush();
  };
  static readonly #flushSoon = function (connection: Connection): void {
    process.nextTick(Connection.#flushNow, connection);
  };
  static readonly #closed = function (this: Connection): void {
    this.#options.onClosed(this);
    this.owner?.closed();
  };

  readonly remote: string;
  owner: ConnectionOwner | null = null;
  /** Name of the device, once it has shown its secret. */
  device: string | null = null;
  /** Set by preConnect: why authentication will be refused whatever the secret is. */
  identifierRefused = false;
  /** The error that the broker destroyed it with; null where it ended by itself or by its socket. */
  endedBy: Error | null = null;
  readonly acks = new AckOrder();
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #scanner: FrameScanner;
  #chunk: Uint8Array | null = null;
  #at = 0;
  #readerFull = false;
  #connectSeen = false;
  #authenticated = false;
  /** DISCONNECT has been read. */
  #leaving = false;
  #inside = 0;
  #outgoing: Uint8Array[] | null = null;
  #outgoingBytes = 0;
  #flushScheduled = false;
  #written: (() => void) | null = null;
  #largeInside: readonly LargeFrame[] = noFrames;
  #largeNext: LargeFrame | null = null;
  #ended = false;
  #frameTimer: Cancel | null = null;
  #withheldTimer: Cancel | null = null;
  #lastWords = false;
  #socketFailed = false;
  /** Bytes that have come and gone, when that was last looked at; and since when it is the same. */
  #movedBytes = 0;
  #stillSinceMs = -1;

  constructor(socket: Socket, options: ConnectionOptions) {
    super({ allowHalfOpen: false });
    this.remote = socket.remoteAddress ?? "";
    this.#socket = socket;
    this.#options = options;
    this.#scanner = new FrameScanner(this);
    socket.setNoDelay(true);
    // A keep alive of 0 is allowed (MQTT-3.1.2.10); the kernel then finds out that the peer is gone.
    socket.setKeepAlive(true, 60_000);
    (socket as GuardedSocket)[guard] = this;
    socket.on("data", Connection.#onData).on("end", Connection.#onEnd).on("drain", Connection.#onDrain);
    socket.on("error", Connection.#onError).on("close", Connection.#onClose);
    this.on("close", Connection.#closed);
  }

  get silent(): boolean {
    return !this.#connectSeen;
  }

  /** True while the peer does not take what is written to it. */
  get clogged(): boolean {
    return this.#socket.writableNeedDrain || this.#outgoingBytes > writeBytesMax;
  }

  /** The device has shown its secret and CONNACK is sent: larger packets are read from now on, and several at once. */
  open(): void {
    this.#authenticated = true;
    this.#pump();
  }

  /** A PUBLISH that was let in has been answered (acknowledged, or dropped at QoS 0). */
  leave(bytes: number): void {
    this.#inside -= 1;
    if (this.#isLarge(bytes)) {
      const left = this.#largeInside.find((frame) => frame.bytes === bytes);
      left?.claim?.release();
      this.#largeInside = this.#largeInside.filter((frame) => frame !== left);
    }
    if (this.#chunk !== null) this.#pump();
  }

  /** Writes a PUBLISH to the device past aedes: no copy, no deduplication, the packet id is ours. */
  sendPublish(topic: Uint8Array, payload: Uint8Array, packetId = 0, dup = false): void {
    if (this.destroyed || this.writableEnded) return;
    this.#enqueue(encodePublish({ topic, payload, packetId, dup }));
  }

  /** The PUBACK of a message is withheld: the connection is closed in a while, so that the client delivers again. */
  closeLater(): void {
    this.#withheldTimer ??= this.#options.timers.after(this.#options.limits.withheldCloseMs, () =>
      this.fail("withheld"),
    );
  }

  fail(fault: ConnectionFault): void {
    if (this.destroyed) return;
    // A device is told why; who has not shown a secret is not.
    this.#lastWords = this.device !== null;
    this.#options.onFault(this, fault);
    this.destroy();
  }

  /**
   * Asked now and then. True once nothing has come or gone for `frozenTimeoutMs` although bytes wait for the peer, or a
   * decision for its acknowledgement: a peer without a keep alive is never found out otherwise.
   */
  isFrozen(nowMs: number): boolean {
    const socket = this.#socket;
    const waits = this.#outgoingBytes > 0 || socket.writableLength > 0 || this.owner?.awaitsDevice === true;
    const heldByUs = this.#chunk !== null && !this.clogged;
    if (!waits || heldByUs) {
      this.#stillSinceMs = -1;
      return false;
    }
    const movedBytes = socket.bytesRead + socket.bytesWritten - socket.writableLength;
    if (this.#stillSinceMs < 0 || movedBytes !== this.#movedBytes) {
      this.#movedBytes = movedBytes;
      this.#stillSinceMs = Math.round(nowMs);
      return false;
    }
    return nowMs - this.#stillSinceMs >= this.#options.limits.frozenTimeoutMs;
  }

  #socketEnded(): void {
    this.#ended = true;
    this.#chunk = null;
    this.push(null);
  }

  #isLarge(bytes: number): boolean {
    return bytes > this.#options.limits.largeFrameBytes;
  }

  #feed(chunk: Uint8Array): void {
    if (this.destroyed) return;
    if (this.#chunk !== null) {
      // A chunk that was under way when the socket was paused.
      this.#chunk = Buffer.concat([this.#chunk.subarray(this.#at), chunk]);
      this.#at = 0;
      return;
    }
    this.#chunk = chunk;
    this.#at = 0;
    this.#pump();
  }

  /** Hands on what may pass; keeps the rest and stops reading the socket. */
  #pump(): void {
    const chunk = this.#chunk;
    if (chunk === null || this.destroyed || this.#ended) return;
    if (this.#readerFull || this.clogged) {
      this.#socket.pause();
      return;
    }
    const from = this.#at;
    const result = this.#scanner.scan(chunk, from);
    if (result.kind === "refused") {
      this.fail(result.header === null ? "malformed" : this.#refusal(result.header));
      return;
    }
    this.#at = result.end;
    if (result.kind === "passed") {
      this.#chunk = null;
      if (this.#scanner.betweenFrames) this.#stopFrameTimer();
    }
    if (result.end > from) {
      this.#readerFull = !this.push(
        from === 0 && result.end === chunk.byteLength ? chunk : chunk.subarray(from, result.end),
      );
    }
    if (this.#chunk === null && !this.#readerFull) this.#socket.resume();
    else this.#socket.pause();
  }

  rule(header: FrameHeader): FrameRuling {
    const { limits } = this.#options;
    if (!this.#connectSeen) {
      if (header.type !== packetType.connect || header.bytes > limits.connectBytesMax) return "refuse";
      this.#connectSeen = true;
      this.#options.onConnect(this);
      return "pass";
    }
    // MQTT-3.14.4-2: nothing is read behind a DISCONNECT.
    if (!this.#authenticated || this.clogged || this.#leaving) return "hold";
    this.#leaving = header.type === packetType.disconnect;
    if (header.bytes < (leastBytes[header.type] ?? 0)) return "refuse";
    if (header.type !== packetType.publish) return header.bytes > limits.controlBytesMax ? "refuse" : "pass";
    if (header.bytes > limits.publishBytesMax) return "refuse";
    if (this.#inside >= limits.inflightPerClientMax) return "hold";
    if (this.#isLarge(header.bytes) && !this.#claimLarge(header.bytes)) return "hold";
    this.#inside += 1;
    return "pass";
  }

  #refusal(header: FrameHeader): ConnectionFault {
    if (this.#authenticated && header.bytes < (leastBytes[header.type] ?? 0)) return "malformed";
    return !this.#authenticated && header.type !== packetType.connect ? "connect_expected" : "too_large";
  }

  /** True once the budget has granted the frame its bytes; asks for them the first time. */
  #claimLarge(bytes: number): boolean {
    let frame = this.#largeNext;
    if (frame === null) {
      const asked: LargeFrame = { bytes, granted: false, claim: null };
      frame = this.#largeNext = asked;
      asked.claim = this.#options.largeFrames.claim(bytes, () => {
        asked.granted = true;
        if (asked.claim !== null) setImmediate(() => this.#pump());
      });
    }
    if (!frame.granted) return false;
    this.#largeInside = [...this.#largeInside, frame];
    this.#largeNext = null;
    this.#stopFrameTimer();
    const { timers, limits } = this.#options;
    this.#frameTimer = timers.after(limits.largeFrameTimeoutMs, () => this.fail("frame_timeout"));
    return true;
  }

  #stopFrameTimer(): void {
    this.#frameTimer?.();
    this.#frameTimer = null;
  }

  #enqueue(bytes: Uint8Array): void {
    (this.#outgoing ??= []).push(bytes);
    this.#outgoingBytes += bytes.byteLength;
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    // After the promises of one group commit, before the next turn of the loop. The second tick is behind the one in which
    // aedes' packet writer hands on what it has corked, so that a decision and its PUBACK leave in one write.
    process.nextTick(Connection.#flushSoon, this);
  }

  #flush(): void {
    this.#flushScheduled = false;
    const parts = this.#outgoing;
    const bytes = this.#outgoingBytes;
    this.#outgoing = null;
    this.#outgoingBytes = 0;
    const first = parts?.[0];
    if (parts === null || first === undefined || this.#socket.destroyed || this.#socket.writableEnded) return;
    if (parts.length === 1) this.#socket.write(first);
    else if (bytes <= concatBytesMax) this.#socket.write(Buffer.concat(parts, bytes));
    else {
      this.#socket.cork();
      for (const part of parts) this.#socket.write(part);
      this.#socket.uncork();
    }
    if (!this.#socket.writableNeedDrain) this.#drained();
  }

  #drained(): void {
    const written = this.#written;
    this.#written = null;
    written?.();
    this.owner?.flowing();
    if (this.#chunk !== null) this.#pump();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#enqueue(chunk);
    if (this.clogged) this.#written = done;
    else done();
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: () => void): void {
    for (const { chunk } of chunks) this.#enqueue(chunk);
    if (this.clogged) this.#written = done;
    else done();
  }

  override _read(): void {
    this.#readerFull = false;
    if (this.#chunk !== null) this.#pump();
    else this.#socket.resume();
  }

  override _final(done: () => void): void {
    this.#flush();
    this.#socket.end();
    done();
  }

  override _destroy(cause: Error | null, done: (error: Error | null) => void): void {
    this.#stopFrameTimer();
    this.#withheldTimer?.();
    this.#largeNext?.claim?.release();
    for (const frame of this.#largeInside) frame.claim?.release();
    this.#largeInside = noFrames;
    this.#chunk = null;
    if (cause === null) this.#flush();
    this.endedBy = this.#socketFailed ? null : cause;
    const socket = this.#socket;
    if (this.#lastWords && !socket.destroyed) {
      // Closing over bytes that nobody has read resets the connection, and the peer never sees what was written last.
      socket.removeAllListeners("data");
      socket.resume();
      socket.end();
      this.#options.timers.after(lingerMs, () => socket.destroy());
    } else if (cause !== null || socket.destroyed || socket.writableLength === 0) socket.destroy();
    else {
      // Last words (a CONNACK that refuses) leave first, but a peer that takes nothing does not keep the socket.
      socket.destroySoon();
      this.#options.timers.after(this.#options.limits.drainTimeoutMs, () => socket.destroy());
    }
    // The cause is a matter of the log, not of an 'error' listener that may be gone by now.
    done(null);
  }
}

/** The way from a socket to its connection without a closure. */
const guard = Symbol("connection");
interface GuardedSocket extends Socket {
  [guard]: Connection;
}

/** A frame that counts against the shared budget. */
interface LargeFrame {
  readonly bytes: number;
  granted: boolean;
  claim: { release(): void } | null;
}

const noFrames: readonly LargeFrame[] = [];

const writeBytesMax = 256 * 1024;
/** What a peer still sends is dropped for so long, so that it can read why its connection is closed. */
const lingerMs = 500;
const concatBytesMax = 64 * 1024;

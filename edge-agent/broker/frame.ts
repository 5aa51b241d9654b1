/** MQTT 3.1.1 packets as bytes: what the guard in front of aedes must know of them, and the one that the agent writes. */

export const packetType = Object.freeze({ connect: 1, publish: 3, subscribe: 8, unsubscribe: 10, disconnect: 14 });

export interface FrameHeader {
  /** MQTT-2.2.1: control packet type, 1 to 14. */
  readonly type: number;
  /** QoS of a PUBLISH; meaningless for the others. */
  readonly qos: number;
  /** Bytes that follow the fixed header. */
  readonly bytes: number;
}

/** What the guard says of a frame whose header it has read. */
export type FrameRuling = "pass" | "hold" | "refuse";

export type ScanResult =
  /** `end`: bytes up to here may be handed on. */
  | { readonly kind: "passed"; readonly end: number }
  /** A frame has to wait; scan again from `end` once it may pass. */
  | { readonly kind: "held"; readonly end: number }
  | { readonly kind: "refused"; readonly header: FrameHeader | null };

/** Asked about each frame as soon as its header is whole; a held one is asked about again. */
export interface FrameJudge {
  rule(header: FrameHeader): FrameRuling;
}

/**
 * Follows the frames in a stream of bytes without keeping any of them: a parser of the remaining length (MQTT-2.2.3)
 * that asks its judge about each frame before the first byte of its body is read.
 */
export class FrameScanner {
  readonly #judge: FrameJudge;
  #first = -1;
  #length = 0;
  #multiplier = 1;
  #left = 0;
  #held: FrameHeader | null = null;
  /** Bytes of a packet id that are still to come, and whether those before them were zero. */
  #idLeft = 0;
  #idIsZero = true;

  constructor(judge: FrameJudge) {
    this.#judge = judge;
  }

  /** True between frames: nothing of a next one has been read. */
  get betweenFrames(): boolean {
    return this.#first < 0 && this.#left === 0 && this.#held === null;
  }

  scan(chunk: Uint8Array, from: number): ScanResult {
    let at = from;
    for (;;) {
      if (this.#held !== null) {
        const ruling = this.#judge.rule(this.#held);
        if (ruling === "hold") return { kind: "held", end: at };
        if (ruling === "refuse") return { kind: "refused", header: this.#held };
        this.#left = this.#held.bytes;
        this.#idLeft = beginsWithId(this.#held.type) ? 2 : 0;
        this.#idIsZero = true;
        this.#held = null;
      }
      const body = Math.min(this.#left, chunk.byteLength - at);
      if (this.#idLeft > 0 && !this.#idIsThere(chunk, at, body)) return { kind: "refused", header: null };
      this.#left -= body;
      at += body;
      if (at >= chunk.byteLength) return { kind: "passed", end: at };
      if (!this.#header(chunk[at] ?? 0)) return { kind: "refused", header: null };
      at += 1;
    }
  }

  /** MQTT-2.3.1-1: a packet id is not zero. False where it is. */
  #idIsThere(chunk: Uint8Array, at: number, bytes: number): boolean {
    for (let i = 0; i < bytes && this.#idLeft > 0; i += 1) {
      this.#idLeft -= 1;
      if (chunk[at + i] !== 0) this.#idIsZero = false;
    }
    return this.#idLeft > 0 || !this.#idIsZero;
  }

  /** Takes one byte of a fixed header; false where the remaining length is malformed (MQTT-2.2.3: four bytes at most). */
  #header(byte: number): boolean {
    if (this.#first < 0) {
      this.#first = byte;
      this.#length = 0;
      this.#multiplier = 1;
      return true;
    }
    this.#length += (byte & 0x7f) * this.#multiplier;
    this.#multiplier *= 128;
    if ((byte & 0x80) !== 0) return this.#multiplier < 128 ** 4;
    this.#held = { type: this.#first >> 4, qos: (this.#first >> 1) & 3, bytes: this.#length };
    this.#first = -1;
    return true;
  }
}

/** A PUBLISH has its id behind its topic, where the broker looks; acknowledgements of id 0 match nothing. */
function beginsWithId(type: number): boolean {
  return type === packetType.subscribe || type === packetType.unsubscribe;
}

export interface OutgoingPublish {
  /** UTF-8 of the topic, at most 65,535 bytes. */
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  /** 1 to 65,535 at QoS 1, 0 at QoS 0. */
  readonly packetId: number;
  readonly dup: boolean;
}

/** A PUBLISH packet: QoS 1 where there is a packet id, QoS 0 where there is none. */
export function encodePublish(publish: OutgoingPublish): Uint8Array {
  const { topic, payload, packetId, dup } = publish;
  const remaining = 2 + topic.byteLength + (packetId > 0 ? 2 : 0) + payload.byteLength;
  const lengthBytes = remaining < 128 ? 1 : remaining < 16_384 ? 2 : remaining < 2_097_152 ? 3 : 4;
  const frame = new Uint8Array(1 + lengthBytes + remaining);
  frame[0] = 0x30 | (dup ? 8 : 0) | (packetId > 0 ? 2 : 0);
  let at = 1;
  for (let left = remaining, i = 0; i < lengthBytes; i += 1) {
    frame[at++] = (left & 0x7f) | (i < lengthBytes - 1 ? 0x80 : 0);
    left >>= 7;
  }
  frame[at++] = topic.byteLength >> 8;
  frame[at++] = topic.byteLength & 0xff;
  frame.set(topic, at);
  at += topic.byteLength;
  if (packetId > 0) {
    frame[at++] = packetId >> 8;
    frame[at++] = packetId & 0xff;
  }
  frame.set(payload, at);
  return frame;
}

/** MQTT-3.8.3-3, MQTT-3.10.3-2: a packet id and at least one filter of at least one character. */
export const leastBytes: Readonly<Partial<Record<number, number>>> = {
  [packetType.subscribe]: 6,
  [packetType.unsubscribe]: 5,
};

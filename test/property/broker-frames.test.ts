import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodePublish, FrameScanner, type FrameHeader } from "../../edge-agent/broker/frame.ts";

const packets = fc.array(
  fc.option(
    fc.record({
      topic: fc.stringMatching(/^[a-z/]{1,20}$/),
      payload: fc.uint8Array({ maxLength: 300 }),
      packetId: fc.integer({ min: 0, max: 9 }),
    }),
  ),
  { maxLength: 12 },
);

const bytesOf = (packet: { topic: string; payload: Uint8Array; packetId: number } | null): Uint8Array =>
  packet === null
    ? Uint8Array.from([0xc0, 0])
    : encodePublish({ ...packet, topic: new TextEncoder().encode(packet.topic), dup: false });

/** Reads a PUBLISH from the text of the standard (MQTT-3.3), without a line of ours. */
function readPublish(frame: Buffer): { topic: string; payload: Buffer; packetId: number; dup: boolean; bytes: number } {
  let at = 1;
  let remaining = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = frame.readUInt8(at++);
    remaining += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  const bytes = at + remaining;
  const qos = (frame.readUInt8(0) >> 1) & 3;
  const topicEnd = at + 2 + frame.readUInt16BE(at);
  const topic = frame.toString("utf8", at + 2, topicEnd);
  const packetId = qos > 0 ? frame.readUInt16BE(topicEnd) : 0;
  const payload = frame.subarray(topicEnd + (qos > 0 ? 2 : 0), bytes);
  return { topic, payload, packetId, dup: (frame.readUInt8(0) & 8) !== 0, bytes };
}

describe("the frames in a stream", () => {
  test("however the stream is cut and however often a frame is held, each frame is ruled on once and all bytes pass", () => {
    fc.assert(
      fc.property(
        packets,
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        fc.array(fc.boolean()),
        (sent, cuts, holds) => {
          const frames = sent.map(bytesOf);
          const stream = Buffer.concat(frames);
          const passed: FrameHeader[] = [];
          let holdAt = 0;
          const scanner = new FrameScanner({
            rule: (header) => {
              if (holds[holdAt++] === true) return "hold";
              passed.push(header);
              return "pass";
            },
          });
          let handedOn = 0;
          for (let at = 0, cut = 0; at < stream.length; cut += 1) {
            const chunk = stream.subarray(at, at + (cuts[cut % cuts.length] ?? 1));
            let from = 0;
            for (;;) {
              const result = scanner.scan(chunk, from);
              if (result.kind === "refused") throw new Error("refused");
              handedOn += result.end - from;
              from = result.end;
              if (result.kind === "passed") break;
            }
            at += chunk.length;
          }
          expect(handedOn).toBe(stream.length);
          expect(scanner.betweenFrames).toBe(true);
          expect(passed.map(({ type, bytes }) => [type, bytes])).toEqual(
            frames.map((frame) => [(frame[0] ?? 0) >> 4, frame.length - 1 - (frame.length > 129 ? 2 : 1)]),
          );
        },
      ),
    );
  });

  test("what we write as PUBLISH reads as the standard says", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-zé/]{1,40}$/),
        fc.uint8Array({ maxLength: 20_000 }),
        fc.integer({ min: 0, max: 65_535 }),
        fc.boolean(),
        (topic, payload, packetId, dup) => {
          const again = dup && packetId > 0;
          const frame = encodePublish({ topic: new TextEncoder().encode(topic), payload, packetId, dup: again });
          const read = readPublish(Buffer.from(frame));
          expect(read).toMatchObject({ topic, packetId, dup: again, bytes: frame.byteLength });
          expect(Buffer.compare(read.payload, Buffer.from(payload))).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });
});

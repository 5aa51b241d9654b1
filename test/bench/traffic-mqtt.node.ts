import { connect, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { decodeMessage, encodeMessage, type Decision } from "../../protocol/index.ts";
import { inBytes } from "./peer-model.ts";
import { readCases, serveTraffic, type Lane } from "./traffic-loop.ts";

/** Load over MQTT 3.1.1 QoS 1, MessagePack: bytes by hand, several times cheaper than an MQTT client. */
const { values } = parseArgs({
  options: { port: { type: "string", default: "" }, devices: { type: "string", default: "[]" } },
});
const devices = JSON.parse(values.devices) as readonly { readonly device: string; readonly secret: string }[];
const cases = readCases();
const bodies = cases.map(inBytes);

const lanes: Lane[] = [];
await serveTraffic(cases, async (count) => {
  const missing = devices.slice(lanes.length, count);
  lanes.push(...(await Promise.all(missing.map(({ device, secret }) => openLane(device, secret)))));
  return lanes.slice(0, count);
});

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.byteLength >> 8, bytes.byteLength & 255]), bytes]);
}

function frame(first: number, ...parts: readonly Uint8Array[]): Buffer {
  let rest = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const head = [first];
  // MQTT-2.2.3: seven bits a byte, the lowest first.
  do {
    head.push(rest > 127 ? (rest & 127) | 128 : rest);
    rest >>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from(head), ...parts]);
}

function openLane(device: string, secret: string): Promise<Lane> {
  const channel = (name: string): Buffer => text(`holdpoint/v1/store_1/${device}/${name}`);
  const request = channel("request");
  let answered: (label: string | null) => void = () => undefined;
  return new Promise((resolve, reject) => {
    const socket = connect({ port: Number(values.port), host: "127.0.0.1", noDelay: true }, () =>
      // MQTT-3.1.2: user name, password, clean session; no keep alive.
      socket.write(frame(0x10, text("MQTT"), Buffer.from([4, 0xc2, 0, 0]), text(device), text(device), text(secret))),
    );
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`${device} was sent away`)));
    let packetId = 0;
    const lane: Lane = {
      ask: (id, caseIndex, then) => {
        answered = then;
        packetId = (packetId % 0xffff) + 1;
        const body = encodeMessage({ ...bodies[caseIndex], id, at: Date.now() }, "msgpack");
        socket.write(frame(0x32, request, Buffer.from([packetId >> 8, packetId & 255]), body));
      },
    };
    onFrames(socket, (first, body) => {
      if (first === 0x20) {
        if (body[1] !== 0) reject(new Error(`${device} was refused: CONNACK ${String(body[1])}`));
        else socket.write(frame(0x82, Buffer.from([0, 1]), channel("decision"), Buffer.from([1])));
      } else if (first === 0x90) resolve(lane);
      else if (first >> 4 === 3) {
        const topicEnd = 2 + body.readUInt16BE(0);
        socket.write(Buffer.concat([Buffer.from([0x40, 2]), body.subarray(topicEnd, topicEnd + 2)]));
        answered(labelOf(body.subarray(topicEnd + 2)));
      }
    });
  });
}

function onFrames(socket: Socket, heard: (first: number, body: Buffer) => void): void {
  let pending: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    pending = pending.byteLength === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      let [length, at, more] = [0, 1, true];
      for (; more && at < pending.byteLength; at += 1) {
        const byte = pending[at] ?? 0;
        length |= (byte & 127) << (7 * (at - 1));
        more = byte > 127;
      }
      if (more || pending.byteLength < at + length) return;
      const first = pending[0] ?? 0;
      const body = pending.subarray(at, at + length);
      pending = pending.subarray(at + length);
      heard(first, body);
    }
  });
}

function labelOf(payload: Uint8Array): string | null {
  const decoded = decodeMessage(payload);
  if (!decoded.ok) return null;
  const { verdict, answer } = decoded.value.value as Decision;
  return verdict === "accept" ? (answer?.label ?? null) : null;
}

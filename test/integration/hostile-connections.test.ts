import { connect as connectTcp } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeMessage, type ErrorBody, type ErrorCode } from "../../protocol/index.ts";
import {
  requestOf,
  sidesConfig,
  startHostileAgent,
  storeId,
  type HostileAgent,
  type HostileDevice,
} from "../fixtures/hostile/hostile-agent.ts";
import { connect, packet, publish, RawClient, remainingLength, subscribe } from "../fixtures/hostile/raw-mqtt.ts";
import { pause, until } from "../support/door-mqtt.ts";
import { temporaryFolder, writeModel } from "../support/models-fixtures.ts";

/**
 * Connections that do not behave, against one whole agent: what the peer sees, the count, and that a device beside it is
 * served. Frames are written by hand; no client library would send them.
 */

const folder = temporaryFolder();
let hostile: HostileAgent;
let till: HostileDevice;
/** Opened first and looked at last: the connect timeout is five seconds. */
let dripping: RawClient;
const raws: RawClient[] = [];
const topicOf = (channel: string, device = "camera-1"): string => `holdpoint/v1/${storeId}/${device}/${channel}`;

beforeAll(async () => {
  hostile = await startHostileAgent(sidesConfig(writeModel(folder.path, "sides")));
  till = await hostile.device("till-1");
  dripping = await open();
  dripping.send(connect({ clientId: "camera-1" }).subarray(0, 5));
});
afterAll(async () => {
  for (const raw of raws) raw.destroy();
  await hostile.close();
  folder.remove();
});

async function open(): Promise<RawClient> {
  const raw = await RawClient.open(hostile.mqttPort);
  raws.push(raw);
  return raw;
}

/** A camera that has shown its secret and listens to a channel of its own. */
async function camera(channel = "error", qos = 0): Promise<RawClient> {
  const raw = await open();
  const secret = hostile.secrets["camera-1"] ?? "";
  raw.send(connect({ clientId: `camera-1-${raws.length}`, username: "camera-1", password: secret }));
  expect((await raw.next("connack")).code).toBe(0);
  raw.send(subscribe(1, [[topicOf(channel), qos]]));
  expect((await raw.next("suback")).codes).toEqual([qos]);
  return raw;
}

const countOf = (code: ErrorCode, door = "mqtt"): Promise<number> =>
  hostile.metric("holdpoint_refused_total", { door, code });

async function serves(): Promise<void> {
  expect(await till.decide(requestOf())).toMatchObject({ verdict: "accept" });
  expect(await hostile.decide(requestOf(), "till-1")).toMatchObject({ verdict: "accept" });
}

/** The header of a PUBLISH whose body is claimed and never sent whole. */
function publishClaiming(bytes: number): Buffer {
  const topic = Buffer.from(topicOf("request"));
  const head = Buffer.from([0x32, ...remainingLength(bytes), 0, topic.length]);
  return Buffer.concat([head, topic, Buffer.from([0, 1, 0x7b])]);
}

/** Writes bytes to the HTTP port and resolves with all that comes until the connection is closed. */
function exchange(...parts: readonly Uint8Array[]): Promise<string> {
  const { port } = new URL(hostile.agent.http?.url ?? "");
  return new Promise((resolve) => {
    let text = "";
    const socket = connectTcp(Number(port), "127.0.0.1", () => {
      for (const part of parts) socket.write(part);
    });
    socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    socket.on("error", () => undefined);
    socket.once("close", () => resolve(text));
  });
}

const mebibyte = 1024 * 1024;

describe("a frame that is too large", () => {
  it("of 300 MB closes a stranger's connection at its header, is counted, and others are served", async () => {
    const before = await countOf("HP_ENCODING");
    const raw = await open();
    raw.send(publishClaiming(200 * mebibyte));
    await raw.end();
    const second = await open();
    // 300,000,000 is more than four bytes of length can say (MQTT-2.2.3): malformed, whoever sends it.
    second.send(publishClaiming(300_000_000));
    await second.end();
    expect(await countOf("HP_ENCODING")).toBe(before + 2);
    await serves();
  });

  it("of 200 MB is told to the device before its connection closes, and is counted", async () => {
    const before = await countOf("HP_TOO_LARGE");
    const raw = await camera();
    // The client goes on sending, as one that does not listen would.
    raw.send(publishClaiming(200 * mebibyte), Buffer.alloc(mebibyte, 0x20), Buffer.alloc(mebibyte, 0x20));
    const told = JSON.parse((await raw.next("publish")).payload) as ErrorBody;
    expect(told).toMatchObject({ id: null, code: "HP_TOO_LARGE", retry: "never" });
    expect(told.hint).toContain("docs/limits.md");
    await raw.end();
    expect(await countOf("HP_TOO_LARGE")).toBe(before + 1);
    await serves();
  });

  it("of 300 MB over HTTP is 413 before the body is read, and is counted", async () => {
    const before = await countOf("HP_TOO_LARGE", "http");
    const head = `POST /v1/decisions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${hostile.secrets["camera-1"] ?? ""}\r\n`;
    const answer = await exchange(
      Buffer.from(`${head}content-length: 300000000\r\n\r\n`),
      Buffer.alloc(mebibyte, 0x20),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain("application/problem+json");
    expect(answer).toContain('"code":"HP_TOO_LARGE"');
    expect(await countOf("HP_TOO_LARGE", "http")).toBe(before + 1);
    await serves();
  });

  it("costs no memory: a hundred claims of 12 MB hold what was sent of them", async () => {
    const before = process.memoryUsage().rss;
    const claims = await Promise.all(Array.from({ length: 100 }, () => camera()));
    for (const raw of claims) raw.send(publishClaiming(12 * mebibyte));
    await pause(100);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * mebibyte);
    for (const raw of claims) raw.destroy();
    await serves();
  });
});

describe("what is not MQTT 3.1.1", () => {
  it.each<readonly [string, Buffer]>([
    ["a QoS of 3", packet(0x36, [0, 1, 0x61, 0, 1])],
    ["a second CONNECT", connect({ clientId: "camera-1", username: "camera-1", password: "x" })],
    ["a packet of type 0", packet(0x00, [])],
    ["a packet of type 15", packet(0xf0, [])],
    ["a remaining length of five bytes", Buffer.from([0x32, 0xff, 0xff, 0xff, 0xff, 0x01])],
    ["a SUBSCRIBE without a filter", packet(0x82, [0, 1])],
    ["a PUBLISH on a wildcard", publish({ topic: topicOf("#"), qos: 1 })],
    ["a topic that is longer than its packet", packet(0x32, [0xff, 0xff, 0x61])],
  ])("%s closes the connection, is counted, and others are served", async (_name, bytes) => {
    const before = await countOf("HP_ENCODING");
    const listening = await camera();
    const raw = await camera("received");
    raw.send(bytes);
    await raw.end();
    // The connection that broke the protocol is gone; what else the device has open hears of it.
    expect(JSON.parse((await listening.next("publish")).payload)).toMatchObject({ code: "HP_ENCODING", id: null });
    expect(await countOf("HP_ENCODING")).toBe(before + 1);
    listening.destroy();
    await serves();
  });

  it("MQTT 5 is answered by CONNACK 1 and counted", async () => {
    const before = await countOf("HP_VERSION");
    const raw = await open();
    raw.send(packet(0x10, [0, 4, ...Buffer.from("MQTT"), 5, 2, 0, 0, 0, 0, 1, 0x61]));
    await raw.end();
    expect(raw.got).toEqual([{ type: "connack", sessionPresent: false, code: 1 }]);
    expect(await countOf("HP_VERSION")).toBe(before + 1);
    await serves();
  });
});

describe("a frozen subscriber", () => {
  it("holds up nobody, its decisions wait in the journal, and come when it reads again", async () => {
    const frozen = await camera("decision", 1);
    frozen.socket.pause();
    const active = await camera("error");
    const wanted = 400;
    const context = { note: "x".repeat(1000) };
    for (let n = 1; n <= wanted; n += 1) {
      const request = requestOf({ task: "people_only", context }, { kind: "entity", entity: "7" });
      active.send(publish({ topic: topicOf("request"), qos: 1, id: n, payload: encodeMessage(request, "json") }));
      if (n % 50 === 0) await serves();
    }
    for (let n = 1; n <= wanted; n += 1) expect((await active.next("puback")).id).toBe(n);
    expect(await hostile.metric("holdpoint_journal_undelivered")).toBeGreaterThanOrEqual(wanted);
    frozen.socket.resume();
    const seen = new Set<string>();
    while (seen.size < wanted) {
      const { id, payload } = await frozen.next("publish");
      seen.add((JSON.parse(payload) as { id: string }).id);
      frozen.send(packet(0x40, [id >> 8, id & 0xff]));
    }
    frozen.destroy();
  });
});

describe("sockets that never send CONNECT", () => {
  it("five thousand of them keep no device out, are closed, and are counted", async () => {
    const before = await countOf("HP_BUSY");
    const silent: RawClient[] = [];
    for (let n = 0; n < 5000; n += 500) {
      silent.push(...(await Promise.all(Array.from({ length: 500 }, () => RawClient.open(hostile.mqttPort)))));
      await serves();
    }
    // 512 may wait for their CONNECT; of more, those that are silent longest go.
    await until(() => silent.filter(({ closed }) => closed).length >= 5000 - 512, 20_000);
    expect((await countOf("HP_BUSY")) - before).toBe(5000 - 512);
    expect(await hostile.device("camera-1")).toBeDefined();
    for (const raw of silent) raw.destroy();
    await serves();
  }, 60_000);

  it("a CONNECT that does not arrive whole is closed by the connect timeout and counted", async () => {
    await dripping.end(8_000);
    expect(await countOf("HP_TIMEOUT")).toBe(1);
    await serves();
  });
});

describe("HTTP that is none", () => {
  it.each<readonly [string, string, number, ErrorCode]>([
    ["a request line that is none", "\x10\x05hello\r\n\r\n", 400, "HP_ENCODING"],
    ["two lengths", "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400, "HP_ENCODING"],
    ["headers of a megabyte", `GET / HTTP/1.1\r\nx: ${"y".repeat(1e6)}\r\n\r\n`, 413, "HP_TOO_LARGE"],
  ])("%s is a problem with its code, counted, and the next one is served", async (_name, bytes, status, code) => {
    const before = await countOf(code, "http");
    const answer = await exchange(Buffer.from(bytes));
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toContain("application/problem+json");
    expect(answer).toContain(`"code":"${code}"`);
    expect(await countOf(code, "http")).toBe(before + 1);
    await serves();
  });
});

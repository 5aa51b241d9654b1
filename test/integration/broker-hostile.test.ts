import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { connectAsync, type MqttClient } from "mqtt";
import { HoldpointError } from "../../protocol/index.ts";
import {
  connectBytes,
  inbox,
  jsonOf,
  openDoor,
  pause,
  requestOf,
  topic,
  until,
  type Door,
} from "../support/door-mqtt.ts";

let door: Door;
afterEach(async () => {
  await door.close();
});

const closed = (socket: Socket): Promise<void> =>
  socket.closed ? Promise.resolve() : new Promise((resolve) => void socket.once("close", () => resolve()));

/** A PUBLISH header that claims `bytes`, and a little of its body. */
function publishHeader(bytes: number): Buffer {
  const length: number[] = [];
  for (let left = bytes; ; left >>= 7) {
    length.push((left & 0x7f) | (left > 127 ? 0x80 : 0));
    if (left <= 127) break;
  }
  const name = Buffer.from(topic("request"));
  return Buffer.concat([Buffer.from([0x32, ...length, 0, name.length]), name, Buffer.from([0, 1])]);
}

async function serves(): Promise<void> {
  const client = await door.connect("till-1");
  const got = inbox(client);
  await client.subscribeAsync(topic("decision", "till-1"), { qos: 1 });
  await client.publishAsync(topic("request", "till-1"), jsonOf(requestOf(900)), { qos: 1 });
  await until(() => got.length === 1);
  await client.endAsync(true);
}

async function connackCode(socket: Socket): Promise<number> {
  const bytes = await new Promise<Buffer>((resolve) => void socket.once("data", resolve));
  expect(bytes[0]).toBe(0x20);
  return bytes[3] ?? -1;
}

describe("before a device has shown its secret", () => {
  test.each([
    ["a 300 MB frame", Buffer.concat([Buffer.from([0x10, 0x80, 0x80, 0x80, 0x96, 0x01]), Buffer.alloc(64)])],
    ["a CONNECT of 17 KiB", Buffer.from([0x10, 0x80, 0x88, 0x01])],
    ["a PUBLISH", publishHeader(100)],
    ["a remaining length of five bytes", Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x01])],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n")],
  ])("%s closes the socket at its header", async (_name, bytes) => {
    door = await openDoor();
    const socket = await door.raw();
    socket.write(bytes);
    await closed(socket);
    await serves();
  });

  test("what follows an unanswered CONNECT is not read", async () => {
    let answer: (known: boolean) => void = () => undefined;
    const slow = { verify: () => new Promise<boolean>((resolve) => (answer = resolve)), has: () => true };
    door = await openDoor({}, { devices: slow });
    const socket = await door.raw();
    socket.write(connectBytes("camera-1", "camera-1"));
    const before = process.memoryUsage().rss;
    const pings = Buffer.alloc(64 * 1024, Buffer.from([0xc0, 0x00]));
    for (let i = 0; i < 400; i += 1) socket.write(pings);
    await pause(200);
    expect(socket.writableLength).toBeGreaterThan(8 * 1024 * 1024);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    answer(false);
    expect(await connackCode(socket)).toBe(4);
  });

  test("2,000 sockets that never send CONNECT do not keep a device out", async () => {
    door = await openDoor({ silentConnectionsMax: 100, connectTimeoutMs: 2_000 });
    const sockets = await Promise.all(Array.from({ length: 2000 }, () => door.raw()));
    await until(
      () => sockets.filter((socket) => socket.closed || socket.readableEnded || socket.destroyed).length >= 1900,
    );
    await serves();
    await Promise.all(sockets.map((socket) => (socket.resume(), closed(socket))));
  }, 20_000);

  test("a CONNECT that drips is closed by the connect timeout", async () => {
    door = await openDoor({ connectTimeoutMs: 200 });
    const socket = await door.raw();
    const bytes = connectBytes("camera-1", "camera-1");
    const drip = setInterval(() => socket.write(bytes.subarray(0, 1)), 50);
    await closed(socket);
    clearInterval(drip);
  });

  test.each([
    ["a wrong secret", "camera-1", "camera-1", "wrong", 4],
    ["an unknown device", "nobody", "nobody", "nobody.secret", 4],
    ["a client id that does not begin with the device", "other", "camera-1", "camera-1.secret", 2],
    ["the client id of another device", "till-1", "camera-1", "camera-1.secret", 2],
  ])("%s is refused with its CONNACK code", async (_name, clientId, username, password, code) => {
    door = await openDoor();
    const refusedBy = connectAsync(
      `mqtt://127.0.0.1:${door.broker.port}`,
      { clientId, username, password, reconnectPeriod: 0 },
      false,
    );
    await expect(refusedBy).rejects.toMatchObject({ code });
    expect(door.broker.connections()).toBe(0);
  });

  test("an empty client id needs a clean session [MQTT-3.1.3-8]", async () => {
    door = await openDoor();
    const kept = await door.raw();
    kept.write(connectBytes("", "camera-1", false));
    expect(await connackCode(kept)).toBe(2);
    await closed(kept);
    const clean = await door.raw();
    clean.write(connectBytes("", "camera-1", true));
    expect(await connackCode(clean)).toBe(0);
  });
});

describe("a device that does not behave", () => {
  test("a frame larger than a message closes its connection at the header, and is counted", async () => {
    door = await openDoor();
    const socket = await door.raw();
    socket.write(connectBytes("camera-1", "camera-1"));
    expect(await connackCode(socket)).toBe(0);
    socket.write(publishHeader(200 * 1024 * 1024));
    await closed(socket);
    expect(door.metrics.refusals).toEqual(["mqtt HP_TOO_LARGE"]);
    await serves();
  });

  test.each([
    "#",
    "+/#",
    "$SYS/#",
    "holdpoint/v1/store-1/+/decision",
    "holdpoint/v1/store-1/till-1/decision",
    "holdpoint/v1/store-1/#",
    "holdpoint/v1/other/camera-1/decision",
  ])("subscribing to %s fails with 0x80 and brings nothing, in a kept session too", async (filter) => {
    door = await openDoor();
    const options = { clean: false, clientId: "camera-1", resubscribe: false };
    let client: MqttClient = await door.connect("camera-1", options);
    const granted = await client
      .subscribeAsync([filter, topic("decision")], { qos: 1 })
      .catch((error: unknown) => error);
    const codes = Array.isArray(granted) ? granted.map(({ qos }: { qos: number }) => qos) : granted;
    expect(JSON.stringify(codes)).toContain("128");
    await client.endAsync(true);
    client = await door.connect("camera-1", options);
    const got = inbox(client);
    await serves();
    await door.broker.publishStatus();
    await client.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 });
    await until(() => got.length === 1);
    await pause(30);
    expect(got.map((message) => message.topic)).toEqual([topic("decision")]);
  });

  test("a frozen subscriber holds up nobody, and memory stays within its window", async () => {
    door = await openDoor({ deliveryWindowMax: 32 });
    const frozen = await door.raw();
    frozen.write(connectBytes("camera-1", "camera-1"));
    expect(await connackCode(frozen)).toBe(0);
    const name = Buffer.from(topic("decision"));
    frozen.write(Buffer.concat([Buffer.from([0x82, name.length + 5, 0, 1, 0, name.length]), name, Buffer.from([1])]));
    await new Promise((resolve) => void frozen.once("data", resolve));
    frozen.pause();
    const quick = await door.connect("camera-1", { clientId: "camera-1-quick" });
    const got = inbox(quick);
    await quick.subscribeAsync(topic("decision"), { qos: 1 });
    door.service.label = "x".repeat(1000);
    const startMs = performance.now();
    for (let n = 0; n < 1000; n += 1) {
      await quick.publishAsync(topic("request"), jsonOf(requestOf(n)), { qos: 1 });
    }
    await until(() => got.length === 1000);
    expect(performance.now() - startMs).toBeLessThan(4_000);
  }, 20_000);

  test("without a keep alive, who owes a PUBACK and says nothing is closed; who owes nothing, or says something, is not", async () => {
    door = await openDoor({ frozenTimeoutMs: 1_500 });
    const subscribe = async (clientId: string, device: string): Promise<Socket> => {
      const socket = await door.raw();
      socket.write(connectBytes(clientId, device, true, { keepalive: 0 }));
      expect(await connackCode(socket)).toBe(0);
      const name = Buffer.from(topic("decision", device));
      const subscription = [Buffer.from([0x82, name.length + 5, 0, 1, 0, name.length]), name, Buffer.from([1])];
      socket.write(Buffer.concat(subscription));
      await new Promise((resolve) => void socket.once("data", resolve));
      return socket;
    };
    const [frozen, slow, idle] = [
      await subscribe("camera-1-frozen", "camera-1"),
      await subscribe("camera-1-slow", "camera-1"),
      await subscribe("till-1-idle", "till-1"),
    ];
    const ended: Socket[] = [];
    for (const socket of [frozen, slow, idle]) socket.once("close", () => ended.push(socket)).resume();
    const pings = setInterval(() => slow.write(Buffer.from([0xc0, 0])), 300);
    door.service.durable.set("1", { device: "camera-1", encoding: "json", transport: "mqtt", body: "" });
    door.service.decide("1");
    try {
      await until(() => ended.length > 0, 6_000);
      await pause(2_200);
      expect(ended).toEqual([frozen]);
      expect(door.metrics.refusals).toEqual(["mqtt HP_TIMEOUT"]);
      const again = await door.connect("camera-1", { clientId: "camera-1-again" });
      const got = inbox(again);
      await again.subscribeAsync(topic("decision"), { qos: 1 });
      await until(() => got.length === 1);
    } finally {
      clearInterval(pings);
    }
  }, 20_000);

  test("a publisher whose messages are not durable yet is not read further", async () => {
    door = await openDoor({ inflightPerClientMax: 16 });
    const commits: (() => void)[] = [];
    door.service.commit = () => new Promise((resolve) => void commits.push(resolve));
    const client = await door.connect();
    let acknowledged = 0;
    for (let n = 0; n < 500; n += 1) {
      client.publish(topic("request"), jsonOf(requestOf(n)), { qos: 1 }, (error) => (acknowledged += error ? 0 : 1));
    }
    await until(() => commits.length === 16);
    await pause(100);
    expect(door.service.submitted).toHaveLength(16);
    while (acknowledged < 500) {
      for (const commit of commits.splice(0)) commit();
      await pause(1);
    }
    expect(door.service.durable.size).toBe(500);
  });

  test("large frames of all devices share one budget of bytes", async () => {
    door = await openDoor({ largeFramesBytesMax: 3 * 1024 * 1024 });
    const commits: (() => void)[] = [];
    door.service.commit = () => new Promise((resolve) => void commits.push(resolve));
    const clients = await Promise.all([1, 2, 3, 4].map((n) => door.connect("camera-1", { clientId: `camera-1-${n}` })));
    const picture = Buffer.alloc(1024 * 1024, 1)
      .toString("base64")
      .slice(0, 1024 * 1024);
    const input = { kind: "image" as const, encoding: "jpeg" as const, data: picture as never };
    let acknowledged = 0;
    clients.forEach((client, n) => {
      client.publish(topic("request"), jsonOf(requestOf(n, { input })), { qos: 1 }, () => (acknowledged += 1));
    });
    await until(() => commits.length === 2);
    await pause(100);
    expect(commits).toHaveLength(2);
    while (acknowledged < 4) {
      for (const commit of commits.splice(0)) commit();
      await pause(5);
    }
  });

  test("a will is not kept: nothing is published for a device that is gone", async () => {
    door = await openDoor();
    const will = { topic: topic("request"), payload: Buffer.from(jsonOf(requestOf(1))), qos: 1 as const, retain: true };
    const client = await door.connect("camera-1", { will });
    client.stream.destroy();
    await until(() => door.broker.connections() === 0);
    await pause(30);
    expect(door.service.submitted).toEqual([]);
  });

  test("a silent device is closed at one and a half times its keep alive", async () => {
    door = await openDoor();
    const socket = await door.raw();
    socket.write(connectBytes("camera-1", "camera-1", true, { keepalive: 1 }));
    expect(await connackCode(socket)).toBe(0);
    const startMs = performance.now();
    socket.resume();
    await closed(socket);
    expect(performance.now() - startMs).toBeGreaterThan(1_400);
  });

  test("a bug behind the door is told to the device as busy, not to everybody as a crash", async () => {
    door = await openDoor();
    door.service.submit = () => Promise.reject(new Error("a bug"));
    const client = await door.connect();
    const got = inbox(client);
    await client.subscribeAsync(topic("error"), { qos: 1 });
    client.publish(topic("request"), jsonOf(requestOf(1)), { qos: 1 }, () => undefined);
    await until(() => got.length === 1);
    expect(JSON.parse(got[0]?.payload.toString() ?? "")).toMatchObject({ code: "HP_BUSY" });
  });
});

describe("the door itself", () => {
  test("a port in use is HP_PORT", async () => {
    door = await openDoor();
    const taken = createServer();
    await new Promise<void>((resolve) => void taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(openDoor({}, { port })).rejects.toSatisfy(
      (error) => error instanceof HoldpointError && error.code === "HP_PORT",
    );
    taken.close();
  });

  test("the status is retained, and published again when it changes", async () => {
    door = await openDoor();
    await door.broker.publishStatus();
    const client = await door.connect();
    const got = inbox(client);
    const name = "holdpoint/v1/store-1/agents/agent-1/status";
    await client.subscribeAsync("holdpoint/v1/store-1/agents/+/status", { qos: 1 });
    await until(() => got.length === 1);
    expect(got[0]?.topic).toBe(name);
    expect(JSON.parse(got[0]?.payload.toString() ?? "")).toMatchObject({ state: "ready", safeToPowerOff: true });
    door.service.state = "degraded";
    await door.broker.publishStatus();
    await until(() => got.length === 2);
    expect(JSON.parse(got[1]?.payload.toString() ?? "")).toMatchObject({ state: "degraded" });
  });

  test("a device that is removed is shown out", async () => {
    let known = true;
    const devices = { verify: () => Promise.resolve(known), has: (name: string) => known && name === "camera-1" };
    door = await openDoor({}, { devices });
    await door.connect();
    known = false;
    await until(() => door.broker.connections() === 0);
  });

  test("closing lets a commit end and its acknowledgement leave", async () => {
    door = await openDoor();
    let commit: () => void = () => undefined;
    door.service.commit = () => new Promise((resolve) => (commit = resolve));
    const client = await door.connect();
    const published = client.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 });
    await until(() => door.service.submitted.length === 1);
    const closing = door.broker.close(2_000);
    await pause(50);
    commit();
    await published;
    await closing;
  });

  test("TLS serves the same, and silence before the handshake is timed", async () => {
    const dir = mkdtempSync(join(tmpdir(), "holdpoint-tls-"));
    const certFile = join(dir, "cert.pem");
    const keyFile = join(dir, "key.pem");
    const subject = ["-subj", "/CN=localhost", "-days", "2", "-nodes", "-keyout", keyFile, "-out", certFile];
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", ...subject], {
      stdio: "ignore",
    });
    door = await openDoor({ connectTimeoutMs: 300 }, { tls: { port: 0, certFile, keyFile } });
    const port = door.broker.tlsPort ?? 0;
    const client = await connectAsync(`mqtts://127.0.0.1:${port}`, {
      clientId: "camera-1",
      username: "camera-1",
      password: "camera-1.secret",
      rejectUnauthorized: false,
      reconnectPeriod: 0,
    });
    const got = inbox(client);
    await client.subscribeAsync(topic("decision"), { qos: 1 });
    await client.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 });
    await until(() => got.length === 1);
    await client.endAsync(true);
    const { connect } = await import("node:net");
    const silent = connect(port, "127.0.0.1");
    await closed(silent);
    const garbage = connect(port, "127.0.0.1", () => garbage.write("GET / HTTP/1.1\r\n\r\n"));
    garbage.on("error", () => undefined);
    garbage.resume();
    await closed(garbage);
  });
});

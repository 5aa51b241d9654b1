import { describe, expect, it } from "vitest";
import {
  closes,
  device,
  door,
  eachWithItsDoor,
  hello,
  idIn,
  listening,
  open,
  request,
  statusTopic,
} from "../fixtures/hostile/mqtt-device.ts";
import { disconnect, packet, pingreq, publish, pubrel, subscribe, unsubscribe } from "../fixtures/hostile/raw-mqtt.ts";
import { jsonOf, requestOf, topic, until } from "../support/door-mqtt.ts";

/**
 * The embedded broker against the clauses of MQTT 3.1.1 (OASIS, 29 October 2014), over raw sockets: packets, connections, sessions, publishing.
 * The names of the tests carry the clauses; the cases are those of the Eclipse Paho interoperability tests, written anew.
 * Where the agent is stricter than a general broker the test says why it may be: a topic here is a road to the agent and
 * not a channel between devices.
 */

eachWithItsDoor();

describe("control packets", () => {
  it.each<readonly [string, Buffer]>([
    ["SUBSCRIBE with flags 0", subscribe(1, [[topic("decision"), 1]], 0x80)],
    ["UNSUBSCRIBE with flags 0", unsubscribe(1, [topic("decision")], 0xa0)],
    ["PUBREL with flags 0", packet(0x60, [0, 1])],
    ["PINGREQ with flags 1", packet(0xc1, [])],
    ["DISCONNECT with flags 1", packet(0xe1, [])],
    ["PUBACK with flags 2", packet(0x42, [0, 1])],
  ])("[MQTT-2.2.2-2] %s closes the connection", async (_name, bytes) => {
    await closes((await device()).send(bytes));
  });

  it.each<readonly [string, Buffer]>([
    ["SUBSCRIBE", subscribe(0, [[topic("decision"), 1]])],
    ["UNSUBSCRIBE", unsubscribe(0, [topic("decision")])],
    ["PUBLISH", publish({ topic: topic("request"), qos: 1, id: 0, payload: "{}" })],
  ])("[MQTT-2.3.1-1] %s without a packet id closes the connection", async (_name, bytes) => {
    await closes((await device()).send(bytes));
    expect(door.service.submitted).toEqual([]);
  });

  it("[MQTT-2.2.3] a remaining length of five bytes closes the connection", async () => {
    await closes((await device()).send(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01])));
  });

  it("[MQTT-2.2.3] a packet may come byte by byte, and many may come at once", async () => {
    const raw = await open();
    for (const byte of hello()) raw.socket.write(Buffer.from([byte]));
    await raw.next("connack");
    raw.send(...Array.from({ length: 20 }, pingreq), subscribe(7, [[topic("decision"), 0]]));
    for (let n = 0; n < 20; n += 1) await raw.next("pingresp");
    expect((await raw.next("suback")).id).toBe(7);
  });

  it.each<readonly [string, Uint8Array]>([
    ["ill-formed UTF-8 [MQTT-1.5.3-1]", Buffer.from([...Buffer.from(topic("request")), 0xc3, 0x28])],
    ["a surrogate [MQTT-1.5.3-1]", Buffer.from([...Buffer.from(topic("request")), 0xed, 0xa0, 0x80])],
    ["U+0000 [MQTT-1.5.3-2]", Buffer.from(`${topic("request")}\0`)],
  ])("a topic with %s closes the connection", async (_name, bytes) => {
    await closes((await device()).send(publish({ topic: bytes, qos: 1, payload: jsonOf(requestOf(1)) })));
    expect(door.service.submitted).toEqual([]);
  });

  it("[MQTT-1.5.3-3] U+FEFF in a topic is a character like any other, and no byte order mark", async () => {
    const raw = await device();
    raw.send(publish({ topic: `\uFEFF${topic("request")}`, qos: 1, payload: jsonOf(requestOf(1)) }));
    expect((await raw.next("puback")).id).toBe(1);
    expect([door.service.submitted.length, door.metrics.refusals]).toEqual([0, ["mqtt HP_FORBIDDEN"]]);
  });
});

describe("CONNECT", () => {
  it("[MQTT-3.1.0-1] whatever else comes first closes the connection", async () => {
    for (const bytes of [pingreq(), request(1), subscribe(1, [["#", 0]]), disconnect(), packet(0x20, [0, 0])]) {
      await closes((await open()).send(bytes));
    }
    expect(door.service.submitted).toEqual([]);
  });

  it("[MQTT-3.1.0-2] a second CONNECT closes the connection", async () => {
    await closes((await device()).send(hello()));
  });

  it("[MQTT-3.1.2-1] another protocol name closes the connection", async () => {
    for (const protocol of ["MQTX", "mqtt", "HTTP"]) await closes((await open()).send(hello({ protocol })));
  });

  it("[MQTT-3.1.2-2] [MQTT-3.2.2-4] [MQTT-3.2.2-5] a level that is not 4 is CONNACK 1 without a session, then the end", async () => {
    const raw = await open();
    raw.send(packet(0x10, [0, 4, ...Buffer.from("MQTT"), 5, 2, 0, 0, 0, 0, 1, 0x61]));
    await closes(raw, [{ type: "connack", code: 1, sessionPresent: false }]);
  });

  it.each([
    ["[MQTT-3.1.2-3] the reserved flag", 0xc3],
    ["[MQTT-3.1.2-11] [MQTT-3.1.2-13] a will QoS without a will", 0xca],
    ["[MQTT-3.1.2-15] a will retain without a will", 0xe2],
    ["[MQTT-3.1.2-22] a password without a user name", 0x42],
  ])("%s closes the connection", async (_name, flags) => {
    const raw = await open();
    raw.send(hello({ flags }));
    await raw.end();
    expect(raw.got.every((item) => item.type === "connack" && item.code !== 0)).toBe(true);
  });

  it("[MQTT-3.1.2-14] a will QoS of 3 closes the connection", async () => {
    const raw = await open();
    raw.send(hello({ will: { topic: topic("request"), payload: "x", qos: 3 } }));
    await closes(raw);
  });

  it("[MQTT-3.1.3-2] the client id names the session: another one of the device has a session of its own", async () => {
    (await listening(topic("decision"), 1, { clean: false })).destroy();
    expect((await device({ clean: false, clientId: "camera-1-b" })).present).toBe(false);
    expect((await device({ clean: false })).present).toBe(true);
  });

  it("[MQTT-3.1.3-5] [MQTT-3.1.3-9] a client id must begin with the device's name: others are CONNACK 2, then the end", async () => {
    // Stricter than "must allow": 3.1.3-9 lets a server refuse an id, and without it a device could end another's session.
    for (const clientId of ["abc123", "till-1", "x"]) {
      await closes((await open()).send(hello({ clientId })), [{ type: "connack", code: 2, sessionPresent: false }]);
    }
    for (const clientId of ["camera-1", "camera-1abcdefghijklmno", `camera-1-${"x".repeat(200)}`]) {
      (await device({ clientId })).destroy();
    }
  });

  it("zero-length client id [MQTT-3.1.3-6] [MQTT-3.1.3-7]: with a clean session it is accepted under an id of the server's", async () => {
    const [a, b] = [await device({ clientId: "" }), await device({ clientId: "" })];
    a.send(pingreq());
    b.send(pingreq());
    await Promise.all([a.next("pingresp"), b.next("pingresp")]);
    expect(door.broker.connections()).toBe(2);
  });

  it("zero-length client id [MQTT-3.1.3-8]: without a clean session it is CONNACK 2, then the end", async () => {
    const raw = (await open()).send(hello({ clientId: "", clean: false }));
    await closes(raw, [{ type: "connack", code: 2, sessionPresent: false }]);
  });

  it("[MQTT-3.1.4-2] the same client id again ends the older connection", async () => {
    const older = await device();
    const newer = await device();
    await older.end();
    newer.send(pingreq());
    await newer.next("pingresp");
    expect(door.broker.connections()).toBe(1);
  });

  it("[MQTT-3.1.4-4] [MQTT-3.2.0-1] CONNACK is the first answer, also to who did not wait for it (3.1.4)", async () => {
    const raw = await open();
    raw.send(hello(), subscribe(1, [[topic("decision"), 1]]), request(2), pingreq());
    expect((await raw.next("connack")).code).toBe(0);
    await until(() => raw.got.length >= 5);
    expect(new Set(raw.got.map(({ type }) => type))).toEqual(
      new Set(["connack", "suback", "puback", "pingresp", "publish"]),
    );
  });

  it("[MQTT-3.1.4-5] nothing is processed of who was refused", async () => {
    const raw = (await open()).send(hello({ password: "wrong" }), request(1));
    await closes(raw, [{ type: "connack", code: 4, sessionPresent: false }]);
    expect(door.service.submitted).toEqual([]);
  });
});

describe("sessions", () => {
  it("[MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3] session present is 1 exactly where one was kept", async () => {
    expect((await device({ clean: true })).present).toBe(false);
    expect((await device({ clean: false })).present).toBe(false);
    // Without a subscription there is nothing to keep but what the journal has.
    expect((await device({ clean: false })).present).toBe(false);
    (await listening(topic("decision"), 1, { clean: false })).destroy();
    expect((await device({ clean: false })).present).toBe(true);
    expect((await device({ clean: true })).present).toBe(false);
  });

  it("[MQTT-3.1.2-4] a kept session has its subscriptions again, without a SUBSCRIBE", async () => {
    (await listening(topic("decision"), 1, { clean: false })).destroy();
    const raw = await device({ clean: false });
    raw.send(request(2));
    expect(await raw.next("puback")).toMatchObject({ id: 2 });
    expect(idIn(await raw.next("publish"))).toBe(requestOf(2).id);
  });

  it("[MQTT-3.1.2-6] a clean session begins without the subscriptions of a kept one, and ends it", async () => {
    (await listening(topic("decision"), 1, { clean: false })).destroy();
    const clean = await device({ clean: true });
    clean.send(request(2));
    await clean.next("puback");
    expect(await clean.quiet()).toEqual([]);
    clean.destroy();
    expect((await device({ clean: false })).present).toBe(false);
  });

  it("[MQTT-3.1.2-6] a clean session ends with its connection", async () => {
    (await listening()).destroy();
    expect((await device({ clean: false })).present).toBe(false);
  });

  it("[MQTT-3.1.2-7] retained messages are no part of a session: they come for a SUBSCRIBE only", async () => {
    await door.broker.publishStatus();
    const first = await listening(statusTopic, 1, { clean: false });
    expect((await first.next("publish")).retain).toBe(true);
    first.destroy();
    expect(await (await device({ clean: false })).quiet()).toEqual([]);
  });
});

describe("basic: publish at each QoS", () => {
  it("[MQTT-4.3.1-1] QoS 0 is taken and not answered", async () => {
    const raw = await device();
    raw.send(request(1, { qos: 0 }), pingreq());
    await raw.next("pingresp");
    expect(await raw.quiet()).toEqual([]);
    expect([...door.service.durable.keys()]).toEqual([requestOf(1).id]);
  });

  it("[MQTT-4.3.2-2] [MQTT-2.3.1-6] QoS 1 is answered by PUBACK with its packet id", async () => {
    const raw = await device();
    raw.send(request(1, { id: 65_535 }));
    expect(await raw.next("puback")).toEqual({ type: "puback", id: 65_535 });
  });

  it("[MQTT-4.3.2-2] a PUBLISH at QoS 1 that comes again after its PUBACK is a new one, marked as repeat or not", async () => {
    const raw = await device();
    for (const dup of [false, true, true]) {
      raw.send(request(1, { dup }));
      await raw.next("puback");
    }
    // Three messages with one body: the request is known by its id and not by its packet id.
    expect([door.service.submitted.length, door.service.durable.size]).toEqual([3, 1]);
  });

  it("[MQTT-4.3.3-2] QoS 2: PUBREC, then PUBCOMP for PUBREL; a repeat before PUBREL is not taken twice", async () => {
    const raw = await device();
    raw.send(request(1, { qos: 2, id: 9 }));
    expect((await raw.next("pubrec")).id).toBe(9);
    raw.send(request(1, { qos: 2, id: 9, dup: true }));
    expect((await raw.next("pubrec")).id).toBe(9);
    raw.send(pubrel(9));
    expect((await raw.next("pubcomp")).id).toBe(9);
    // [MQTT-4.3.3-2] PUBREL again is PUBCOMP again; then the packet id is free for another message.
    raw.send(pubrel(9));
    expect((await raw.next("pubcomp")).id).toBe(9);
    raw.send(request(2, { qos: 2, id: 9 }));
    expect((await raw.next("pubrec")).id).toBe(9);
    expect(door.service.durable.size).toBe(2);
  });

  it("[MQTT-4.4.0-1] QoS 2 is completed by a kept session on its next connection", async () => {
    const first = await listening(topic("decision"), 1, { clean: false });
    first.send(request(1, { qos: 2, id: 9 }));
    await until(() => first.got.some(({ type }) => type === "pubrec"));
    first.destroy();
    const second = await device({ clean: false });
    second.send(request(1, { qos: 2, id: 9, dup: true }), pubrel(9));
    await until(() => second.got.some(({ type }) => type === "pubcomp"));
    expect(door.service.durable.size).toBe(1);
  });

  it("[MQTT-4.6.0-2] PUBACKs leave in the order of the messages", async () => {
    const raw = await device();
    raw.send(...Array.from({ length: 100 }, (_, n) => request(n + 1)));
    for (let n = 1; n <= 100; n += 1) expect((await raw.next("puback")).id).toBe(n);
  });

  it("[MQTT-3.3.1-4] QoS 3 closes the connection", async () => {
    await closes((await device()).send(request(1, { qos: 3 })));
  });

  it("[MQTT-3.3.2-2] [MQTT-4.7.3-1] a wildcard or nothing for a topic closes the connection", async () => {
    for (const bad of [topic("+"), topic("#"), "#", ""]) {
      await closes((await device()).send(publish({ topic: bad, qos: 1 })));
    }
  });

  it("[MQTT-3.3.5-2] a topic that the device may not publish on is acknowledged, and nothing comes of it", async () => {
    const raw = await device();
    for (const [n, to] of [topic("request", "till-1"), topic("decision"), statusTopic, "$SYS/x", "/"].entries()) {
      raw.send(publish({ topic: to, qos: 1, id: n + 1, payload: jsonOf(requestOf(n)) }));
      expect((await raw.next("puback")).id).toBe(n + 1);
    }
    expect(door.service.submitted).toEqual([]);
  });
});

describe("keep alive", () => {
  it("[MQTT-3.1.2-24] silence for one and a half times the keep alive closes the connection, PINGREQ does not let it", async () => {
    const silent = await device({ keepAlive: 1 });
    const alive = await device({ keepAlive: 1, clientId: "camera-1-alive" });
    const beginMs = performance.now();
    const beat = setInterval(() => alive.send(pingreq()), 500);
    await silent.end();
    const tookMs = performance.now() - beginMs;
    expect(tookMs).toBeGreaterThan(1_400);
    expect(tookMs).toBeLessThan(10_000);
    await alive.quiet(300);
    clearInterval(beat);
    expect(alive.closed).toBe(false);
  });

  it("[MQTT-3.12.4-1] PINGREQ is answered by PINGRESP", async () => {
    const raw = await device();
    raw.send(pingreq());
    await raw.next("pingresp");
  });
});

describe("will messages", () => {
  it("[MQTT-3.1.2-8] a will is accepted and not published: it would be a request that no device sent", async () => {
    // Wills reach only who subscribed to their topic, and no device may subscribe to what devices publish; so no
    // subscriber can tell this from a broker that publishes it. What it must not do is reach the agent's journal.
    const raw = await device({
      will: { topic: topic("request"), payload: jsonOf(requestOf(1)), qos: 1, retain: true },
    });
    const other = await device({ device: "till-1" });
    raw.destroy();
    await until(() => door.broker.connections() === 1);
    expect(await other.quiet()).toEqual([]);
    expect(door.service.submitted).toEqual([]);
  });
});

describe("DISCONNECT", () => {
  it("[MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-3.14.4-3] ends the connection; nothing after it is processed", async () => {
    const raw = await device({ will: { topic: topic("request"), payload: jsonOf(requestOf(1)) } });
    raw.send(disconnect(), request(2));
    await raw.end();
    expect(door.service.submitted).toEqual([]);
  });
});

import { describe, expect, it } from "vitest";
import {
  closes,
  decided,
  device,
  door,
  eachWithItsDoor,
  idIn,
  listening,
  request,
  statusTopic,
} from "../fixtures/hostile/mqtt-device.ts";
import { packet, pingreq, puback, publish, subscribe, unsubscribe } from "../fixtures/hostile/raw-mqtt.ts";
import { requestOf, topic, until } from "../support/door-mqtt.ts";

/**
 * The embedded broker against the clauses of MQTT 3.1.1 (OASIS, 29 October 2014), over raw sockets: subscriptions and what they bring.
 * The names of the tests carry the clauses; the cases are those of the Eclipse Paho interoperability tests, written anew.
 * Where the agent is stricter than a general broker the test says why it may be: a topic here is a road to the agent and
 * not a channel between devices.
 */

eachWithItsDoor();

describe("subscribe", () => {
  it("[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-4] [MQTT-3.8.4-5] one SUBACK with the packet id and a code for each filter", async () => {
    const raw = await device();
    raw.send(
      subscribe(513, [
        [topic("decision"), 0],
        [topic("error"), 1],
        [topic("received"), 2],
        [topic("decision", "till-1"), 1],
        [statusTopic, 1],
      ]),
    );
    expect(await raw.next("suback")).toEqual({ type: "suback", id: 513, codes: [0, 1, 2, 0x80, 1] });
  });

  it("[MQTT-3.8.4-6] decisions are published at QoS 1: a subscription at 2 gets 1, one at 0 gets 0", async () => {
    for (const [qos, n] of [
      [2, 1],
      [1, 2],
      [0, 3],
    ] as const) {
      const raw = await listening(topic("decision"), qos);
      raw.send(request(n));
      await raw.next("puback");
      const message = await raw.next("publish");
      expect([qos, message.qos, message.retain, message.dup]).toEqual([qos, Math.min(qos, 1), false, false]);
      if (qos > 0) raw.send(puback(message.id));
      await until(() => door.service.rows.length === 0);
      raw.destroy();
    }
  });

  it("[MQTT-3.8.4-3] the same filter again replaces the subscription, and brings the retained message again", async () => {
    await door.broker.publishStatus();
    const raw = await device();
    for (const qos of [0, 1, 1]) {
      raw.send(subscribe(1, [[statusTopic, qos]]));
      expect((await raw.next("suback")).codes).toEqual([qos]);
      expect(await raw.next("publish")).toMatchObject({ topic: statusTopic, retain: true });
    }
    door.service.state = "degraded";
    await door.broker.publishStatus();
    await raw.next("publish");
    expect(await raw.quiet()).toEqual([]);
  });

  it("[MQTT-3.8.3-3] [MQTT-3.10.3-2] a SUBSCRIBE or UNSUBSCRIBE without a filter closes the connection", async () => {
    await closes((await device()).send(packet(0x82, [0, 1])));
    await closes((await device()).send(packet(0xa2, [0, 1])));
  });

  it("[MQTT-3.8.3-4] a QoS of 3, or a reserved bit of it, closes the connection", async () => {
    for (const qos of [3, 4, 0x81]) await closes((await device()).send(subscribe(1, [[topic("decision"), qos]])));
  });

  it.each([
    ["[MQTT-4.7.1-2] # that is not last", `${topic("")}#/x`],
    ["[MQTT-4.7.1-2] # beside other characters", topic("deci#")],
    ["[MQTT-4.7.1-3] + beside other characters", topic("deci+")],
    ["[MQTT-4.7.3-1] nothing", ""],
  ])("a filter with %s is never granted", async (_name, filter) => {
    const raw = await device();
    raw.send(subscribe(1, [[filter, 1]]));
    await until(() => raw.closed || raw.got.length > 1);
    const [, answer] = raw.got;
    if (answer) expect(answer).toMatchObject({ type: "suback", codes: [0x80] });
  });

  it("subscribe failure: 0x80 for one filter leaves the others of its packet in force", async () => {
    const raw = await device();
    raw.send(
      subscribe(1, [
        ["holdpoint/v1/+/+/decision", 1],
        [topic("decision"), 1],
      ]),
    );
    expect((await raw.next("suback")).codes).toEqual([0x80, 1]);
    raw.send(request(1));
    await raw.next("puback");
    expect(idIn(await raw.next("publish"))).toBe(requestOf(1).id);
  });
});

describe("$ topics", () => {
  it("[MQTT-4.7.2-1] neither # nor + brings what begins with $; here neither is granted, and $SYS is not either", async () => {
    const raw = await device();
    raw.send(
      subscribe(1, [
        ["#", 1],
        ["+/#", 1],
        ["$SYS/#", 1],
        ["+/broker/uptime", 1],
        ["$share/all/#", 1],
      ]),
    );
    expect((await raw.next("suback")).codes).toEqual([0x80, 0x80, 0x80, 0x80, 0x80]);
    const other = await device({ device: "till-1" });
    other.send(publish({ topic: "$SYS/x", qos: 1, payload: "x" }));
    await other.next("puback");
    await door.broker.publishStatus();
    expect(await raw.quiet()).toEqual([]);
  });
});

describe("overlapping subscriptions", () => {
  it("[MQTT-3.3.5-1] a decision comes once, at the highest QoS of the filters that match", async () => {
    const raw = await device();
    raw.send(
      subscribe(1, [
        [topic("decision"), 0],
        [topic("+"), 1],
        [topic("#"), 0],
      ]),
    );
    expect((await raw.next("suback")).codes).toEqual([0, 1, 0]);
    raw.send(request(5));
    await until(() => raw.got.some((item) => item.type === "publish" && item.topic === topic("decision")));
    await raw.quiet();
    const copies = raw.got.filter((item) => item.type === "publish" && item.topic === topic("decision"));
    expect(copies.map((item) => item.type === "publish" && item.qos)).toEqual([1]);
  });

  it("[MQTT-3.10.4-2] taking one of them back leaves the other", async () => {
    const raw = await listening();
    raw.send(subscribe(2, [[topic("+"), 0]]), unsubscribe(3, [topic("decision")]));
    await raw.next("suback");
    await raw.next("unsuback");
    raw.send(request(5));
    await until(() => raw.got.some((item) => item.type === "publish" && item.topic === topic("decision")));
    const [copy] = raw.got.filter((item) => item.type === "publish" && item.topic === topic("decision"));
    expect(copy).toMatchObject({ qos: 0 });
  });
});

describe("unsubscribe", () => {
  it("[MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] UNSUBACK has the packet id, whether anything matched or not", async () => {
    const raw = await listening();
    raw.send(unsubscribe(700, [topic("decision"), "weather", topic("decision")]));
    expect(await raw.next("unsuback")).toEqual({ type: "unsuback", id: 700 });
    raw.send(unsubscribe(701, [topic("decision")]));
    expect((await raw.next("unsuback")).id).toBe(701);
  });

  it("[MQTT-3.10.4-1] filters are compared character by character", async () => {
    const raw = await listening();
    raw.send(unsubscribe(2, [topic("+"), topic("Decision"), topic("#")]));
    await raw.next("unsuback");
    raw.send(request(3));
    await raw.next("puback");
    await raw.next("publish");
  });

  it("[MQTT-3.10.4-2] [MQTT-3.10.4-3] nothing new comes, and what was sent may still be acknowledged", async () => {
    const raw = await listening();
    raw.send(request(1));
    await raw.next("puback");
    const sent = await raw.next("publish");
    raw.send(unsubscribe(2, [topic("decision")]));
    await raw.next("unsuback");
    raw.send(puback(sent.id));
    await until(() => door.service.rows.length === 0);
    raw.send(request(2));
    await raw.next("puback");
    expect(await raw.quiet()).toEqual([]);
    // It waits in the journal and comes with the next subscription.
    raw.send(subscribe(3, [[topic("decision"), 1]]));
    await raw.next("suback");
    expect(idIn(await raw.next("publish"))).toBe(requestOf(2).id);
  });
});

describe("retained messages", () => {
  it("[MQTT-3.3.1-6] [MQTT-3.3.1-8] [MQTT-3.3.1-9] the status comes with retain 1 to a new subscription, with 0 to an old one", async () => {
    await door.broker.publishStatus();
    const raw = await listening("holdpoint/v1/store-1/agents/+/status", 1);
    const first = await raw.next("publish");
    expect(first).toMatchObject({ topic: statusTopic, retain: true });
    expect(JSON.parse(first.payload)).toMatchObject({ state: "ready" });
    door.service.state = "degraded";
    await door.broker.publishStatus();
    const second = await raw.next("publish");
    expect(second).toMatchObject({ topic: statusTopic, retain: false });
    // [MQTT-3.3.1-7] The newer one replaces the older.
    const later = await listening(statusTopic, 1, { clientId: "camera-1-later" });
    expect((await later.next("publish")).payload).toBe(second.payload);
  });

  it("[MQTT-3.3.1-5] a device's message is not kept: it is for the agent, which has it in its journal", async () => {
    // Retaining would hand one device's request to a later subscriber; no device may subscribe to requests at all.
    const raw = await device();
    raw.send(request(1, { retain: true }));
    await raw.next("puback");
    raw.send(subscribe(2, [[topic("#"), 1]]));
    await raw.next("suback");
    const rest = await raw.quiet();
    expect(rest.filter((item) => item.type === "publish" && item.topic === topic("request"))).toEqual([]);
    expect(door.service.durable.size).toBe(1);
  });

  it("[MQTT-3.3.1-10] [MQTT-3.3.1-11] a device cannot take the agent's retained status away", async () => {
    await door.broker.publishStatus();
    const raw = await device();
    raw.send(publish({ topic: statusTopic, qos: 1, retain: true }), publish({ topic: statusTopic, retain: true }));
    await raw.next("puback");
    raw.send(subscribe(2, [[statusTopic, 0]]));
    await raw.next("suback");
    expect(JSON.parse((await raw.next("publish")).payload)).toMatchObject({ state: "ready" });
  });
});

describe("offline message queueing", () => {
  it("[MQTT-3.1.2-5] decisions at QoS 1 wait for a kept session and come in order", async () => {
    const first = await listening(topic("decision"), 1, { clean: false });
    door.service.decides = false;
    for (let n = 1; n <= 5; n += 1) {
      first.send(request(n));
      await first.next("puback");
    }
    first.destroy();
    await until(() => door.broker.connections() === 0);
    for (let n = 1; n <= 5; n += 1) await decided(n);
    const second = await device({ clean: false });
    for (let n = 1; n <= 5; n += 1) {
      const message = await second.next("publish");
      expect(idIn(message)).toBe(requestOf(n).id);
      second.send(puback(message.id));
    }
    await until(() => door.service.rows.length === 0);
  });

  it("a decision waits for a device with a clean session as well, until it subscribes: it is owed by the journal", async () => {
    const first = await device();
    first.send(request(1));
    await first.next("puback");
    first.destroy();
    const second = await device();
    expect(await second.quiet()).toEqual([]);
    second.send(subscribe(1, [[topic("decision"), 1]]));
    await second.next("suback");
    expect(idIn(await second.next("publish"))).toBe(requestOf(1).id);
  });
});

describe("redelivery on reconnect", () => {
  it("[MQTT-4.4.0-1] [MQTT-3.3.1-1] what was not acknowledged comes again in a kept session: same packet id, DUP, same order", async () => {
    const first = await listening(topic("decision"), 1, { clean: false });
    const sent = [];
    for (let n = 1; n <= 3; n += 1) {
      first.send(request(n));
      await first.next("puback");
      sent.push(await first.next("publish"));
    }
    expect(sent.map(({ dup }) => dup)).toEqual([false, false, false]);
    first.send(puback(sent[1]?.id ?? 0));
    await until(() => door.service.rows.length === 2);
    first.destroy();
    await until(() => door.broker.connections() === 0);
    const second = await device({ clean: false });
    for (const n of [0, 2]) expect(await second.next("publish")).toEqual({ ...sent[n], dup: true });
    second.send(puback(sent[0]?.id ?? 0), puback(sent[2]?.id ?? 0));
    await until(() => door.service.rows.length === 0);
    expect(await second.quiet()).toEqual([]);
  });

  it("[MQTT-2.3.1-4] a packet id is not used again before its PUBACK", async () => {
    const raw = await listening();
    const ids = new Set<number>();
    for (let n = 1; n <= 20; n += 1) {
      raw.send(request(n));
      await raw.next("puback");
      ids.add((await raw.next("publish")).id);
    }
    expect([ids.size, ids.has(0)]).toEqual([20, false]);
  });

  it("[MQTT-4.3.2-2] a PUBACK for a packet id that nothing was sent under changes nothing", async () => {
    const raw = await listening();
    raw.send(puback(4321), pingreq());
    await raw.next("pingresp");
    raw.send(request(1));
    await raw.next("puback");
    await raw.next("publish");
  });
});

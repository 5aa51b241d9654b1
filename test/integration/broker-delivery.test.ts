import { afterEach, describe, expect, test } from "vitest";
import { decodeMessage, encodeMessage, HoldpointError, type Decision } from "../../protocol/index.ts";
import { inbox, jsonOf, openDoor, pause, requestOf, topic, until, type Door } from "../support/door-mqtt.ts";

let door: Door;
afterEach(async () => {
  await door.close();
});

const decisionIn = (message: { payload: Buffer }): Decision => JSON.parse(message.payload.toString()) as Decision;

describe("from a request to its decision", () => {
  test("a request is acknowledged only after its commit", async () => {
    door = await openDoor();
    let commit: () => void = () => undefined;
    door.service.commit = () => new Promise((resolve) => (commit = resolve));
    const client = await door.connect();
    let acknowledged = false;
    void client.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 }).then(() => (acknowledged = true));
    await until(() => door.service.submitted.length === 1);
    await pause(50);
    expect(acknowledged).toBe(false);
    commit();
    await until(() => acknowledged);
    expect(door.service.durable.size).toBe(1);
    expect(door.metrics.acks).toBe(1);
  });

  test("acknowledgements leave in the order of the messages, whatever order the commits end in", async () => {
    door = await openDoor();
    const commits: (() => void)[] = [];
    door.service.commit = () => new Promise((resolve) => void commits.push(resolve));
    const client = await door.connect();
    const order: number[] = [];
    for (const n of [1, 2, 3]) {
      void client.publishAsync(topic("request"), jsonOf(requestOf(n)), { qos: 1 }).then(() => order.push(n));
    }
    await until(() => commits.length === 3);
    commits[2]?.();
    commits[1]?.();
    await pause(50);
    expect(order).toEqual([]);
    commits[0]?.();
    await until(() => order.length === 3);
    expect(order).toEqual([1, 2, 3]);
  });

  test("the decision comes in the encoding of the request, once, and the PUBACK clears its row", async () => {
    door = await openDoor();
    const client = await door.connect();
    const got = inbox(client);
    await client.subscribeAsync(topic("decision"), { qos: 1 });
    await client.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 });
    await client.publishAsync(topic("request"), Buffer.from(encodeMessage(requestOf(2), "msgpack")), { qos: 1 });
    await until(() => got.length === 2 && door.service.deliveredRows.length === 2);
    expect(decisionIn(got[0] ?? { payload: Buffer.from("{}") }).id).toBe(requestOf(1).id);
    const second = decodeMessage(got[1]?.payload ?? new Uint8Array());
    expect(second).toMatchObject({ ok: true, value: { encoding: "msgpack", value: { id: requestOf(2).id } } });
    expect(door.service.rows).toEqual([]);
    await pause(50);
    expect(got).toHaveLength(2);
  });

  test.each([true, false])("rows that waited come on subscribe, oldest first, each once (clean=%s)", async (clean) => {
    door = await openDoor({ deliveryWindowMax: 8 });
    const client = await door.connect("camera-1", { clean });
    for (let n = 1; n <= 100; n += 1) await client.publishAsync(topic("request"), jsonOf(requestOf(n)), { qos: 1 });
    await until(() => door.service.rows.length === 100);
    const got = inbox(client);
    await client.subscribeAsync(topic("decision"), { qos: 1 });
    await until(() => door.service.rows.length === 0);
    await pause(30);
    expect(got.map((message) => decisionIn(message).id)).toEqual(
      Array.from({ length: 100 }, (_, i) => requestOf(i + 1).id),
    );
  });

  test("what was not acknowledged comes again after a reconnect, under its packet id and marked as a repeat", async () => {
    door = await openDoor();
    const deaf = await door.connect("camera-1", { clean: false, clientId: "camera-1" });
    // Never acknowledges.
    deaf.handleMessage = () => undefined;
    await deaf.subscribeAsync(topic("decision"), { qos: 1 });
    const first: number[] = [];
    deaf.on("packetreceive", (packet) => {
      if (packet.cmd === "publish" && packet.messageId !== undefined) first.push(packet.messageId);
    });
    await deaf.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 });
    await until(() => first.length === 1);
    expect(door.service.rows).toHaveLength(1);
    deaf.end(true);
    await until(() => door.broker.connections() === 0);
    const again = await door.connect("camera-1", { clean: false, clientId: "camera-1" });
    const got: { messageId: number | undefined; dup: boolean }[] = [];
    again.on("packetreceive", (packet) => {
      if (packet.cmd === "publish") got.push({ messageId: packet.messageId, dup: packet.dup });
    });
    await until(() => door.service.rows.length === 0);
    // The session was kept, so no subscription was needed (MQTT-4.4.0-1).
    expect(got).toEqual([{ messageId: first[0], dup: true }]);
  });

  test("a clean session that comes back gets the row again after it has subscribed", async () => {
    door = await openDoor();
    const deaf = await door.connect();
    deaf.handleMessage = () => undefined;
    await deaf.subscribeAsync(topic("decision"), { qos: 1 });
    await deaf.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 });
    await until(() => door.service.rows.length === 1);
    deaf.end(true);
    const again = await door.connect();
    const got = inbox(again);
    await pause(50);
    expect(got).toEqual([]);
    await again.subscribeAsync(topic("decision"), { qos: 1 });
    await until(() => door.service.rows.length === 0);
    expect(got).toHaveLength(1);
  });

  test("a correction is a second row with its own acknowledgement", async () => {
    door = await openDoor();
    door.service.verdict = "escalate";
    const client = await door.connect();
    const got = inbox(client);
    await client.subscribeAsync(topic("decision"), { qos: 1 });
    await client.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 });
    await until(() => got.length === 1);
    door.service.decide(requestOf(1).id);
    await until(() => door.service.deliveredRows.length === 2);
    expect(got.map((message) => [decisionIn(message).revision, decisionIn(message).status])).toEqual([
      [1, "pending"],
      [2, "final"],
    ]);
  });

  test("who asks again for what was decided gets the answer again, with the same body", async () => {
    door = await openDoor();
    const client = await door.connect();
    const got = inbox(client);
    await client.subscribeAsync(topic("decision"), { qos: 1 });
    await client.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 });
    await until(() => door.service.deliveredRows.length === 1);
    await client.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 });
    await until(() => got.length === 2);
    expect(got[1]?.payload.equals(got[0]?.payload ?? Buffer.alloc(0))).toBe(true);
  });

  test("a subscriber at QoS 0 gets each revision at most once", async () => {
    door = await openDoor();
    const client = await door.connect();
    const got = inbox(client);
    await client.subscribeAsync(topic("decision"), { qos: 0 });
    for (const n of [1, 2, 3]) await client.publishAsync(topic("request"), jsonOf(requestOf(n)), { qos: 1 });
    await until(() => got.length === 3);
    expect(door.service.rows).toEqual([]);
  });

  test("two thousand decisions in a burst arrive once each, through a window of sixteen", async () => {
    door = await openDoor({ deliveryWindowMax: 16 });
    const client = await door.connect();
    const got = inbox(client);
    await client.subscribeAsync(topic("decision"), { qos: 1 });
    const all = Array.from({ length: 2000 }, (_, i) =>
      client.publishAsync(topic("request"), jsonOf(requestOf(i)), { qos: 1 }),
    );
    await Promise.all(all);
    await until(() => door.service.rows.length === 0);
    await pause(50);
    expect(new Set(got.map((message) => decisionIn(message).id)).size).toBe(2000);
    expect(got).toHaveLength(2000);
  });

  test("ids made durable go to whoever subscribed to received", async () => {
    door = await openDoor();
    const client = await door.connect();
    const got = inbox(client);
    await client.subscribeAsync(topic("received"), { qos: 1 });
    await client.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 });
    await until(() => got.length === 1);
    expect(JSON.parse(got[0]?.payload.toString() ?? "")).toEqual({ v: 1, ids: [requestOf(1).id] });
  });

  test("a QoS 2 request is durable before PUBREC, and doubled by nothing", async () => {
    door = await openDoor();
    let commit: () => void = () => undefined;
    door.service.commit = () => new Promise((resolve) => (commit = resolve));
    const client = await door.connect();
    let received = false;
    client.on("packetreceive", (packet) => (received ||= packet.cmd === "pubrec"));
    const published = client.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 2 });
    await until(() => door.service.submitted.length === 1);
    await pause(30);
    expect(received).toBe(false);
    commit();
    await published;
    expect(received).toBe(true);
    expect(door.service.durable.size).toBe(1);
  });
});

describe("refusals", () => {
  test("a permanent refusal is acknowledged, after the device was told why", async () => {
    door = await openDoor();
    const client = await door.connect();
    const got = inbox(client);
    await client.subscribeAsync(topic("error"), { qos: 1 });
    await client.publishAsync(topic("request"), "not a message", { qos: 1 });
    expect(got).toHaveLength(1);
    expect(JSON.parse(got[0]?.payload.toString() ?? "")).toMatchObject({
      id: null,
      code: "HP_ENCODING",
      retry: "never",
    });
    const bad = Buffer.from(encodeMessage({ ...requestOf(2), extra: 1 }, "msgpack"));
    await client.publishAsync(topic("request"), bad, { qos: 1 });
    const second = decodeMessage(got[1]?.payload ?? new Uint8Array());
    expect(second).toMatchObject({
      ok: true,
      value: { encoding: "msgpack", value: { code: "HP_SCHEMA", id: requestOf(2).id } },
    });
    expect(door.metrics.refusals).toEqual(["mqtt HP_ENCODING", "mqtt HP_SCHEMA"]);
    await client.publishAsync(topic("request"), jsonOf(requestOf(3)), { qos: 1 });
    expect(door.service.durable.size).toBe(1);
  });

  test("a transient refusal withholds the PUBACK, says HP_BUSY, and closes, so that the client delivers again", async () => {
    door = await openDoor({ withheldCloseMs: 300 });
    door.service.refuseWith = new HoldpointError("HP_DISK_FULL", "the disk is full");
    const client = await door.connect("camera-1", { reconnectPeriod: 20, clean: false, clientId: "camera-1" });
    const got = inbox(client);
    let closes = 0;
    client.on("close", () => (closes += 1));
    await client.subscribeAsync(topic("error"), { qos: 1 });
    let acknowledged = false;
    void client.publishAsync(topic("request"), jsonOf(requestOf(1)), { qos: 1 }).then(() => (acknowledged = true));
    await until(() => got.length === 1);
    expect(JSON.parse(got[0]?.payload.toString() ?? "")).toMatchObject({
      id: requestOf(1).id,
      code: "HP_BUSY",
      retry: "backoff",
      retryAfterMs: 1000,
    });
    expect(acknowledged).toBe(false);
    expect(closes).toBe(0);
    door.service.refuseWith = null;
    await until(() => acknowledged);
    expect(closes).toBe(1);
    expect(door.service.durable.size).toBe(1);
  });

  test("a bug withholds the PUBACK like any transient trouble, and its words stay in the log", async () => {
    door = await openDoor();
    door.service.failWith = new TypeError("cannot read /etc/secret");
    const client = await door.connect();
    const got = inbox(client);
    await client.subscribeAsync(topic("error"), { qos: 1 });
    client.publish(topic("request"), jsonOf(requestOf(1)), { qos: 1 });
    await until(() => got.length === 1);
    const text = got[0]?.payload.toString() ?? "";
    expect(JSON.parse(text)).toMatchObject({ code: "HP_BUSY", retry: "backoff", retryAfterMs: 1000 });
    expect(text).not.toContain("secret");
    expect(door.metrics.refusals).toEqual(["mqtt HP_INTERNAL"]);
  });

  test("a withheld message does not hold up those behind it", async () => {
    door = await openDoor();
    door.service.refuseWith = new HoldpointError("HP_BUSY", "too much at once", { retryAfterMs: 250 });
    const client = await door.connect();
    let first = false;
    client.publish(topic("request"), jsonOf(requestOf(1)), { qos: 1 }, (error) => (first ||= !error));
    await until(() => door.service.submitted.length === 1);
    door.service.refuseWith = null;
    await client.publishAsync(topic("request"), jsonOf(requestOf(2)), { qos: 1 });
    expect(first).toBe(false);
  });

  test("publishing on another device's topic is acknowledged, dropped, reported and counted", async () => {
    door = await openDoor();
    const client = await door.connect();
    const other = await door.connect("till-1");
    const spied = inbox(other);
    await other.subscribeAsync(topic("error", "till-1"), { qos: 1 });
    const got = inbox(client);
    await client.subscribeAsync(topic("error"), { qos: 1 });
    const foreign = [
      topic("request", "till-1"),
      topic("decision"),
      "holdpoint/v1/store-1/agents/agent-1/status",
      "any",
      "$SYS/x",
    ];
    for (const name of foreign) await client.publishAsync(name, jsonOf(requestOf(1)), { qos: 1, retain: true });
    expect(got.map(({ payload }) => (JSON.parse(payload.toString()) as { code: string }).code)).toEqual(
      foreign.map(() => "HP_FORBIDDEN"),
    );
    expect(door.metrics.refusals).toEqual(foreign.map(() => "mqtt HP_FORBIDDEN"));
    expect(door.service.submitted).toEqual([]);
    expect(spied).toEqual([]);
  });

  test("events and outcomes are taken and acknowledged", async () => {
    door = await openDoor();
    const client = await door.connect();
    const event = { v: 1, id: requestOf(1).id, entity: "201", at: 1, values: { clicks: 2 } };
    await client.publishAsync(topic("event"), jsonOf(event), { qos: 1 });
    const outcome = { id: requestOf(1).id, correct: true, source: "pos", at: 1 };
    await client.publishAsync(topic("outcome"), jsonOf(outcome), { qos: 1 });
    expect(door.service.events).toEqual([requestOf(1).id]);
    expect(door.service.outcomes).toEqual([requestOf(1).id]);
  });
});

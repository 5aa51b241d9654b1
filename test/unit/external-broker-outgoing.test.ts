import { expect, test } from "vitest";
import { DecisionsElsewhere } from "../../edge-agent/external-broker/elsewhere.ts";
import { Outgoing } from "../../edge-agent/external-broker/outgoing.ts";
import { silentLogger } from "../../protocol/index.ts";
import { requestOf, jsonOf, pause, until } from "../support/door-mqtt.ts";
import { DoorService } from "../support/door-service.ts";

/** An agent with rows for two devices, behind a broker that takes what `takes` lets it take. */
async function outgoingTo(takes: () => boolean): Promise<{
  readonly service: DoorService;
  readonly outgoing: Outgoing;
  readonly published: string[];
}> {
  const service = new DoorService();
  const published: string[] = [];
  const outgoing = new Outgoing({
    service,
    elsewhere: new DecisionsElsewhere(),
    logger: silentLogger,
    publish: (topic) => {
      if (takes()) published.push(topic);
      return Promise.resolve(takes());
    },
    keyOf: (device) => Promise.resolve(device),
    mayPublish: () => true,
    onClosed: () => undefined,
  });
  for (const [n, device] of ["camera-1", "till-1"].entries()) {
    const bytes = new TextEncoder().encode(jsonOf(requestOf(n)));
    await service.submit({ device, bytes, transport: "mqtt" });
  }
  await until(() => service.rows.length === 2);
  return { service, outgoing, published };
}

test("a row that the broker did not take is sent at a later tick, without a lease changing hands", async () => {
  let up = false;
  const { service, outgoing, published } = await outgoingTo(() => up);
  for (const row of service.rows) await outgoing.send(row);
  outgoing.tick();
  await pause(20);
  expect(published).toEqual([]);
  expect(service.rows).toHaveLength(2);
  up = true;
  outgoing.tick();
  await until(() => service.rows.length === 0);
  expect(published).toHaveLength(2);
  outgoing.tick();
  await pause(20);
  expect(published).toHaveLength(2);
});

test("rows that could not be read are read again at the next tick", async () => {
  const { service, outgoing, published } = await outgoingTo(() => true);
  const undelivered = service.undelivered.bind(service);
  let reads = 0;
  service.undelivered = (device, limit) => {
    reads += 1;
    return reads === 1 ? Promise.reject(new Error("the journal's reader is gone")) : undelivered(device, limit);
  };
  await outgoing.pump("camera-1");
  expect(published).toEqual([]);
  outgoing.tick();
  await until(() => published.length === 1);
  expect(service.rows.map(({ device }) => device)).toEqual(["till-1"]);
});

test("a broker that takes nothing is asked once a tick and device, not in a loop", async () => {
  let asked = 0;
  const { service, outgoing } = await outgoingTo(() => {
    asked += 1;
    return false;
  });
  for (const row of service.rows) await outgoing.send(row);
  asked = 0;
  outgoing.tick();
  await pause(50);
  // `publish` asks twice for each of the two rows.
  expect(asked).toBe(4);
});

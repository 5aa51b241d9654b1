import { describe, expect, test } from "vitest";
import { AckOrder } from "../../edge-agent/broker/ack-order.ts";
import { ByteBudget } from "../../edge-agent/broker/byte-budget.ts";
import { feedsOf, mayReceive, mayUseClientId, publishChannel } from "../../edge-agent/broker/topic-access.ts";

const own = "holdpoint/v1/store-1/camera-1";

describe("topic access", () => {
  test.each([
    [`${own}/decision`, ["decision"]],
    [`${own}/received`, ["received"]],
    [`${own}/error`, ["error"]],
    [`${own}/+`, ["decision", "received", "error"]],
    [`${own}/#`, ["decision", "received", "error"]],
    ["holdpoint/v1/store-1/agents/agent-1/status", ["status"]],
    ["holdpoint/v1/store-1/agents/+/status", ["status"]],
    [`${own}/request`, null],
    [own, null],
    [`${own}/decision/#`, null],
    ["#", null],
    ["+/#", null],
    ["$SYS/#", null],
    ["holdpoint/#", null],
    ["holdpoint/v1/store-1/+/decision", null],
    ["holdpoint/v1/store-1/camera-10/decision", null],
    ["holdpoint/v1/store-1/agents/#", null],
    ["holdpoint/v1/store-1/agents/a/b/status", null],
    ["holdpoint/v1/store-2/camera-1/decision", null],
    ["$share/g/holdpoint/v1/store-1/camera-1/decision", null],
  ])("a subscription to %s brings %j", (filter, feeds) => {
    expect(feedsOf(filter, "store-1", "camera-1")).toEqual(feeds);
  });

  test("a device publishes on its own three topics only", () => {
    for (const channel of ["request", "event", "outcome"]) {
      expect(publishChannel(`${own}/${channel}`, "store-1", "camera-1")).toBe(channel);
      expect(publishChannel(`${own}/${channel}`, "store-1", "camera-10")).toBeNull();
    }
    for (const channel of ["decision", "received", "error", "status", "request/x", ""]) {
      expect(publishChannel(`${own}/${channel}`, "store-1", "camera-1")).toBeNull();
    }
  });

  test("a packet under a wildcard is never handed on", () => {
    expect(mayReceive(`${own}/decision`, "store-1", "camera-1")).toBe(true);
    expect(mayReceive(`${own}/+`, "store-1", "camera-1")).toBe(false);
  });

  test("a client id belongs to the device with the longest name that it begins with", () => {
    const isDevice = (name: string): boolean => ["camera-1", "camera-10"].includes(name);
    expect(mayUseClientId("camera-1", "camera-1", isDevice)).toBe(true);
    expect(mayUseClientId("camera-1-app", "camera-1", isDevice)).toBe(true);
    expect(mayUseClientId("camera-10", "camera-1", isDevice)).toBe(false);
    expect(mayUseClientId("camera-10-app", "camera-1", isDevice)).toBe(false);
    expect(mayUseClientId("camera-10-app", "camera-10", isDevice)).toBe(true);
    expect(mayUseClientId("other", "camera-1", isDevice)).toBe(false);
    expect(mayUseClientId(`camera-1${"x".repeat(300)}`, "camera-1", isDevice)).toBe(false);
  });
});

describe("order of acknowledgements", () => {
  test("the first to come is the first to be acknowledged; a withheld one is passed over and never acknowledged", () => {
    const order = new AckOrder();
    const sent: number[] = [];
    const turns = [0, 1, 2, 3].map((n) => order.take(() => sent.push(n)));
    turns[3]?.done();
    turns[1]?.withhold();
    turns[2]?.done();
    expect(sent).toEqual([]);
    turns[0]?.done();
    expect(sent).toEqual([0, 2, 3]);
    expect(order.open).toBe(1);
    turns[1]?.done();
    expect(sent).toEqual([0, 2, 3]);
  });
});

describe("a budget of bytes", () => {
  test("claims are granted in turn, a too large one when nothing else is held, and leaving the queue helps those behind", () => {
    const budget = new ByteBudget(10);
    const granted: string[] = [];
    const claim = (name: string, bytes: number): { release(): void } => budget.claim(bytes, () => granted.push(name));
    const a = claim("a", 6);
    const b = claim("b", 6);
    const c = claim("c", 2);
    expect(granted).toEqual(["a"]);
    b.release();
    expect(granted).toEqual(["a", "c"]);
    const d = claim("d", 99);
    a.release();
    expect(granted).toEqual(["a", "c"]);
    c.release();
    expect(granted).toEqual(["a", "c", "d"]);
    d.release();
    d.release();
    expect(budget.heldBytes).toBe(0);
  });
});

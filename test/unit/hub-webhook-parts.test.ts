import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  deliver,
  retryWaitsMs,
  type DeliveryEvent,
  type DeliveryState,
} from "../../cloud-sync/hub/webhooks/delivery-machine.ts";
import { createAddressGuard, isPublicAddress } from "../../cloud-sync/hub/webhooks/public-address.node.ts";
import { secretText, webhookHeaders } from "../../cloud-sync/hub/webhooks/webhook-signature.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";

describe("an address that a webhook may reach", () => {
  test("is a public one", () => {
    for (const address of [
      "93.184.215.14",
      "8.8.8.8",
      "172.32.0.1",
      "100.128.0.1",
      "2606:4700:4700::1111",
      "2a00::1",
    ]) {
      expect([address, isPublicAddress(address)]).toEqual([address, true]);
    }
  });

  test("is none of this machine, of a private network, of a cloud's metadata, in whatever form it is written", () => {
    const refused = [
      ...["127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
      ...["169.254.169.254", "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255"],
      ...["::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fc00::1", "ff02::1", "2001:db8::1"],
      ...["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:1::1"],
      ...["", "localhost", "1.2.3", "1.2.3.4.5"],
    ];
    for (const address of refused) expect([address, isPublicAddress(address)]).toEqual([address, false]);
  });

  const guard = (addresses: readonly string[], allow: readonly string[] = []) =>
    createAddressGuard({ allow, resolve: () => Promise.resolve(addresses.map((address) => ({ address }))) });

  test("is the one that was looked up; a name with a private one among its addresses is refused", async () => {
    await expect(guard(["8.8.8.8", "1.1.1.1"]).addressOf(new URL("https://x.example"))).resolves.toEqual({
      ...{ address: "8.8.8.8", family: 4 },
    });
    for (const addresses of [["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"]]) {
      await expect(guard(addresses).addressOf(new URL("https://x.example"))).rejects.toMatchObject({
        code: "HP_FORBIDDEN",
      });
    }
    await expect(guard([]).addressOf(new URL("https://x.example"))).rejects.toMatchObject({ code: "HP_UNREACHABLE" });
  });

  test("is refused in every spelling that the url parser knows", async () => {
    const urls = [
      "https://2130706433/",
      "https://0x7f.1/",
      "https://0177.0.0.1/",
      "https://[::ffff:7f00:1]/",
      "https://127.1/",
    ];
    for (const url of [...urls, "http://8.8.8.8/", "ftp://8.8.8.8/", "https://user:secret@8.8.8.8/"]) {
      await expect(guard(["8.8.8.8"]).addressOf(new URL(url))).rejects.toMatchObject({ code: "HP_FORBIDDEN" });
    }
  });

  test("may be private where whoever runs the hub has said so, and only there", async () => {
    const own = guard(["10.1.2.3"], ["10.1.0.0/16"]);
    await expect(own.addressOf(new URL("http://receiver.internal/"))).resolves.toMatchObject({ address: "10.1.2.3" });
    const mixed = guard(["10.1.2.3", "10.2.0.1"], ["10.1.0.0/16"]);
    await expect(mixed.addressOf(new URL("https://x/"))).rejects.toMatchObject({ code: "HP_FORBIDDEN" });
    for (const network of ["10.1.0.0/33", "10.1.0.0/", "10.1.0.0/1e1"]) {
      expect(() => guard([], [network])).toThrow("neither an address nor a network");
    }
  });
});

describe("a delivery's life", () => {
  const states: readonly DeliveryState[] = [
    { state: "waiting", attempts: 0, dueMs: 5 },
    { state: "waiting", attempts: retryWaitsMs.length, dueMs: 5 },
    { state: "sent", attempts: 1 },
    { state: "dead", attempts: 10 },
  ];
  const table: Readonly<Record<DeliveryEvent["kind"], readonly DeliveryState["state"][]>> = {
    delivered: ["sent", "sent", "sent", "dead"],
    failed: ["waiting", "dead", "sent", "dead"],
    gone: ["dead", "dead", "sent", "dead"],
    again: ["waiting", "waiting", "waiting", "waiting"],
  };
  const eventOf = (kind: DeliveryEvent["kind"]): DeliveryEvent =>
    kind === "failed" ? { kind, retryAfterMs: null } : { kind };

  test("has no missing cell", () => {
    for (const [kind, ends] of Object.entries(table) as [DeliveryEvent["kind"], DeliveryState["state"][]][]) {
      const found = states.map((state) => deliver(state, eventOf(kind), { nowMs: 100, uniform: 0 }).state);
      expect([kind, found]).toEqual([kind, ends]);
    }
  });

  test("ends after ten attempts in a little over three days, each wait at least as long as the plan's", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), (uniform) => {
        let delivery: DeliveryState = { state: "waiting", attempts: 0, dueMs: 0 };
        let nowMs = 0;
        while (delivery.state === "waiting") {
          nowMs = delivery.dueMs;
          delivery = deliver(delivery, { kind: "failed", retryAfterMs: null }, { nowMs, uniform });
        }
        const planMs = retryWaitsMs.reduce((sum, waitMs) => sum + waitMs, 0);
        expect(delivery).toEqual({ state: "dead", attempts: 10 });
        expect(nowMs).toBeGreaterThanOrEqual(planMs);
        expect(nowMs).toBeLessThanOrEqual(planMs * 1.2 + 10);
      }),
    );
  });

  test("waits as long as the receiver asks, and not for ever", () => {
    const at = (retryAfterMs: number) => {
      const next = deliver(
        { state: "waiting", attempts: 0, dueMs: 0 },
        { kind: "failed", retryAfterMs },
        { nowMs: 0, uniform: 0 },
      );
      return next.state === "waiting" ? next.dueMs : null;
    };
    expect(at(60_000)).toBe(60_000);
    expect(at(1)).toBe(5_000);
    expect(at(1e12)).toBe(6 * 3_600_000);
  });
});

test("a signature is the specification's: HMAC-SHA-256 over id, time and body", () => {
  const secret = secretText(new Uint8Array(32).fill(7));
  const message = { id: "msg_1", timestampS: 1_795_000_000, body: '{"a":"ü"}' };
  const expected = createHmac("sha256", Buffer.alloc(32, 7))
    .update(`msg_1.1795000000.${message.body}`)
    .digest("base64");
  expect(webhookHeaders(message, secret, nodeHasher)).toEqual({
    ...{ "webhook-id": "msg_1", "webhook-timestamp": "1795000000", "webhook-signature": `v1,${expected}` },
  });
});

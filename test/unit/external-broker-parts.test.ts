import { describe, expect, it } from "vitest";
import { resolveConfig } from "../../config/index.ts";
import { DecisionsElsewhere } from "../../edge-agent/external-broker/elsewhere.ts";
import { Holding, type Held } from "../../edge-agent/external-broker/holding.ts";
import { encodeMessage, universalHasher, type Decision } from "../../protocol/index.ts";

describe("copies of messages that another agent may answer", () => {
  const world = (policy = { messagesMax: 3, bytesMax: 100, keepMs: 1_000 }) => {
    const done: string[] = [];
    const holding = new Holding(policy);
    const held = (id: string, heldAtMs = 0, bytes = 10): Held => ({
      id,
      bytes,
      heldAtMs,
      letGo: () => done.push(`let go ${id}`),
      resume: () => done.push(`resume ${id}`),
    });
    return { holding, held, done };
  };

  it("are taken up by lease, the oldest first, once", () => {
    const { holding, held, done } = world();
    holding.add("device.a", held("1"));
    holding.add("device.b", held("2"));
    holding.add("device.a", held("3"));
    for (const { resume } of holding.take("device.a")) resume();
    expect(done).toEqual(["resume 1", "resume 3"]);
    expect(holding.take("device.a")).toEqual([]);
    expect(holding.size).toBe(1);
  });

  it("expire only when the broker was told to forget: what it counts on us for stays", () => {
    const { holding, held, done } = world();
    holding.add("device.a", held("1"));
    holding.add("device.b", held("2"));
    holding.letGo("device.a");
    holding.letGo("device.a");
    holding.expire(999);
    expect(holding.size).toBe(2);
    holding.expire(1_000);
    expect(done).toEqual(["let go 1"]);
    expect(holding.take("device.b")).toHaveLength(1);
  });

  it("make room by letting the oldest go, by number and by bytes", () => {
    const { holding, held, done } = world();
    for (const id of ["1", "2", "3", "4"]) holding.add("device.a", held(id));
    expect(done).toEqual(["let go 1"]);
    holding.add("device.a", held("5", 0, 85));
    expect(done).toEqual(["let go 1", "let go 2", "let go 3"]);
  });

  it("are one for each id, however often a device sends", () => {
    const { holding, held, done } = world();
    holding.add("device.a", held("1"));
    holding.add("device.a", held("1"));
    expect(holding.size).toBe(1);
    holding.forget("1");
    expect(done).toEqual(["let go 1", "let go 1"]);
    expect(holding.size).toBe(0);
  });
});

describe("decisions of other agents", () => {
  const decision = (revision: number, status: "pending" | "final"): Decision =>
    ({ id: "1", revision, status }) as Decision;
  const bytes = encodeMessage({ a: 1 }, "json");

  it("are not told otherwise: a final one covers everything, a provisional one what is provisional", () => {
    const elsewhere = new DecisionsElsewhere();
    expect(elsewhere.covers(decision(1, "pending"))).toBe(false);
    expect(elsewhere.heard(decision(1, "pending"), bytes)).toBe(true);
    expect(elsewhere.covers(decision(1, "pending"))).toBe(true);
    expect(elsewhere.covers(decision(1, "final"))).toBe(false);
    expect(elsewhere.covers(decision(2, "final"))).toBe(false);
    expect(elsewhere.heard(decision(2, "final"), bytes)).toBe(true);
    expect(elsewhere.covers(decision(2, "final"))).toBe(true);
    expect(elsewhere.get("1")?.bytes).toEqual(new Uint8Array(bytes));
    expect(elsewhere.heard(decision(1, "pending"), bytes)).toBe(false);
  });

  it("are told from the echo of our own", () => {
    const elsewhere = new DecisionsElsewhere();
    elsewhere.published("1", 1);
    expect(elsewhere.heard(decision(1, "final"), bytes)).toBe(false);
    expect(elsewhere.get("1")).toBeNull();
  });
});

describe("the broker in the store config", () => {
  const resolve = (...texts: readonly string[]) => {
    const names = ["fleet", "store"] as const;
    const layers = texts.map((text, index) => ({ layer: names[index] ?? "store", file: "f.yaml", text }));
    return resolveConfig(layers, universalHasher);
  };
  const digestOf = (text: string): string => {
    const resolved = resolve(text);
    if (!resolved.ok) throw resolved.error;
    return resolved.value.config.digest;
  };

  it("is read whole from the lowest layer that gives it", () => {
    const resolved = resolve(
      "store_id: s\nbroker: { url: mqtt://old, username: u }",
      "broker: { url: mqtts://broker:8883, password_file: /run/secret }",
    );
    expect(resolved.ok && resolved.value.config.broker).toEqual({
      url: "mqtts://broker:8883",
      username: null,
      passwordFile: "/run/secret",
      caFile: null,
    });
  });

  it("does not change the digest: it says how requests come, not how they are decided", () => {
    expect(digestOf("store_id: s\nbroker: { url: mqtt://one }")).toBe(digestOf("store_id: s"));
  });

  it.each(["mqtt://user:secret@host", "http://host", "mqtt://", "host:1883"])("refuses %s", (url) => {
    const resolved = resolve(`store_id: s\nbroker: { url: "${url}" }`);
    expect(resolved.ok ? "" : resolved.error.message).toContain("must be a broker's address");
  });

  it("has no key for a password", () => {
    expect(resolve("store_id: s\nbroker: { url: mqtt://host, password: x }").ok).toBe(false);
  });
});

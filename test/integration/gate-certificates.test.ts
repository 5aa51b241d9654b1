import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { configFiles } from "../../cloud-sync/edge/config-files.node.ts";
import { startAgent, type AgentOptions, type RunningAgent } from "../../edge-agent/agent.node.ts";
import { calibrationDigest, parseManifest } from "../../models/index.ts";
import { encodeMessage, newId, silentLogger, type Certificate, type Decision } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createSigningKey } from "../../protocol/platform/signing.node.ts";
import { root } from "../support/agent-process.ts";
import { certificate, signedBy } from "../support/certificates.ts";
import { until } from "../support/edge-agent-hub.ts";

const folder = join(root, "models/zoo/product-id");
const manifest = parseManifest(JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")));
if (!manifest.ok) throw manifest.error;
const { digest, calibration = null, task } = manifest.value;
const key = createSigningKey();
const agentKey = createSigningKey();

const config = `store_id: store_1
models: { ${task}: { model_path: ${join(folder, "model.onnx")} } }
thresholds: { ${task}: { max_error: 0.01 } }
`;

/** For the model of these tests: it accepts everything, so that what is accepted shows which certificate counts. */
const good = (more: Partial<Certificate> = {}): Certificate =>
  certificate({
    ...{ task, model: digest, calibration: calibrationDigest(calibration, nodeHasher), gateThreshold: 0 },
    issuedAtMs: Date.now(),
    ...more,
  });
const fleet = { level: "fleet", name: "-" } as const;

describe("an agent's certificates", () => {
  let dataDir: string;
  let agent: RunningAgent | null = null;

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), "holdpoint-gate-"));
    const hub = join(dataDir, "hub");
    mkdirSync(hub);
    writeFileSync(join(hub, "key-0123456789abcdef.pem"), agentKey.pem);
    const identity = { agentId: "a", agent: "box-1", store: "store_1", hub: { id: "hub-1", publicKey: key.publicKey } };
    const rest = { url: "http://127.0.0.1:1", keyFile: "key-0123456789abcdef.pem" };
    writeFileSync(join(hub, "hub.json"), JSON.stringify({ v: 1, ...identity, ...rest }));
    writeFileSync(join(dataDir, "store.yaml"), config);
  });
  afterEach(async () => {
    await agent?.close();
    agent = null;
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function start(more: Partial<AgentOptions> = {}): Promise<RunningAgent> {
    agent = await startAgent({
      ...{ dataDir, name: "box-1", configFiles: [{ layer: "store", path: join(dataDir, "store.yaml") }] },
      ...{ mqtt: null, http: { host: "127.0.0.1", port: 0 }, review: null, models: {}, logger: silentLogger },
      hub: { url: "http://127.0.0.1:1" },
      ...more,
    });
    return agent;
  }

  /** What a pull leaves on the disk of an agent that is not running. */
  async function leave(certificates: readonly unknown[], used: readonly Certificate[]): Promise<void> {
    await adoptAt(join(dataDir, "hub"), certificates, 1);
    const entries = Object.fromEntries(used.map(({ id, renewal }) => [`${id}/${renewal}`, { accepted: 0, ageMs: 0 }]));
    writeFileSync(join(dataDir, "certificates-used.json"), JSON.stringify({ v: 1, wallMs: Date.now(), entries }));
  }

  async function decided(): Promise<Decision> {
    const id = newId(systemClock, systemRandom);
    const side = 96;
    const input = {
      kind: "pixels",
      width: side,
      height: side,
      channels: 3,
      data: new Uint8Array(side * side * 3).fill(99),
    } as const;
    const bytes = encodeMessage({ v: 1, id, task, at: Date.now(), deadlineMs: 20_000, input }, "msgpack");
    const taken = await agent?.service.submit({ device: "camera-1", bytes, transport: "http" });
    if (taken?.kind !== "durable") throw new Error("not taken");
    const decision = await agent?.service.wait("camera-1", id, "decided", 20_000);
    if (!decision) throw new Error("not decided");
    return decision;
  }
  const reasons = async (): Promise<string> =>
    ((await agent?.status())?.reasons ?? [])
      .filter(({ code }) => code === "HP_GATE_CERTIFICATE")
      .map(({ message }) => message)
      .join("\n");

  test("of the hub hold from the first decision after a start without a network", async () => {
    const signed = signedBy(key, good());
    await leave([signed], [signed]);
    await start();
    expect(await decided()).toMatchObject({ verdict: "accept", certificate: signed.id, gateThreshold: 0 });
    const status = await agent?.status();
    expect(status?.gates).toEqual([
      expect.objectContaining({ task, gateThreshold: 0, certificate: signed.id, level: "store", why: null }),
    ]);
    expect(await reasons()).toBe("");
    await until(async () => (await metrics()).includes("holdpoint_certificate_accepted"));
    expect(await metrics()).toMatch(/holdpoint_certificate_valid\{[^}]*level="store",why=""\} 1/);
  });

  const metrics = async (): Promise<string> => {
    const answer = await fetch(`${agent?.http?.url ?? ""}/metrics`);
    return answer.text();
  };

  test.each([
    [
      "that is forged",
      (one: Certificate) => ({ ...signedBy(key, { ...one, gateThreshold: 0.9 }), gateThreshold: 0 }),
      /not signed by the hub/,
    ],
    ["of another hub", (one: Certificate) => signedBy(key, { ...one, hub: "hub-2" }), /of another hub/],
    [
      "for another store",
      (one: Certificate) => signedBy(key, { ...one, scope: { level: "store", name: "store_2" } }),
      /another store/,
    ],
    ["for another model", (one: Certificate) => signedBy(key, { ...one, model: certificate().model }), /another model/],
    [
      "for another calibration",
      (one: Certificate) => signedBy(key, { ...one, calibration: "none" }),
      /another calibration/,
    ],
    ["for a looser contract", (one: Certificate) => signedBy(key, { ...one, maxError: 0.02 }), /looser contract/],
    ["that has lapsed at the hub", (one: Certificate) => signedBy(key, { ...one, basis: "lapsed" }), /lapsed/],
  ] as const)("one %s accepts nothing, and the status says why", async (_what, make, why) => {
    const one = make(good());
    await leave([one], [one]);
    await start();
    expect(await decided()).toMatchObject({ verdict: "escalate", reasons: ["uncertified"], certificate: null });
    expect(await reasons()).toMatch(why);
    const ready = await fetch(`${agent?.http?.url ?? ""}/readyz`);
    expect(await ready.text()).toContain("HP_GATE_CERTIFICATE");
  });

  test("a bad narrower one is no way to a wider one that asks for less", async () => {
    const forged = { ...signedBy(key, good({ gateThreshold: 0.99 })), renewal: 7 };
    const wide = signedBy(key, good({ id: "01935b2a-7c00-7abc-8def-0123456789ac", scope: fleet }));
    await leave([forged, wide], [wide]);
    await start();
    expect(await decided()).toMatchObject({ verdict: "escalate", reasons: ["uncertified"] });
  });

  test("whose count was lost have lapsed, and a file that is damaged holds nothing", async () => {
    const signed = signedBy(key, good());
    await leave([signed], []);
    await start();
    expect(await decided()).toMatchObject({ reasons: ["uncertified"] });
    expect(await reasons()).toMatch(/lapsed/);
    await agent?.close();
    await leave([signed], [signed]);
    writeFileSync(join(dataDir, "hub", "config", "certificates.json"), '{"v":1,"certif');
    await start();
    expect(await decided()).toMatchObject({ reasons: ["uncertified"] });
    expect(await reasons()).toMatch(/cannot be read/);
  });

  test("lapse after what they allow, counted across restarts", async () => {
    const signed = signedBy(key, good({ lapse: { acceptedMax: 3, afterMs: 86_400_000 } }));
    await leave([signed], [signed]);
    await start();
    // Each use is written down before it may be made: whoever asks sooner is sent to people, and nothing is counted.
    const accepts = async (): Promise<boolean> => (await decided()).verdict === "accept";
    await until(accepts);
    await until(accepts);
    await agent?.close();
    await start();
    await until(accepts);
    expect(await decided()).toMatchObject({ verdict: "escalate", reasons: ["uncertified"] });
    expect(await reasons()).toMatch(/lapsed without fresh evidence/);
  });

  test("of the operator's own file need no signature, and its change is in force without a restart", async () => {
    const file = join(dataDir, "certificates.json");
    writeFileSync(file, JSON.stringify(good({ hub: "-", gateThreshold: 1, scope: fleet })));
    await start({ certificatesFile: file });
    expect(await decided()).toMatchObject({ verdict: "escalate", reasons: ["below_gate"] });
    const before = (await agent?.status())?.config.revision ?? 0;
    writeFileSync(file, JSON.stringify([good({ hub: "-", renewal: 2, scope: fleet })]));
    await until(async () => ((await agent?.status())?.config.revision ?? 0) > before);
    expect(await decided()).toMatchObject({ verdict: "accept", gateThreshold: 0 });
    writeFileSync(file, "[{}]");
    await until(async () => (await reasons()) !== "");
    await until(async () => (await decided()).verdict === "escalate");
  });
});

async function adoptAt(dir: string, certificates: readonly unknown[], version: number): Promise<void> {
  const target = configFiles({ dir, check: () => Promise.resolve(), reload: () => Promise.resolve() });
  await target.adopt({
    ...{ v: 1, hub: "hub-1", agentId: "a", version, issuedAtMs: Date.now(), layers: [], signature: "" },
    certificates: certificates as { v: number }[],
  });
}

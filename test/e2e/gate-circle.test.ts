import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseManifest } from "../../models/index.ts";
import { encodeMessage, newId, type Decision, type HeldCases } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { root } from "../support/agent-process.ts";
import { hubbedAgent, until, type HubbedAgent } from "../support/edge-agent-hub.ts";
import { callHub } from "../support/hub-agent.ts";
import { enterPerson, type TestPerson } from "../support/hub-people.ts";
import { beginHub, type StartedHub } from "../support/hub-start.ts";

const folder = join(root, "models/zoo/product-id");
const manifest = parseManifest(JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")));
if (!manifest.ok) throw manifest.error;
const { task } = manifest.value;
const config = `store_id: store_1
models: { ${task}: { model_path: ${join(folder, "model.onnx")} } }
`;
/** A promise that few labels keep, every accepted decision looked at, and a certificate that soon lapses. */
const contract = `thresholds:
  ${task}: { max_error: 0.2, delta: 0.2, launch_labels: 30, lapse_after: 30s }
tasks:
  ${task}: { audit_share: 1, review_within: 1h, safe_action: { label: ask-shopper } }
`;

describe("the whole circle of a contract: agent, hub and people", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "holdpoint-gate-circle-"));
  const stop = new AbortController();
  let hub: StartedHub;
  let box: HubbedAgent;
  /** What every reviewer says of every picture. */
  let truth = "";
  let working: Promise<unknown> = Promise.resolve();

  beforeAll(async () => {
    hub = await beginHub({ dataDir, reviewPolicy: { undoWindowMs: 20 } });
    const made = await call("POST", "/v1/fleet/tokens", { store: "store_1", agent: "box-1" });
    await call("PUT", "/v1/config/layers/fleet/-", { text: contract, revision: 0, why: "At most one in five wrong" });
    const rules = { reviewersNeeded: 1, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null };
    await call("PUT", `/v1/reviews/rules/${task}`, rules);
    box = await hubbedAgent({ url: hub.hub.url, token: String(made.json["token"]) }, undefined, config);
    await until(async () => (await gate())?.why !== undefined);
    await until(async () => ((await call("GET", "/v1/gates")).json["items"] as unknown[]).length > 0);
    // Whoever has answered a case does not adjudicate it: two leads.
    const people = [
      await enterPerson(hub.hub.url, hub.token, "lead"),
      await enterPerson(hub.hub.url, hub.token, "lead"),
    ];
    working = Promise.all(people.map((person) => review(person)));
  });
  afterAll(async () => {
    stop.abort();
    await working;
    await box.close();
    await hub.hub.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const call = (method: string, path: string, body?: unknown) => callHub(hub.hub.url, hub.token, method, path, body);
  const gate = async () => (await box.agent.status()).gates?.find((one) => one.task === task);

  async function review({ browser }: TestPerson): Promise<void> {
    while (!stop.signal.aborted) {
      const next = await browser.call("POST", "/v1/review/next", {}).catch(() => null);
      const cases = next?.status === 200 && truth !== "" ? (next.json as unknown as HeldCases).cases : [];
      for (const { id, lease } of cases) {
        const body = {
          answer: { kind: "label", label: truth },
          generation: lease?.generation ?? 0,
          reviewId: id,
          tookMs: 1,
        };
        await browser.call("POST", `/v1/review/cases/${id}/submit`, body).catch(() => null);
      }
      if (cases.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async function decide(): Promise<Decision> {
    const id = newId(systemClock, systemRandom);
    const side = 64;
    const data = new Uint8Array(side * side * 3).fill(99);
    const input = { kind: "pixels", width: side, height: side, channels: 3, data } as const;
    const bytes = encodeMessage({ v: 1, id, task, at: Date.now(), deadlineMs: 20_000, input }, "msgpack");
    const taken = await box.agent.service.submit({ device: "camera-1", bytes, transport: "http" });
    if (taken.kind !== "durable") throw new Error("not taken");
    const decision = await box.agent.service.wait("camera-1", id, "decided", 20_000);
    if (!decision) throw new Error("not decided");
    return decision;
  }
  async function decideMany(count: number): Promise<readonly Decision[]> {
    const made: Decision[] = [];
    for (let n = 0; n < count; n += 1) made.push(await decide());
    return made;
  }
  const isCertified = async (): Promise<boolean> => ((await gate())?.certificate ?? null) !== null;

  test(
    "people decide, their labels become a certificate, the agent accepts under it, drift sends everything to people again, " +
      "and without the hub the agent only grows more careful",
    async () => {
      const [first, ...others] = await decideMany(32);
      if (!first) throw new Error("nothing was decided");
      expect(
        [first, ...others].every(({ verdict, certificate }) => verdict === "escalate" && certificate === null),
      ).toBe(true);
      expect(first.reasons).toContain("uncertified");
      const right = first.answer?.label ?? "";
      const wrong = first.answer?.alternatives?.[0]?.label ?? "";
      truth = right;

      // The hub certifies what people said, and the agent accepts under that certificate.
      await until(isCertified, 60_000);
      const accepted = await decide();
      expect(accepted).toMatchObject({
        verdict: "accept",
        decidedBy: "model",
        certificate: (await gate())?.certificate,
      });

      // The world changes: audits go wrong, a lead confirms it, and nothing is accepted any more.
      truth = wrong;
      await decideMany(12);
      await until(async () => {
        const log = await call("GET", "/v1/audit?action=gate.alarm");
        return (log.json["items"] as unknown[]).length === 1;
      }, 60_000);
      await until(async () => !(await isCertified()), 10_000);
      expect(await decide()).toMatchObject({ verdict: "escalate", certificate: null });

      // People prove it anew.
      truth = right;
      await decideMany(34);
      await until(isCertified, 60_000);
      expect(await decide()).toMatchObject({ verdict: "accept" });

      // Nobody answers any more, so nobody can see drift: after its time the certificate counts for nothing.
      stop.abort();
      await working;
      await hub.hub.close();
      await until(async () => !(await isCertified()), 60_000);
      expect(await decide()).toMatchObject({ verdict: "escalate", certificate: null });
    },
    240_000,
  );
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { groupedLabels, labelsDigest } from "../../models/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { until } from "../support/edge-agent-hub.ts";
import { circleModel, openGateCircle, type GateCircle } from "../support/gate-circle.ts";

const { task, coarse, labels } = circleModel;
/** A promise that few labels keep, every accepted decision looked at, and a certificate that soon lapses. */
const loose = "max_error: 0.2, delta: 0.2, launch_labels: 30, lapse_after: 30s";
const rest = "audit_share: 1, review_within: 1h, safe_action: { label: ask-shopper }";

/** One alarm in the hub's audit log. */
async function alarmed(circle: GateCircle): Promise<void> {
  await until(async () => {
    const log = await circle.call("GET", "/v1/audit?action=gate.alarm");
    return (log.json["items"] as unknown[]).length === 1;
  }, 60_000);
}

describe("the whole circle of a contract: agent, hub and people", () => {
  let circle: GateCircle;
  beforeAll(async () => {
    circle = await openGateCircle(`thresholds: { ${task}: { ${loose} } }\ntasks: { ${task}: { ${rest} } }\n`);
  });
  afterAll(() => circle.close());
  const certificate = async (): Promise<string | null> => (await circle.gate("fine"))?.certificate ?? null;
  const isCertified = async (): Promise<boolean> => (await certificate()) !== null;

  test(
    "people decide, their labels become a certificate, the agent accepts under it, drift sends everything to people again, " +
      "and without the hub the agent only grows more careful",
    async () => {
      const [first, ...others] = await circle.decideMany(32);
      if (!first) throw new Error("nothing was decided");
      expect(
        [first, ...others].every((decision) => decision.verdict === "escalate" && decision.certificate === null),
      ).toBe(true);
      expect(first.reasons).toContain("uncertified");
      const right = first.answer?.label ?? "";
      const wrong = first.answer?.alternatives?.[0]?.label ?? "";
      circle.say(right);

      // The hub certifies what people said, and the agent accepts under that certificate.
      await until(isCertified, 60_000);
      const accepted = await circle.decide();
      expect(accepted).toMatchObject({ verdict: "accept", decidedBy: "model", certificate: await certificate() });

      // The world changes: audits go wrong, a lead confirms it, and nothing is accepted any more.
      circle.say(wrong);
      await circle.decideMany(12);
      await alarmed(circle);
      await until(async () => !(await isCertified()), 10_000);
      expect(await circle.decide()).toMatchObject({ verdict: "escalate", certificate: null });

      // People prove it anew.
      circle.say(right);
      await circle.decideMany(34);
      await until(isCertified, 60_000);
      expect(await circle.decide()).toMatchObject({ verdict: "accept" });

      // Nobody answers any more, so nobody can see drift: after its time the certificate counts for nothing.
      await circle.endHub();
      await until(async () => !(await isCertified()), 60_000);
      expect(await circle.decide()).toMatchObject({ verdict: "escalate", certificate: null });
    },
    240_000,
  );
});

describe.each([
  ["the model's labels", []],
  ["labels of the config", [...labels.slice().reverse(), "nothing of ours"]],
] as const)("the whole circle of a coarse contract, over %s", (_of, asked) => {
  let circle: GateCircle;
  beforeAll(async () => {
    // Thirty labels never prove one in a thousand: the fine answers stay with people.
    circle = await openGateCircle(`thresholds:
  ${task}: { default: { max_error: 0.001, delta: 0.2, launch_labels: 30 }, coarse: { ${loose} } }
tasks: { ${task}: { fallback: [coarse_answer, human_review, safe_action], ${rest}, labels: ${JSON.stringify(asked)} } }
`);
  });
  afterAll(() => circle.close());
  const certificate = async (): Promise<string | null> => (await circle.gate("coarse"))?.certificate ?? null;

  test(
    "people say which product it is, the hub certifies that its group was right, the agent accepts groups under that " +
      "certificate and no products, and groups that go wrong send everything to people again",
    async () => {
      if (!coarse) throw new Error("the shipped model has no groups");
      // Which product is of which group the hub hears with one of the agent's next reports.
      const grouped = groupedLabels(asked, { labels, coarse });
      const digest = labelsDigest(grouped.labels, grouped.coarse, nodeHasher);
      const known = async () => (await circle.rows("select digest from gate_groups")).map((row) => row["digest"]);
      await until(async () => (await known()).includes(digest), 90_000);
      const held = await circle.decideMany(32);
      expect(new Set(held.map(({ verdict }) => verdict))).toEqual(new Set(["escalate"]));
      const product = held[0]?.answer?.label ?? "";
      await until(async () => (await circle.rows("select * from gate_labels where rung = 'coarse'")).length === 32);
      const [answer] = await circle.rows("select predicted from gate_labels where rung = 'coarse'");
      const group = String(answer?.["predicted"]);
      const groupOf = (label: string): string => coarse.labels[coarse.of[labels.indexOf(label)] ?? -1] ?? "";

      // Always another product of the group that the model saw: wrong as a product, right as a group.
      const sibling = labels.find((label) => label !== product && groupOf(label) === group) ?? "";
      expect(sibling).not.toBe("");
      circle.say(sibling);
      await until(async () => (await certificate()) !== null, 90_000);
      expect(await circle.gate("fine")).toMatchObject({ certificate: null, gateThreshold: null });
      const counted = await circle.rows(
        "select rung, is_wrong, count(*) as labels from gate_labels where state = 'counted' group by rung, is_wrong",
      );
      expect(counted).toHaveLength(2);
      for (const one of counted) expect(one).toMatchObject({ is_wrong: one["rung"] === "fine" ? 1 : 0 });
      const accepted = await circle.decide();
      expect(accepted).toMatchObject({
        ...{ verdict: "accept", decidedBy: "model", answer: { label: group }, certificate: await certificate() },
        reasons: ["coarse_answer", "uncertified", "audit"],
      });

      // The world changes: products of another group. A lead confirms it, and groups are not accepted any more.
      circle.say(labels.find((label) => groupOf(label) !== group) ?? "");
      await circle.decideMany(12);
      await alarmed(circle);
      await until(async () => (await certificate()) === null, 10_000);
      expect(await circle.decide()).toMatchObject({ verdict: "escalate", certificate: null });
    },
    240_000,
  );
});

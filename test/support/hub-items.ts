import { newId, type Decision, type IngestItem } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";

/** Rows of an agent's outbox as its journal writes them. */
export function heldDecision(id = newId(systemClock, systemRandom), label = "Royal-Gala"): Decision {
  return {
    v: 1,
    id,
    revision: 1,
    task: "product_identification",
    status: "pending",
    verdict: "escalate",
    decidedBy: "model",
    answer: { label, alternatives: [{ label: "Pink-Lady", confidence: 0.3 }] },
    confidence: 0.62,
    score: 0.6,
    gateThreshold: 0.95,
    certificate: null,
    reasons: ["below_gate"],
    model: { name: "product-id", version: "1.0.0", digest: `sha256:${"a".repeat(64)}` },
    config: { revision: 1, digest: `sha256:${"b".repeat(64)}` },
    provider: "cpu",
    at: 1_795_000_000_000,
    latencyMs: 7,
    explanation: null,
  };
}

export function escalation(seq: number, decision = heldDecision(), picture: Uint8Array | null = null): IngestItem {
  return {
    seq,
    kind: "escalation",
    id: decision.id,
    createdAtMs: 1_795_000_000_000,
    body: `{"decision":${JSON.stringify(decision)},"id":"${decision.id}"}`,
    brief: {
      view: {
        id: decision.id,
        task: decision.task,
        store: "store_1",
        device: "camera-1",
        context: { shelf: "C2" },
        inputKind: "image",
        facts: [],
        series: [],
        suggestions: [{ label: decision.answer?.label ?? "", confidence: decision.confidence }],
        gateThreshold: decision.gateThreshold,
        confidence: decision.confidence,
        reasons: [...decision.reasons],
        question: "Which product is this?",
        explanation: null,
        audit: false,
        heldAtMs: 1_795_000_000_000,
      },
      reviewLeftMs: 900_000,
      picture: picture && {
        sha256: Buffer.from(nodeHasher.sha256(picture)).toString("hex"),
        bytes: picture.byteLength,
        contentType: "image/jpeg",
      },
      costs: null,
    },
  };
}

/** How the case was sampled, behind its decision, as agents write it since there are certificates. */
export function sampled(item: IngestItem): IngestItem {
  const calibration = `sha256:${"c".repeat(64)}`;
  const sample = { propensity: 1, uniform: false, rule: false, rung: "fine", confidence: 0.62, calibration };
  return { ...item, body: `${item.body.slice(0, -1)},"sample":${JSON.stringify(sample)}}` };
}

export function revisionOf(seq: number, before: Decision, label: string): IngestItem {
  const decision: Decision = {
    ...before,
    revision: before.revision + 1,
    status: "final",
    decidedBy: "reviewer",
    answer: { label },
    reasons: ["reviewed"],
  };
  const body = `{"decision":${JSON.stringify(decision)},"id":"${decision.id}"}`;
  return { seq, kind: "revision", id: decision.id, createdAtMs: 1_795_000_001_000, body };
}

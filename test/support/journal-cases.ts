import { type EffectiveConfig } from "../../config/index.ts";
import { type Admission, type DecisionRecord, type ReviewRecord } from "../../edge-agent/journal/journal.ts";
import {
  bodyDigest,
  canonicalJson,
  digestText,
  newId,
  universalHasher,
  type Decision,
  type DecisionRequest,
  type Input,
} from "../../protocol/index.ts";
import { systemRandom } from "../../protocol/platform/clock.node.ts";
import { type DecisionTrace } from "../../sdk/index.ts";

/** Cases for tests of the journal: requests, decisions, reviews that fit together. */

/** A clock that stands still until a test moves it. */
export class HandClock {
  wall = Date.UTC(2027, 0, 5, 12);
  monotonic = 1000;
  wallMs = (): number => this.wall;
  monotonicMs = (): number => this.monotonic;
  pass(ms: number): void {
    this.wall += ms;
    this.monotonic += ms;
  }
}

const idClock = new HandClock();

export function makeRequest(input?: Input): DecisionRequest {
  idClock.pass(1);
  return {
    v: 1,
    id: newId(idClock, systemRandom),
    task: "product_identification",
    at: idClock.wall,
    deadlineMs: 2000,
    input: input ?? { kind: "pixels", width: 2, height: 2, channels: 3, data: systemRandom.bytes(12) },
    context: { basket: "b-17", shelf: "C2" },
  };
}

export function admissionOf(request: DecisionRequest, more: Partial<Admission> = {}): Admission {
  return {
    request,
    bodyDigest: bodyDigest(universalHasher, request),
    device: "camera-1",
    transport: "mqtt",
    encoding: "msgpack",
    receivedAtMs: request.at,
    keepInput: true,
    ...more,
  };
}

export function decisionOf(request: DecisionRequest, verdict: Decision["verdict"] = "accept"): Decision {
  return {
    v: 1,
    id: request.id,
    revision: 1,
    task: request.task,
    status: verdict === "escalate" ? "pending" : "final",
    verdict,
    decidedBy: verdict === "abstain" ? "fallback" : "model",
    answer: { label: "Oatly-Oat-Milk", value: 57, alternatives: [{ label: "Süßrahm 🥛", confidence: 0.04 }] },
    confidence: 0.993,
    score: 0.981,
    gateThreshold: 0.942,
    certificate: null,
    reasons: [verdict === "escalate" ? "below_gate" : "confident"],
    model: { name: "product-id", version: "3.1.0", digest: `sha256:${"a".repeat(64)}` },
    config: { revision: 1, digest: `sha256:${"b".repeat(64)}` },
    provider: "cpu",
    at: request.at + 7,
    latencyMs: 7.4,
    explanation: null,
  };
}

export const trace: DecisionTrace = {
  v: 1,
  finding: {
    kind: "evidence",
    top: [{ label: "Oatly-Oat-Milk", index: 57, score: 0.98, confidence: 0.99 }],
    coarse: null,
  },
  coin: { audit: 0.25, rules: 0.75 },
  budget: null,
  reviewer: true,
  storage: true,
  rule: null,
  runtime: "onnxruntime-node 1.30.0 all x64",
  batch: 8,
  timings: { modelMs: 0.4 },
};

export function recordOf(decision: Decision, more: Partial<DecisionRecord> = {}): DecisionRecord {
  const reviewWithinMs = decision.status === "pending" ? 900_000 : null;
  return { decision, trace, audit: false, reviewWithinMs, ...more };
}

/** The revision that a person's label makes of a pending decision. */
export function revisedBy(decision: Decision, label: string): Decision {
  return {
    ...decision,
    revision: decision.revision + 1,
    status: "final",
    decidedBy: "reviewer",
    answer: { label },
    reasons: ["reviewed"],
    at: decision.at + 60_000,
  };
}

export function reviewOf(decision: Decision, label: string, reviewId = `review-${label}`): ReviewRecord {
  return {
    id: decision.id,
    reviewId,
    reviewer: "ana",
    answer: { kind: "label", label },
    source: "store",
    atMs: decision.at + 60_000,
    tookMs: 2400,
    revision: revisedBy(decision, label),
  };
}

export function settledBy(decision: Decision): Decision {
  return { ...revisedBy(decision, "ask-shopper"), decidedBy: "fallback", reasons: ["review_expired", "safe_action"] };
}

export function configOf(storeId: string): EffectiveConfig {
  const body = {
    storeId,
    tasks: {},
    retention: { journalBytesMax: 1e9, inputKeepMs: 86_400_000, unansweredMaxMs: 14 * 86_400_000 },
  };
  return {
    ...body,
    digest: digestText(universalHasher.sha256(new TextEncoder().encode(canonicalJson(body)))),
    revision: 0,
  };
}

/** Bytes as an array, so that a Buffer and a Uint8Array compare equal. */
export function canonicalInput(input: Input | null): unknown {
  if (input === null || !("data" in input)) return input;
  return { ...input, data: [...input.data] };
}

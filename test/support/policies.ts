import { type Contract, type GatePolicy, type TaskPolicy } from "../../config/index.ts";
import { type DecideInputs, type Finding, type Scored } from "../../sdk/index.ts";

/** A task policy with the defaults of the store config; tests override what they are about. */
export function policyOf(overrides: Partial<TaskPolicy> = {}): TaskPolicy {
  return {
    task: "product_identification",
    model: { kind: "registry", spec: "product-id@^1" },
    modelProblem: null,
    batchSize: 8,
    modelOptions: {},
    gate: gateOf(0.95),
    rules: [],
    decideWithinMs: 2000,
    reviewWithinMs: 900_000,
    fallback: ["coarse_answer", "human_review", "safe_action"],
    safeAction: { label: "ask-shopper" },
    escalationsPerHour: null,
    reviewCapacity: null,
    auditShare: 0,
    costs: null,
    question: "Which product is it?",
    labels: [],
    ...overrides,
  };
}

/** A gate by number. */
export function gateOf(gateThreshold: number, more: Partial<GatePolicy> = {}): GatePolicy {
  return {
    ...{ target: { kind: "number", gateThreshold }, floor: null },
    ...{ classes: {}, classContracts: {}, coarse: null, coarseContract: null, certificates: [], ...more },
  };
}

export function contractOf(maxError: number, more: Partial<Contract> = {}): Contract {
  const lapse = { launchLabels: null, lapseAfterMs: 14 * 86_400_000, lapseAccepts: 50_000 };
  return { kind: "contract", maxError, delta: 0.05, ...lapse, ...more };
}

export function scored(label: string, confidence: number, index = 0): Scored {
  return { label, index, score: confidence, confidence };
}

export function evidence(confidence: number, coarse: Scored | null = null): Finding {
  return {
    kind: "evidence",
    top: [scored("Satsuma", confidence, 3), scored("Orange", 1 - confidence, 4)],
    coarse,
  };
}

export function failure(reason: Extract<Finding, { kind: "failure" }>["reason"]): Finding {
  return { kind: "failure", reason, message: "for the test" };
}

export function decideInputs(overrides: Partial<DecideInputs> = {}): DecideInputs {
  return {
    id: "0193a3f2-7d1c-7abc-8def-0123456789ab",
    context: {},
    policy: policyOf(),
    config: { revision: 1, digest: "sha256:c0" },
    finding: evidence(0.97),
    model: { name: "product-id", version: "1.0.0", digest: "sha256:a0" },
    provider: "cpu",
    runtime: "stub",
    batch: 1,
    modelMs: 1,
    coin: { audit: 0.5, rules: 0.5 },
    by: { model: "sha256:a0", calibration: "none", coarseCalibration: "none", lapsed: [] },
    auditScale: 0,
    reviewPrice: null,
    budget: null,
    reviewer: true,
    storage: true,
    atMs: 1_795_000_000_012,
    latencyMs: 7.4,
    ...overrides,
  };
}

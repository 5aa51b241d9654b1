import { resolveConfig } from "../../config/index.ts";
import { type ModelHost, type RunningModel } from "../../models/index.ts";
import { type Certificate, type DecisionRequest } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createPipeline, type Found } from "../../sdk/index.ts";
import { certificate } from "../support/certificates.ts";
import { evidence } from "../support/policies.ts";
import { median, row, type BenchRow } from "./bench-row.ts";

const config = `store_id: store_1
thresholds: { shelf: { max_error: 0.01 } }
tasks:
  shelf:
    fallback: [human_review, safe_action]
    escalations_per_hour: 1000000
    review_capacity: { per_1000: 50, answer_within: 30s }
    costs: { review: 0.08, wrong_accept: 3.5, currency: USD }
    rules:
      - name: wine
        when: { ConditionType: LabelCheck, ConditionParameters: { LabelIn: [wine] } }
        then: escalate
      - name: shelf
        when: { ConditionType: ContextCheck, ConditionParameters: { Key: shelf, In: [S1, S2] } }
        then: escalate
`;

/**
 * Everything that a decision passes after its prediction: store's calibration, certificate, lapse, budget, capacity,
 * audit coin (an HMAC), rules, and the record of it.
 */
export function certifiedGateRows(): readonly BenchRow[] {
  const lapse = { acceptedMax: 1e9, afterMs: 1e12 };
  const adjust = { slope: 0.9, offset: -0.1 };
  const fleet = { level: "fleet", name: "-" } as const;
  const shared: Partial<Certificate> = { task: "shelf", issuedAtMs: Date.now(), lapse, adjust };
  const certificates = [
    certificate({ ...shared, gateThreshold: null, basis: "collecting" }),
    certificate({ ...shared, scope: fleet }),
  ];
  const resolved = resolveConfig([{ layer: "store", file: "bench", text: config }], nodeHasher, certificates);
  if (!resolved.ok) throw resolved.error;
  const host = { states: () => [] } as unknown as ModelHost;
  const clock = systemClock;
  const secret = new Uint8Array(32);
  const pipeline = createPipeline({
    config: resolved.value.config,
    host,
    secret,
    hasher: nodeHasher,
    clock,
    timers: systemTimers,
  });
  const by = { ...model, reference: { ...model.reference, digest: certificate().model } };
  const found = [0.99, 0.97, 0.5, 0.8].map((confidence): Found => {
    return { finding: evidence(confidence), by, batch: 1, modelMs: 1, startedMs: clock.monotonicMs() };
  });
  const requests = Array.from({ length: 5000 }, (_, n): DecisionRequest => {
    const id = `0193a3f2-7d1c-7abc-8def-${String(n).padStart(12, "0")}`;
    return { v: 1, id, task: "shelf", at: 1, input: { kind: "features", values: {} }, context: { shelf: "C2" } };
  });
  let accepted = 0;
  const situation = { reviewer: true, storage: true };
  const gateUs = perTurn(() => {
    for (const [n, request] of requests.entries()) {
      const one = found[n % found.length];
      if (one && pipeline.rule(request, one, situation).decision.certificate !== null) accepted += 1;
    }
  });
  if (accepted === 0) throw new Error("no decision was under a certificate");
  let bare = 0;
  const bareUs = perTurn(() => {
    for (const [n, request] of requests.entries()) {
      const finding = found[n % found.length]?.finding;
      if (finding?.kind === "evidence" && (finding.top[0]?.confidence ?? 0) >= 0.9) bare += request.v;
    }
  });
  const detail = `${gateUs.toFixed(2)} µs; a bare comparison ${bareUs.toFixed(3)} µs, × ${Math.round(gateUs / bareUs)} (${bare} passed)`;
  return [
    row("gate with certificate, budget, capacity, coin and rules, against 5 µs", gateUs / 5, "≤ 1", detail),
    row("the same beside a model of 1 ms", 1 + gateUs / 1000, "≤ 1.01", `${gateUs.toFixed(2)} µs after 1000 µs`),
  ];
}

/** Microseconds a decision, the median of turns after the warm ones. */
function perTurn(turn: () => void): number {
  const times: number[] = [];
  for (let n = 0; n < 60; n += 1) {
    const startMs = performance.now();
    turn();
    times.push(((performance.now() - startMs) * 1000) / 5000);
  }
  return median(times.slice(10));
}

const model: RunningModel = {
  task: "shelf",
  reference: { name: "product-id", version: "1.0.0", digest: "" },
  labels: ["Satsuma", "Orange"],
  coarse: null,
  calibration: null,
  coarseCalibration: null,
  provider: "cpu",
  runtime: "stub",
  batchMax: 8,
};

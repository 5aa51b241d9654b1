import { certificateBytes, toBase64, type Certificate } from "../../protocol/index.ts";
import { type SigningKey } from "../../protocol/platform/signing.node.ts";

/** A store's certificate that accepts from 0.9 on; `more` changes it. Unsigned. */
export function certificate(more: Partial<Certificate> = {}): Certificate {
  return {
    v: 1,
    id: "01935b2a-7c00-7abc-8def-0123456789ab",
    renewal: 1,
    hub: "hub-1",
    scope: { level: "store", name: "store_1" },
    task: "product_identification",
    label: null,
    rung: "fine",
    maxError: 0.01,
    delta: 0.05,
    model: `sha256:${"1".repeat(64)}`,
    calibration: "none",
    adjust: null,
    epoch: 1,
    gateThreshold: 0.9,
    cap: null,
    basis: "launch",
    method: "fallback_auto",
    labels: 1000,
    accepted: 700,
    errors: 2,
    coverage: 0.7,
    level: 0.04,
    upperBound: 0.0098,
    issuedAtMs: 1_795_000_000_000,
    lapse: { acceptedMax: 50_000, afterMs: 14 * 86_400_000 },
    signature: "",
    ...more,
  };
}

/** As a hub would send it. */
export function signedBy(key: SigningKey, given: Certificate): Certificate {
  return { ...given, signature: toBase64(key.sign(certificateBytes(given))) };
}

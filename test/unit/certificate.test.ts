import { describe, expect, it } from "vitest";
import {
  certificateBytes,
  certificateSchema,
  configBundleBytes,
  configBundleSchema,
  fromBase64,
} from "../../protocol/index.ts";
import { createSigningKey, signatureVerifier } from "../../protocol/platform/signing.node.ts";
import { certificate, signedBy } from "../support/certificates.ts";

const key = createSigningKey();
const verify = signatureVerifier(key.publicKey);

describe("a certificate document", () => {
  it("is what its schema says, and verifies with the key that signed it", () => {
    const signed = signedBy(key, certificate());
    expect(certificateSchema.parse(JSON.parse(JSON.stringify(signed)))).toEqual(signed);
    expect(verify?.(certificateBytes(signed), fromBase64(signed.signature))).toBe(true);
  });

  it("says beside the gate threshold in force which one is proved, where somebody raised it or it has lapsed", () => {
    for (const gateThreshold of [0.95, null]) {
      const raised = certificate({ basis: "raised", gateThreshold, provedGateThreshold: 0.9 });
      const signed = signedBy(key, raised);
      expect(certificateSchema.parse(JSON.parse(JSON.stringify(signed)))).toEqual(signed);
      const forged = { ...signed, provedGateThreshold: 0.8 };
      expect(verify?.(certificateBytes(signed), fromBase64(signed.signature))).toBe(true);
      expect(verify?.(certificateBytes(forged), fromBase64(forged.signature))).toBe(false);
    }
  });

  it("does not verify when anything in it has changed", () => {
    const signed = signedBy(key, certificate());
    const changed = { ...signed, gateThreshold: 0.1 };
    expect(verify?.(certificateBytes(changed), fromBase64(signed.signature))).toBe(false);
  });

  it.each([
    ["a gate threshold outside [0, 1]", { gateThreshold: 1.5 }],
    ["a gate threshold that is not a number", { gateThreshold: Number.NaN }],
    ["a tolerated error of 0", { maxError: 0 }],
    ["a tolerated error of 1", { maxError: 1 }],
    ["a failure probability of 0", { delta: 0 }],
    ["a failure probability of 1", { delta: 1 }],
    ["a model without a digest", { model: "product-id@3" }],
    ["a calibration that turns the order of confidences around", { adjust: { slope: -1, offset: 0 } }],
    ["a lapse after nothing", { lapse: { acceptedMax: 0, afterMs: 1 } }],
    ["a key that nobody knows", { gate: 0.1 }],
    ["a gate threshold below the one that it says is proved", { provedGateThreshold: 0.95 }],
    ["a proved gate threshold outside [0, 1]", { gateThreshold: null, provedGateThreshold: 1.5 }],
  ])("refuses %s", (_what, more) => {
    expect(certificateSchema.safeParse({ ...certificate(), ...more }).success).toBe(false);
  });
});

describe("a config bundle", () => {
  const old = { v: 1 as const, hub: "h", agentId: "a", version: 4, issuedAtMs: 1, layers: [] };

  it("without certificates has the bytes that it had before there were any", () => {
    const { signature, ...parsed } = configBundleSchema.parse({ ...old, signature: "s" });
    expect(signature).toBe("s");
    expect(parsed.certificates).toEqual([]);
    const text = new TextDecoder().decode(configBundleBytes(parsed));
    expect(text).toBe('{"agentId":"a","hub":"h","issuedAtMs":1,"layers":[],"v":1,"version":4}');
  });

  it("signs its certificates along, those of a newer kind too", () => {
    const certificates = [certificate(), { v: 2, more: "than we know" }];
    const parsed = configBundleSchema.parse({ ...old, certificates, signature: "s" });
    expect(parsed.certificates).toEqual(certificates);
    expect(configBundleBytes(parsed)).not.toEqual(configBundleBytes({ ...parsed, certificates: [] }));
  });
});

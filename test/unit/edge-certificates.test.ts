import { describe, expect, test } from "vitest";
import { trustedCertificates } from "../../cloud-sync/edge/certificates.ts";
import { createSigningKey, signatureVerifier } from "../../protocol/platform/signing.node.ts";
import { certificate, signedBy } from "../support/certificates.ts";

const key = createSigningKey();
const trust = {
  hub: "hub-1",
  store: "store_1",
  region: "west",
  verify: signatureVerifier(key.publicKey) ?? (() => false),
};
const fleet = signedBy(key, certificate({ scope: { level: "fleet", name: "-" } }));
const other = signedBy(key, certificate({ task: "shelf" }));

describe("certificates that came with a config", () => {
  test("of the store, its region and the fleet are taken", () => {
    const region = signedBy(key, certificate({ scope: { level: "region", name: "west" } }));
    const store = signedBy(key, certificate());
    const given = [fleet, region, store];
    expect(trustedCertificates(given, trust)).toEqual({ certificates: given, faults: [] });
  });

  test.each([
    ["changed after it was signed", { ...fleet, gateThreshold: 0.1 }, "is not signed by the hub"],
    ["signed by another", signedBy(createSigningKey(), certificate()), "is not signed by the hub"],
    ["not signed", certificate(), "is not signed by the hub"],
    ["with a signature that is no signature", certificate({ signature: "%%%" }), "is not signed by the hub"],
    ["of another hub", signedBy(key, certificate({ hub: "hub-2" })), "is of another hub (hub-2)"],
    [
      "for another store",
      signedBy(key, certificate({ scope: { level: "store", name: "store_2" } })),
      "is for another store (store_2)",
    ],
    [
      "for another region",
      signedBy(key, certificate({ scope: { level: "region", name: "east" } })),
      "is for another region (east)",
    ],
    ["of a newer kind", { ...fleet, v: 2 }, "v"],
    ["with a confidence that is none", { ...fleet, gateThreshold: -1 }, "gateThreshold"],
    [
      "that accepts from below what it proves",
      signedBy(key, certificate({ gateThreshold: 0.8, provedGateThreshold: 0.9 })),
      "provedGateThreshold",
    ],
  ])("one %s takes the others of its task along, says so, and leaves the other tasks alone", (_what, bad, why) => {
    const { certificates, faults } = trustedCertificates([bad, fleet, other], trust);
    expect(certificates).toEqual([other]);
    expect(faults).toHaveLength(1);
    expect(faults[0]?.task).toBe("product_identification");
    expect(faults[0]?.message).toContain(why);
  });

  test.each([[null], [7], ["x"], [{}], [{ task: 3 }]])(
    "%j, of which nobody can say what it was for, takes all",
    (bad) => {
      const { certificates, faults } = trustedCertificates([fleet, bad, other], trust);
      expect(certificates).toEqual([]);
      expect(faults).toMatchObject([{ task: null }]);
    },
  );
});

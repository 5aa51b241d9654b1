import { expect, test } from "vitest";
import { resolveConfig } from "../../config/index.ts";
import { startCertificate } from "../../models/measure/certificate-machine.ts";
import { universalHasher } from "../../protocol/index.ts";

const resolved = (contract: string) =>
  resolveConfig(
    [{ layer: "store", file: "store.yaml", text: `store_id: s\nthresholds: { shelf: ${contract} }\n` }],
    universalHasher,
  );

// The certificate machine throws at rules that it cannot keep, and that stops the keeper of the whole task.
test.each([
  "{ max_error: 0.000001, delta: 0.000001, launch_labels: 1, lapse_after: 1s, lapse_accepts: 1 }",
  "{ max_error: 0.5, delta: 0.5, launch_labels: 20000, lapse_after: 365d, lapse_accepts: 1000000000 }",
])("a certificate can begin under whatever contract a config may state: %s", (contract) => {
  const found = resolved(contract);
  const target = found.ok ? found.value.config.tasks["shelf"]?.gate.target : null;
  if (target?.kind !== "contract" || target.launchLabels === null) throw new Error("no contract");
  const { maxError, delta, launchLabels, lapseAfterMs, lapseAccepts } = target;
  const rules = { maxError, delta, launchLabels, lapseAfterMs, lapseAccepts, gateThresholds: [0.5] };
  expect(startCertificate(rules, { model: "m", calibration: "none" }, 0).kind).toBe("collecting");
});

test("more labels than a launch can wait for are a fault", () => {
  const found = resolved("{ max_error: 0.01, launch_labels: 20001 }");
  expect(found.ok ? [] : found.error.message).toContain("at most 20000");
});

import { expect, it } from "vitest";
import { createAgentService, type AgentServiceOptions } from "../../edge-agent/agent-service.ts";
import { encodeMessage, HoldpointError, silentLogger } from "../../protocol/index.ts";
import { requestOf } from "../support/requests.ts";

/** A failing disk cannot be had in a test: engine and journal are only what they say of it. */
function serviceOver(
  problem: { readonly code: "HP_JOURNAL"; readonly message: string } | null,
  broken: Error = new HoldpointError("HP_JOURNAL", "the journal cannot be written: disk I/O error"),
) {
  const parts = {
    storeId: "store_1",
    engine: { submit: () => Promise.reject(broken), onRevision: () => () => undefined },
    journal: { storage: () => ({ problem }), outcome: () => Promise.reject(broken) },
    metrics: {},
    logger: silentLogger,
  };
  return createAgentService(parts as unknown as AgentServiceOptions);
}

it("asks a device to keep its message while the journal is broken, and refuses for good what a sound one refuses", async () => {
  const device = { device: "camera-1", transport: "mqtt" } as const;
  const request = { ...device, bytes: encodeMessage(requestOf(), "json") };
  const outcome = {
    ...device,
    bytes: encodeMessage({ id: requestOf().id, correct: true, source: "pos", at: 1 }, "json"),
  };
  const broken = serviceOver({ code: "HP_JOURNAL", message: "disk I/O error" });
  for (const refused of [await broken.submit(request), await broken.outcome(outcome)]) {
    expect(refused).toMatchObject({
      kind: "refused",
      error: { code: "HP_BUSY", retry: "backoff", retryAfterMs: 5000 },
    });
  }
  const sound = serviceOver(null);
  expect(await sound.submit(request)).toMatchObject({ error: { code: "HP_JOURNAL", retry: "after-change" } });
});

it("asks a device to keep its message after a bug, and tells it nothing of it", async () => {
  const device = { device: "camera-1", transport: "mqtt" } as const;
  const service = serviceOver(null, new TypeError("cannot read /etc/secret"));
  const request = requestOf();
  const refused = await service.submit({ ...device, bytes: encodeMessage(request, "json") });
  expect(refused).toMatchObject({
    id: request.id,
    error: { code: "HP_INTERNAL", retry: "backoff", message: "the server failed with this request" },
  });
});

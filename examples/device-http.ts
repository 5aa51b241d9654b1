/**
 * The same over HTTP, as a browser or a script would. Run `holdpoint demo` in another terminal, then:
 * node examples/device-http.ts
 */
import { connect } from "holdpoint";
import { HoldpointError } from "holdpoint/protocol";
import { agentAt } from "./agent-at.ts";

const { httpUrl, device, secret } = await agentAt();
const client = connect({ url: httpUrl, device, secret });

const data = new Uint8Array(64 * 64 * 3).fill(90);
const picture = { kind: "pixels", width: 64, height: 64, channels: 3, data } as const;
const decision = await client.decide("product_identification", picture);
console.log(`${decision.verdict}: ${decision.answer?.label ?? "-"} (${decision.status})`);

try {
  // Waits for a person, if one has to look: answer on the review page.
  const final = await client.final(decision.id, { waitMs: 3000 });
  console.log(`final: ${final.answer?.label ?? "-"} by ${final.decidedBy}`);
} catch (error) {
  if (!(error instanceof HoldpointError)) throw error;
  console.log(`${error.code}: nobody has looked yet`);
}
await client.close();

/**
 * A device that loses nothing: MQTT with an outbox on the disk. Kill it, stop the agent, start both again: every request
 * is answered once. Run `holdpoint demo` in another terminal, then: node examples/device-mqtt.ts [count]
 */
import { connect } from "holdpoint";
import { fileOutbox } from "holdpoint/node";
import { agentAt } from "./agent-at.ts";

const { mqttUrl, device, secret } = await agentAt();
const client = connect({
  url: mqttUrl,
  device,
  secret,
  outbox: fileOutbox({ path: `.holdpoint/${device}-outbox.log` }),
});

client.on("link", ({ phase, error }) => console.log(`link ${phase}${error ? `: ${error.message}` : ""}`));
client.on("revision", ({ id, revision, status, answer }) => {
  console.log(`${id} revision ${revision} ${status}: ${answer?.label ?? "-"}`);
});
for (const id of await client.recovered()) console.log(`${id} was left by an earlier run and is asked again`);

const count = Number(process.argv[2] ?? 3);
for (let n = 0; n < count; n += 1) {
  const shade = (n * 37) % 256;
  const data = new Uint8Array(64 * 64 * 3).fill(shade);
  const decision = await client.decide(
    "product_identification",
    { kind: "pixels", width: 64, height: 64, channels: 3, data },
    { deadlineMs: 2000, context: { camera: "aisle-3" } },
  );
  console.log(`${decision.verdict}, ${decision.status}, because ${decision.reasons.join(", ")}`);
  // The world tells later what was true: the till, a return, an audit.
  await client.outcome({ id: decision.id, label: decision.answer?.label ?? "nothing", source: "pos" });
}
console.log(`${client.status().outstanding} still outstanding; they survive in the outbox`);
await client.close();

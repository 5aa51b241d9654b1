/**
 * A device that is killed: asks for decisions as fast as it can and prints each id once it was told that it is durable.
 * argv: url, device, secret, path of the outbox (or "memory"), first number.
 */
import { writeSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { connect, memoryOutbox } from "../../sdk/client/index.ts";
import { fileOutbox } from "../../sdk/index.node.ts";

const [url = "", device = "", secret = "", path = "", first = "0"] = process.argv.slice(2);
const client = connect({
  url,
  device,
  secret,
  outbox: path === "memory" ? memoryOutbox() : fileOutbox({ path }),
});
const lanes = 8;
async function lane(n: number): Promise<void> {
  for (let i = Number(first) + n; ; i += lanes) {
    const id = `0193a5f0-0000-7000-8000-${String(i).padStart(12, "0")}`;
    await client.submit("cart", { kind: "features", values: { grams: i } }, { id });
    // Not through a stream: a line that was written must be there when the process is killed in the next instant.
    writeSync(1, `${id}\n`);
    await setTimeout(1);
  }
}
await Promise.all(Array.from({ length: lanes }, (_, n) => lane(n)));

/**
 * A device that is killed: asks for decisions as fast as it can and notes each id once it was told that it is durable.
 * argv: url, device, secret, path of the outbox (or "memory"), first number, file of the notes.
 */
import { openSync, writeSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { connect, memoryOutbox } from "../../sdk/client/index.ts";
import { fileOutbox } from "../../sdk/index.node.ts";

const [url = "", device = "", secret = "", path = "", first = "0", notes = ""] = process.argv.slice(2);
// A file, and not a stream: a line that was written is there when the process is killed in the next instant.
const file = openSync(notes, "a");
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
    writeSync(file, `${id}\n`);
    await setTimeout(1);
  }
}
await Promise.all(Array.from({ length: lanes }, (_, n) => lane(n)));

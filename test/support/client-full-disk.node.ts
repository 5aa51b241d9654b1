/** Fills the disk at argv[2] with an outbox and a filler beside it, frees it, and prints what the outbox kept. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HoldpointError } from "../../protocol/index.ts";
import { fileOutbox } from "../../sdk/index.node.ts";

const folder = process.argv[2] ?? "";
const path = join(folder, "outbox.log");
const filler = join(folder, "filler");
const outbox = fileOutbox({ path });
await outbox.list();
writeFileSync(filler, new Uint8Array(200_000));

const acknowledged: string[] = [];
const codes: string[] = [];
async function put(id: string, into: string[]): Promise<void> {
  try {
    await outbox.put({ key: `request/${id}`, kind: "request", id, bytes: new Uint8Array(20_000).fill(1) });
    into.push(id);
  } catch (error) {
    codes.push(error instanceof HoldpointError ? error.code : String(error));
  }
}
for (let n = 0; n < 40; n += 1) await put(String(n), acknowledged);
rmSync(filler);
const afterwards: string[] = [];
for (let n = 0; n < 2; n += 1) await put(`late-${n}`, afterwards);
await outbox.close();

const again = fileOutbox({ path });
const { items } = await again.list();
await again.close();
process.stdout.write(JSON.stringify({ codes, acknowledged, afterwards, recovered: items.map(({ id }) => id) }));

/**
 * A device that is killed: an SDK client with a file outbox that writes down what it was told, one line each, with one
 * system call, so that the line is there when the process is killed in the next instant:
 *
 *   durable <id>                       the outbox has the request
 *   answer <id> <decision>             `decide()` resolved
 *   shown <id> <decision>              a listener was given a revision
 *   final <id> <decision>              `final()` resolved
 *
 * argv: url, device, secret, path of the outbox (or "memory"), file of the notes, "ask" or "drain". When it drains it asks
 * nothing new and ends with 0 when nothing is outstanding any more.
 */
import { openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { newId, type Decision } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { connect, memoryOutbox } from "../../sdk/client/index.ts";
import { fileOutbox } from "../../sdk/index.node.ts";
import { quickPolicy } from "../support/client-fixtures.ts";
import { sidesInput, sidesTask } from "./sides-place.ts";

const [url = "", device = "", secret = "", path = "", notes = "", mode = "ask"] = process.argv.slice(2);
const file = openSync(notes, "a");
const note = (what: string, id: string, decision?: Decision): void => {
  writeSync(file, decision === undefined ? `${what} ${id}\n` : `${what} ${id} ${JSON.stringify(decision)}\n`);
};

const client = connect({
  ...{ url, device, secret, onTimeout: "wait" },
  policy: { ...quickPolicy, link: { reconnect: { baseMs: 20, capMs: 200 }, stableMs: 200 } },
  outbox: path === "memory" ? memoryOutbox() : fileOutbox({ path }),
});
client.on("revision", (decision) => note("shown", decision.id, decision));
client.on("refused", ({ id, error }) => note("refused", `${id ?? ""} ${error.code}`));

async function finalOf(id: string): Promise<void> {
  note("final", id, await client.final(id));
}

/** Questions under way at a time: they pile up to this while no agent is there. */
const openMax = 64;
let open = 0;

async function ask(): Promise<void> {
  const id = newId(systemClock, systemRandom);
  const input = sidesInput(() => systemRandom.uniform());
  open += 1;
  await client.submit(sidesTask, input, { id });
  note("durable", id);
  void client
    .decide(sidesTask, input, { id })
    .then((decision) => note("answer", id, decision))
    .then(() => finalOf(id))
    .finally(() => (open -= 1));
}

const recovered = (await client.recovered()).map(finalOf);
if (mode === "drain") {
  await Promise.all(recovered);
  while (client.status().outstanding > 0) await sleep(20);
  await client.close();
} else {
  for (;;) {
    if (open < openMax) await ask();
    await sleep(2);
  }
}

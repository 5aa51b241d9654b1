import { createServer } from "node:net";
import { parseArgs } from "node:util";
import { Aedes } from "aedes";
import { bodyDigest, parseRequest } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createLogger } from "../../protocol/platform/log.node.ts";
import { openJournal } from "../../edge-agent/journal/journal.node.ts";

/**
 * The negative control of the kill test: the same broker and the same journal, but the commit hangs on the `published`
 * hook, which aedes calls after it has sent the PUBACK. It must lose acknowledged requests; if it does not, the test
 * that uses it proves nothing.
 */
const { values } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: { data: { type: "string" }, "mqtt-port": { type: "string" } },
});

const { journal } = await openJournal({
  dir: String(values.data),
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  logger: createLogger("silent", "control"),
  retention: { journalBytesMax: 2e9, inputKeepMs: 1e9, unansweredMaxMs: 1e9 },
});
const broker = await Aedes.createBroker();
broker.published = (packet, client, done) => {
  const parsed = parseRequest(new Uint8Array(packet.payload as Buffer));
  if (!parsed.ok) {
    done();
    return;
  }
  void journal
    .admit({
      request: parsed.value,
      bodyDigest: bodyDigest(nodeHasher, parsed.value),
      device: client.id,
      transport: "mqtt",
      encoding: parsed.encoding,
      receivedAtMs: systemClock.wallMs(),
      keepInput: true,
    })
    .then(() => done());
};
const server = createServer(broker.handle);
server.listen(Number(values["mqtt-port"]), "127.0.0.1", () => {
  const address = server.address();
  const mqttPort = typeof address === "object" && address ? address.port : 0;
  console.log(JSON.stringify({ mqttPort, http: null, review: null, pin: null, startedInMs: 0 }));
});

import { hubbedAgent } from "./edge-agent-hub.ts";

/**
 * An agent that holds cases until it is killed. A line on stdout for each that was acknowledged, after it was; the next
 * life goes on with the same directory. argv: hub's url, token, directory, cases of this life.
 */
const [, , url = "", token = "", dataDir = "", wanted = "0"] = process.argv;
const agent = await hubbedAgent({ url, token }, dataDir);
process.stdout.write("ready\n");
for (let made = 0; made < Number(wanted); made += 1) {
  const bytes = new Uint8Array(12 * 12 * 3).fill(made);
  const id = await agent.hold({ kind: "pixels", width: 12, height: 12, channels: 3, data: bytes });
  process.stdout.write(`held ${id}\n`);
}
setInterval(() => undefined, 1000);

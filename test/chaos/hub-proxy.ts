import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A network between an agent and its hub that does what networks and the boxes in them do, by whole exchanges: one is
 * lost on its way there or on its way back, comes late, comes twice, comes after the one that was sent later, or stops in
 * the middle of a body.
 */
export const networkFaults = ["lose", "loseAnswer", "delay", "double", "reorder", "cut", "cutAnswer"] as const;
export type NetworkFault = (typeof networkFaults)[number];

export interface HubProxy {
  readonly url: string;
  /** How often each fault was injected. */
  readonly injected: Readonly<Record<NetworkFault, number>>;
  /** From now on everything goes through. */
  calm(): void;
  close(): Promise<void>;
}

export interface HubProxyOptions {
  readonly hubPort: () => number;
  readonly random: () => number;
  /** Share of exchanges that something happens to. */
  readonly faultShare: number;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

const delayMsMax = 800;
/** A held exchange goes on without a later one after this. */
const reorderMs = 400;

export async function startHubProxy(options: HubProxyOptions): Promise<HubProxy> {
  const { random, hubPort, faultShare } = options;
  const injected = Object.fromEntries(networkFaults.map((fault) => [fault, 0])) as Record<NetworkFault, number>;
  let isCalm = false;
  let passNext: () => void = () => undefined;

  const forward = (from: IncomingMessage, body: Buffer): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { method, url, headers } = from;
      const to = request({ host: "127.0.0.1", port: hubPort(), method, path: url, headers, agent: false });
      to.on("error", reject).on("response", (answer) => {
        bodyOf(answer).then((bytes) => {
          resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: bytes });
        }, reject);
      });
      to.end(body);
    });
  const handle = async (from: IncomingMessage, to: ServerResponse): Promise<void> => {
    const body = await bodyOf(from);
    const fault = !isCalm && random() < faultShare ? networkFaults[Math.floor(random() * networkFaults.length)] : null;
    if (fault) injected[fault] += 1;
    const released = passNext;
    if (fault === "lose") return void to.destroy();
    if (fault === "delay") await sleep(random() * delayMsMax);
    if (fault === "reorder") {
      await Promise.race([new Promise<void>((resolve) => (passNext = resolve)), sleep(reorderMs)]);
    }
    if (fault === "cut") {
      // The sender broke off: the hub gets half of what the length promised.
      const half = request({
        host: "127.0.0.1",
        port: hubPort(),
        method: from.method,
        path: from.url,
        headers: from.headers,
      });
      half.on("error", () => undefined);
      half.write(body.subarray(0, Math.floor(body.byteLength / 2)), () => half.destroy());
      return void to.destroy();
    }
    const first = await forward(from, body);
    released();
    const answer = fault === "double" && random() < 0.5 ? await forward(from, body) : first;
    if (fault === "double" && answer === first) await forward(from, body).catch(() => undefined);
    if (fault === "loseAnswer") return void to.destroy();
    to.writeHead(answer.status, answer.headers);
    if (fault !== "cutAnswer") return void to.end(answer.body);
    to.write(answer.body.subarray(0, Math.floor(answer.body.byteLength / 2)), () => to.destroy());
  };
  // A hub that is gone is a connection that breaks.
  const server = createServer((from, to) => void handle(from, to).catch(() => to.destroy()));
  server.keepAliveTimeout = 1_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    injected,
    calm: () => {
      isCalm = true;
      passNext();
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function bodyOf(from: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of from) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

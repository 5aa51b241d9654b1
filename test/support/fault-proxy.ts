import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** What a bad network does to a connection, chosen anew for each. */
export type Fault = "none" | "drop" | "cut_request" | "cut_answer" | "delay" | "silent";

export interface FaultProxy {
  readonly port: number;
  /** Says what becomes of the next connections. */
  choose: () => Fault;
  /** Ends what is open. */
  hangUp(): void;
  readonly faults: Readonly<Record<Fault, number>>;
  close(): Promise<void>;
}

/**
 * A proxy between an agent and its hub. `cut_request`: the hub gets a part of the call. `cut_answer`: the hub gets all of
 * it and its answer is lost half way, so that the agent must send the same again. `silent`: nothing ever comes.
 */
export async function faultProxy(target: () => number): Promise<FaultProxy> {
  const open = new Set<Socket>();
  const faults = { none: 0, drop: 0, cut_request: 0, cut_answer: 0, delay: 0, silent: 0 };
  const server = createServer((client) => {
    const fault = proxy.choose();
    faults[fault] += 1;
    open.add(client);
    client.on("error", () => undefined).on("close", () => open.delete(client));
    if (fault === "drop") return void client.destroy();
    if (fault === "silent") return void client.resume();
    const hub = connect(target(), "127.0.0.1");
    open.add(hub);
    const end = (): void => {
      client.destroy();
      hub.destroy();
    };
    hub.on("error", end).on("close", () => {
      open.delete(hub);
      client.destroy();
    });
    client.on("close", () => hub.destroy());
    let sent = 0;
    client.on("data", (chunk: Buffer) => {
      sent += chunk.length;
      if (fault === "cut_request" && sent > 600) {
        hub.write(chunk.subarray(0, 100));
        setTimeout(end, 5);
      } else if (fault === "delay") setTimeout(() => !hub.destroyed && hub.write(chunk), 30);
      else hub.write(chunk);
    });
    hub.on("data", (chunk: Buffer) => {
      if (fault !== "cut_answer") return void client.write(chunk);
      client.write(chunk.subarray(0, Math.floor(chunk.length / 2)));
      setTimeout(end, 5);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const hangUp = (): void => {
    for (const socket of open) socket.destroy();
  };
  const proxy: FaultProxy = {
    port: (server.address() as AddressInfo).port,
    choose: () => "none",
    hangUp,
    faults,
    close: async () => {
      hangUp();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

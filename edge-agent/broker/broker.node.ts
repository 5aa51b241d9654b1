import { type Socket } from "node:net";
import { type Clock, type Logger, type Timers } from "../../protocol/index.ts";
import { type AgentMetrics, type AgentService, type DeviceDirectory } from "../service.ts";
import { brokerLimits, type BrokerLimits } from "./broker-limits.ts";
import { closeListener, listenOn, tlsWrapper, type TlsFiles } from "./listener.node.ts";
import { MqttDoor } from "./mqtt-door.node.ts";
import { startStatus } from "./status.node.ts";

export interface BrokerOptions {
  readonly service: AgentService;
  readonly devices: DeviceDirectory;
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  /** A second listener with TLS; 0 chooses a free port. */
  readonly tls?: TlsFiles & { readonly port: number };
  readonly limits?: Partial<BrokerLimits>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: AgentMetrics;
  readonly agentName: string;
}

export interface RunningBroker {
  readonly port: number;
  readonly tlsPort: number | null;
  /** Devices that are connected. */
  connections(): number;
  /** Publishes the retained status now, if it changed. */
  publishStatus(): Promise<void>;
  /** Stops listening, lets what is being made durable end for `graceMs`, then closes every connection. */
  close(graceMs?: number): Promise<void>;
}

/**
 * The embedded MQTT 3.1.1 broker: the door for devices (design 4.2).
 * Errors: HP_PORT when a port is taken, HP_RUNTIME_MISSING without aedes, HP_CONFIG for unreadable TLS files.
 */
export async function startBroker(options: BrokerOptions): Promise<RunningBroker> {
  const wrapTls = options.tls ? await tlsWrapper(options.tls) : null;
  const door = new MqttDoor(options, { ...brokerLimits, ...options.limits });
  await door.open();
  const accept = (socket: Socket): void => door.accept(socket);
  const { connectionsMax } = door.limits;
  const plain = await listenOn({ host: options.host, port: options.port, connectionsMax, accept }).catch(closing(door));
  const secure =
    options.tls && wrapTls
      ? await listenOn({
          host: options.host,
          port: options.tls.port,
          connectionsMax,
          accept: (socket) => accept(wrapTls(socket)),
        }).catch(async (cause: unknown) => {
          plain.server.close();
          return closing(door)(cause);
        })
      : null;
  const status = startStatus({
    ...options,
    intervalMs: door.limits.statusIntervalMs,
    publish: (topic, payload) => door.publishRetained(topic, payload),
    tick: () => door.tick(),
  });
  return {
    port: plain.port,
    tlsPort: secure?.port ?? null,
    connections: () => door.peers.size,
    publishStatus: () => status.publish(),
    close: async (graceMs = 1000) => {
      status.stop();
      const closed = [plain, ...(secure ? [secure] : [])].map(({ server }) => closeListener(server));
      await door.close(graceMs);
      await Promise.all(closed);
    },
  };
}

function closing(door: MqttDoor): (cause: unknown) => Promise<never> {
  return async (cause) => {
    await door.close(0);
    throw cause;
  };
}

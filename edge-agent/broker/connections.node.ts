import { type Socket } from "node:net";
import { HoldpointError, type Logger, type Timers } from "../../protocol/index.ts";
import { type AgentMetrics } from "../service.ts";
import { type BrokerLimits } from "./broker-limits.ts";
import { ByteBudget } from "./byte-budget.ts";
import { faultErrors, faultOf, type ConnectionFault } from "./connection-fault.ts";
import { Connection, type ConnectionOptions } from "./connection.node.ts";

export interface ConnectionsOptions {
  readonly limits: BrokerLimits;
  readonly timers: Timers;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
  /** Counts a refusal and tells it to a device. */
  readonly tell: (device: string, error: HoldpointError) => void;
}

/** The open connections, with and without a CONNECT, and what is said and counted when one is closed for a fault. */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #shared: ConnectionOptions;
  readonly #all = new Set<Connection>();
  /** Connections without a whole CONNECT, the oldest first. */
  readonly #silent = new Set<Connection>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    const { limits, timers } = options;
    this.#shared = {
      limits,
      timers,
      largeFrames: new ByteBudget(limits.largeFramesBytesMax),
      onConnect: (connection) => void this.#silent.delete(connection),
      onFault: (connection, fault) => this.faulted(connection, fault),
      onClosed: (connection) => {
        this.#all.delete(connection);
        this.#silent.delete(connection);
        this.#ended(connection);
      },
    };
  }

  /** The guarded stream of a socket that was just accepted. Too many silent ones: the oldest is closed. */
  accept(socket: Socket): Connection {
    const connection = new Connection(socket, this.#shared);
    this.#all.add(connection);
    this.#silent.add(connection);
    const [oldest] = this.#silent;
    if (this.#silent.size > this.#shared.limits.silentConnectionsMax) oldest?.fail("crowded");
    return connection;
  }

  faulted(connection: Connection, fault: ConnectionFault): void {
    const { logger, metrics, tell } = this.#options;
    const error = faultErrors[fault];
    if (error !== undefined) {
      // Who has not shown a secret is told nothing; a device hears it before its connection closes.
      if (connection.device === null) metrics.refused("mqtt", error[0]);
      else tell(connection.device, new HoldpointError(...error));
    }
    // Strangers must not fill the log; they are in the metrics.
    const level = connection.device === null ? "debug" : "warn";
    const { device, remote } = connection;
    logger[level]("mqtt_connection_closed", { device, remote, fault });
  }

  destroyAll(): void {
    for (const connection of this.#all) connection.destroy();
  }

  /** What aedes destroyed with an error broke the protocol or a time limit; what the socket failed with did not. */
  #ended(connection: Connection): void {
    const cause: (Error & { errorCode?: number }) | null = connection.endedBy;
    if (cause === null) return;
    // An unacceptable version is answered by CONNACK 1; other return codes were counted where they were chosen.
    if (cause.errorCode === 1) this.#options.metrics.refused("mqtt", "HP_VERSION");
    if (cause.errorCode === undefined) this.faulted(connection, faultOf(cause));
  }
}

import { type Clock, type Hasher, type Logger, type Random, type Route } from "../../protocol/index.ts";
import { serveHttp, type RunningHttpServer } from "../../protocol/platform/http-server.node.ts";
import { type AgentMetrics, type AgentService } from "../service.ts";
import { Callers, type SecretDirectory } from "./bearer.ts";
import { decisionRoutes } from "./decision-routes.ts";
import { type HttpDoor } from "./door.ts";
import { entityRoutes } from "./entity-routes.ts";
import { httpLimits, type HttpLimits } from "./http-limits.ts";
import { reviewBackendRoutes } from "./review-backend-routes.ts";
import { stateRoutes } from "./state-routes.ts";
import { Waits } from "./waits.ts";

export interface HttpOptions {
  readonly service: AgentService;
  readonly devices: SecretDirectory;
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  readonly limits?: Partial<HttpLimits>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly hasher: Hasher;
  readonly metrics: AgentMetrics;
  readonly metricsText: HttpDoor["metricsText"];
  /** Device whose name callers on this machine without a secret act under, at the imitating endpoints only. */
  readonly localDevice?: string;
  /** Task of `POST /decide`; `entity_risk` where it is not given. */
  readonly entityTask?: string;
}

/** The agent's HTTP (design 4.3 and 4.4). Errors: HP_PORT when the port is taken. */
export async function startHttp(options: HttpOptions): Promise<RunningHttpServer> {
  const limits = { ...httpLimits, ...options.limits };
  return serveHttp({
    routes: agentRoutes(options, limits),
    host: options.host,
    port: options.port,
    bodyBytesMax: limits.bodyBytesMax,
    bodiesBytesMax: limits.bodiesBytesMax,
    connectionsMax: limits.connectionsMax,
    requestTimeoutMs: limits.requestTimeoutMs,
    logger: options.logger,
    onConnections: (open) => options.metrics.connections("http", open),
    onRefused: (error) => options.metrics.refused("http", error.code),
  });
}

function agentRoutes(options: HttpOptions, limits: HttpLimits): readonly Route[] {
  const door: HttpDoor = {
    ...options,
    limits,
    waits: new Waits(options.service, limits.waitersMax),
    callers: new Callers(options.devices, options.localDevice ?? null),
    entityTask: options.entityTask ?? "entity_risk",
  };
  return [...decisionRoutes(door), ...stateRoutes(door), ...reviewBackendRoutes(door), ...entityRoutes(door)];
}

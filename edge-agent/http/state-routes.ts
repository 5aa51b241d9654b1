import { jsonReply, type AgentStatus, type Reply, type Route } from "../../protocol/index.ts";
import { type HttpDoor } from "./door.ts";

/** How the agent is. Without a secret: for the probes and dashboards of the box it runs on. */
export function stateRoutes(door: HttpDoor): readonly Route[] {
  const alive = (): Reply => jsonReply({ status: "ok" });
  return [
    // Alive is whoever answers: a journal in trouble is no reason to be killed.
    { method: "GET", path: "/healthz", handle: alive },
    { method: "GET", path: "/health", handle: alive },
    { method: "GET", path: "/readyz", handle: async () => readiness(await door.service.status()) },
    { method: "GET", path: "/v1/status", handle: async () => jsonReply(await door.service.status()) },
    {
      method: "GET",
      path: "/metrics",
      handle: async () => {
        const { contentType, body } = await door.metricsText();
        return { status: 200, headers: { "content-type": contentType }, body };
      },
    },
  ];
}

/** A degraded agent takes requests and says what is wrong; one that starts, drains or is offline takes none. */
function readiness({ state, reasons }: AgentStatus): Reply {
  const ready = state === "ready" || state === "degraded";
  return jsonReply({ ready, state, reasons }, ready ? 200 : 503);
}

import { HoldpointError, problemReply, type Reply } from "../../protocol/index.ts";
import { type AgentMetrics } from "../service.ts";

/** Told with a transient refusal that names no time. */
const retryAfterMs = 1_000;

/** A refusal of the service as problem+json, with the id of the request where one could be read; counted. */
export function refusalReply(
  metrics: AgentMetrics,
  { id, error }: { readonly id: string | null; readonly error: HoldpointError },
): Reply {
  metrics.refused("http", error.code);
  if (error.retry !== "backoff" || error.retryAfterMs !== undefined) return problemReply(error, id);
  const { code, message, hint } = error;
  return problemReply(new HoldpointError(code, message, { hint, retryAfterMs, cause: error }), id);
}

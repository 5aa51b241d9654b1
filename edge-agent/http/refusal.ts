import { HoldpointError, problemReply, type Reply } from "../../protocol/index.ts";

/** Told with a transient refusal that names no time. */
const retryAfterMs = 1_000;

/**
 * A refusal of the service as problem+json. Not thrown: the service has counted it already, and it carries the id of the
 * request where one could be read.
 */
export function refusalReply({ id, error }: { readonly id: string | null; readonly error: HoldpointError }): Reply {
  if (error.retry !== "backoff" || error.retryAfterMs !== undefined) return problemReply(error, id);
  const { code, message, hint } = error;
  return problemReply(new HoldpointError(code, message, { hint, retryAfterMs, cause: error }), id);
}

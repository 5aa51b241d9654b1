import { HoldpointError, type Clock, type Logger } from "../../../protocol/index.ts";

/** The least time between two lines of one kind while the database is away. */
const againMs = 60_000;

/**
 * While the database is away, whatever asks it says so: two lines a second, for as long as that takes, each with a stack.
 * One line of each kind a minute says the same, with `leftOut` for those between; everything else is logged as it comes.
 */
export function outageLogger(logger: Logger, clock: Pick<Clock, "monotonicMs">): Logger {
  const kinds = new Map<string, { readonly saidMs: number; leftOut: number }>();
  return {
    debug: (event, data) => logger.debug(event, data),
    info: (event, data) => logger.info(event, data),
    warn: (event, data) => {
      if (!isOutage(data?.["cause"])) {
        logger.warn(event, data);
        return;
      }
      const kind = kinds.get(event);
      const nowMs = clock.monotonicMs();
      if (kind && nowMs - kind.saidMs < againMs) {
        kind.leftOut += 1;
        return;
      }
      kinds.set(event, { saidMs: nowMs, leftOut: 0 });
      logger.warn(event, kind && kind.leftOut > 0 ? { ...data, leftOut: kind.leftOut } : data);
    },
    error: (event, data) => logger.error(event, data),
  };
}

function isOutage(cause: unknown): boolean {
  return cause instanceof HoldpointError && cause.code === "HP_DATABASE";
}

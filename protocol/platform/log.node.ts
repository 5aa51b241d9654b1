import { pino } from "pino";
import { type Logger } from "../ports.ts";

/** JSON lines on stderr, one event a line; stdout belongs to the command's own output. */
export function createLogger(level: "debug" | "info" | "warn" | "error" | "silent", name: string): Logger {
  const log = pino({ level, name, errorKey: "cause" }, pino.destination({ dest: 2, sync: true }));
  return {
    debug: (event, data) => log.debug(data ?? {}, event),
    info: (event, data) => log.info(data ?? {}, event),
    warn: (event, data) => log.warn(data ?? {}, event),
    error: (event, data) => log.error(data ?? {}, event),
  };
}

import { expect, test } from "vitest";
import { outageLogger } from "../../cloud-sync/hub/database/outage-log.ts";
import { HoldpointError, type Logger } from "../../protocol/index.ts";

const away = new HoldpointError("HP_DATABASE", "connect ECONNREFUSED");

test("an outage of the database is said once a minute by each that meets it, and nothing else is held back", () => {
  const lines: [string, unknown][] = [];
  const kept: Logger["warn"] = (event, data) => lines.push([event, data?.["leftOut"] ?? data?.["id"] ?? null]);
  let nowMs = 0;
  const logger = outageLogger({ debug: kept, info: kept, warn: kept, error: kept }, { monotonicMs: () => nowMs });
  for (; nowMs < 120_000; nowMs += 1000) {
    logger.warn("sweep_failed", { cause: away });
    if (nowMs === 0) logger.warn("gates_not_read", { cause: away });
  }
  expect(lines).toEqual([
    ["sweep_failed", null],
    ["gates_not_read", null],
    ["sweep_failed", 59],
  ]);

  lines.length = 0;
  for (const id of ["a", "b"]) logger.warn("sweep_failed", { cause: new HoldpointError("HP_BUSY", "x"), id });
  for (const id of ["c", "d"]) logger.error("hub_broken", { cause: away, id });
  logger.info("hub_listening");
  expect(lines.map(([, id]) => id)).toEqual(["a", "b", "c", "d", null]);
});

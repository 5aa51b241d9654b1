import { type BenchRow } from "./bench-row.ts";
import { hubAnswerRows } from "./hub-answer-rows.ts";
import { hubConfigRows } from "./hub-config-rows.ts";
import { hubFleetRows } from "./hub-fleet-rows.ts";
import { hubIngestRows } from "./hub-ingest-rows.ts";
import { hubQueueRows } from "./hub-queue-rows.ts";
import { hubReturnRows } from "./hub-return-rows.ts";

/** The hub, by itself and with a fleet around it. */
export async function hubRows(long: boolean): Promise<readonly BenchRow[]> {
  return [
    ...(await hubIngestRows()),
    ...(await hubQueueRows(long)),
    ...(await hubAnswerRows()),
    ...(await hubConfigRows()),
    ...(await hubFleetRows(long)),
    ...(await hubReturnRows(long)),
  ];
}

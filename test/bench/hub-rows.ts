import { type BenchRow } from "./bench-row.ts";
import { hubIngestRows } from "./hub-ingest-rows.ts";
import { hubQueueRows } from "./hub-queue-rows.ts";

/** The hub, by itself and with a fleet around it. */
export async function hubRows(long: boolean): Promise<readonly BenchRow[]> {
  return [...(await hubIngestRows()), ...(await hubQueueRows(long))];
}

import { type BenchRow } from "./bench-row.ts";
import { hubIngestRows } from "./hub-ingest-rows.ts";

/** The hub, by itself and with a fleet around it. */
export async function hubRows(): Promise<readonly BenchRow[]> {
  return [...(await hubIngestRows())];
}

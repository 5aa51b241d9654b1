import { createHubReviewStore } from "../../cloud-sync/hub/review/hub-review-store.ts";
import { type Reviewer } from "../../cloud-sync/review/review-store.ts";
import { openReviewPlace, seedCases, seedStore } from "../support/hub-review.ts";
import { startPostgres } from "../support/postgres.ts";
import { quantile, row, type BenchRow } from "./bench-row.ts";
import { type StoreKind } from "./hub-place.ts";

/** Cases that a reviewer is given and hands back at each size of the queue. */
const asked = 200;

/** A reviewer asks for the next case while very many wait, as the page does: the case, the one after it, the queue. */
export async function hubQueueRows(long: boolean): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const kind of ["sqlite", "postgres"] as const) rows.push(...(await queueRows(kind, long)));
  return rows;
}

async function queueRows(kind: StoreKind, long: boolean): Promise<readonly BenchRow[]> {
  const server = kind === "postgres" ? await startPostgres() : null;
  const place = await openReviewPlace({ url: server ? await server.createDatabase() : undefined });
  const store = createHubReviewStore({ ...place.parts, vault: place.vault });
  try {
    await seedStore(place.database, "store_1");
    const sizes = long ? [1_000, 100_000, 1_000_000] : [1_000, 100_000];
    const p95: number[] = [];
    let waiting = 0;
    for (const size of sizes) {
      // Nobody's patience ends while the queue is filled.
      await seedCases(place, size - waiting, { leftMs: 30 * 86_400_000 });
      waiting = size;
      const times: number[] = [];
      for (let turn = 0; turn < asked; turn += 1) {
        const reviewer = person(turn);
        const startMs = performance.now();
        const { cases } = await store.next(reviewer, 2);
        times.push(performance.now() - startMs);
        if (cases.length !== 2) throw new Error(`the reviewer was given ${cases.length} cases of ${size}`);
        for (const { id, lease } of cases) await store.release(reviewer, id, lease?.generation ?? 0);
      }
      p95.push(quantile(times, 0.95));
    }
    const last = p95.at(-1) ?? Number.NaN;
    const detail = sizes.map(
      (size, index) => `${size.toLocaleString("en")} waiting ${(p95[index] ?? 0).toFixed(1)} ms`,
    );
    const title = `next case, p95, ${kind}`;
    return [
      row(`${title}, against 100 ms`, last / 100, "≤ 1", detail.join(", ")),
      row(`${title}, the longest queue against 1,000 waiting`, last / (p95[0] ?? Number.NaN), "≤ 2", detail.join(", ")),
    ];
  } finally {
    await store.close();
    await place.close();
    await server?.close();
  }
}

/** Another one each time: who has just handed a case back is not what is measured. */
function person(turn: number): Reviewer {
  const scope = { person: `person:${turn}`, stores: null, tasks: null, skills: [], isLead: false };
  return { key: `session-${turn}`, name: `Reviewer ${turn}`, scope };
}

import { sql, type Kysely } from "kysely";
import { type QueueState } from "../../../protocol/index.ts";
import { type Reviewer } from "../../review/review-store.ts";
import { type HubTables } from "../database/tables.ts";
import { reachOf } from "./lanes.ts";
import { type ReviewParts } from "./review-parts.ts";
import { inHand } from "./slots.ts";

/**
 * How much waits, for the page. Counted up to `countMax` in each lane: that there are more than a thousand is all that
 * anybody needs to know, and counting a million would cost more than the next case.
 */
const countMax = 1_000;
/** A long queue is counted again after this; a short one after every change. */
const longQueueMs = 1_000;

export interface QueueCounts {
  of(reviewer: Reviewer | undefined): Promise<QueueState>;
  /** Something has moved. */
  changed(): void;
}

export function createQueueCounts(parts: ReviewParts): QueueCounts {
  const kept = new Map<string, { readonly state: QueueState; readonly atMs: number; readonly version: number }>();
  let version = 0;
  return {
    of: async (reviewer) => {
      const key = JSON.stringify(reviewer?.scope ?? null);
      const nowMs = parts.clock.monotonicMs();
      const known = kept.get(key);
      const isFresh = known && (known.version === version || known.state.more) && nowMs - known.atMs < longQueueMs;
      if (isFresh) return known.state;
      const asked = version;
      const state = await parts.database.read((db) => count(parts, db, reviewer));
      if (kept.size >= scopesMax) kept.clear();
      kept.set(key, { state, atMs: nowMs, version: asked });
      return state;
    },
    changed: () => {
      version += 1;
    },
  };
}

const scopesMax = 1_000;

async function count(parts: ReviewParts, db: Kysely<HubTables>, reviewer: Reviewer | undefined): Promise<QueueState> {
  const { lanes, stores } = await reachOf(db, reviewer);
  const state: QueueState = {
    store: stores?.length === 1 ? (stores[0] ?? "") : "",
    ...{ waiting: 0, leased: 0, more: false, oldestHeldAtMs: null },
    undoWindowMs: parts.policy.undoWindowMs,
    tasks: [],
  };
  if (lanes.length === 0 || stores?.length === 0) return state;
  const tasks = new Map<string, number>();
  let [waiting, more, oldest] = [0, false, Infinity];
  for (const lane of lanes) {
    const { rows, oldestMs } = await countLane(db, lane.lane, stores);
    if (rows === 0) continue;
    waiting += Math.min(rows, countMax);
    more ||= rows > countMax;
    oldest = Math.min(oldest, oldestMs);
    tasks.set(lane.task, (tasks.get(lane.task) ?? 0) + Math.min(rows, countMax));
  }
  return {
    ...state,
    waiting,
    more,
    leased: await countLeased(
      db,
      lanes.map(({ lane }) => lane),
      stores,
    ),
    oldestHeldAtMs: oldest === Infinity ? null : oldest,
    tasks: [...tasks].map(([task, count]) => ({ task, waiting: count })),
  };
}

async function countLane(
  db: Kysely<HubTables>,
  lane: string,
  stores: readonly string[] | null,
): Promise<{ readonly rows: number; readonly oldestMs: number }> {
  const row = await db
    .selectFrom((inner) => {
      const first = inner
        .selectFrom("review_slots")
        .select("held_ms")
        .where("state", "=", sql.lit("waiting" as const))
        .where("lane", "=", lane)
        .orderBy("queue_key")
        .limit(countMax + 1);
      return (stores === null ? first : first.where("store", "in", [...stores])).as("first");
    })
    .select((built) => [built.fn.countAll<number>().as("rows"), built.fn.min("held_ms").as("oldest")])
    .executeTakeFirstOrThrow();
  return { rows: row.rows, oldestMs: row.rows === 0 ? Infinity : row.oldest };
}

async function countLeased(
  db: Kysely<HubTables>,
  lanes: readonly string[],
  stores: readonly string[] | null,
): Promise<number> {
  let query = db
    .selectFrom("review_slots")
    .select((built) => built.fn.countAll<number>().as("rows"))
    .where(inHand)
    .where("state", "=", "leased")
    .where("lane", "in", [...lanes]);
  if (stores !== null) query = query.where("store", "in", [...stores]);
  return (await query.executeTakeFirstOrThrow()).rows;
}

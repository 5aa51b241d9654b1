import { afterAll, beforeAll, describe } from "vitest";
import { createHubReviewStore } from "../../cloud-sync/hub/review/hub-review-store.ts";
import { type HubDatabase } from "../../cloud-sync/hub/database/database.ts";
import { HoldpointError } from "../../protocol/index.ts";
import { fakeClock, type FakeClock } from "../../testing/index.ts";
import {
  feedReviews,
  newsHeard,
  openReviewPlace,
  seedCases,
  seedStore,
  type ReviewPlace,
} from "../support/hub-review.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { reviewStoreContract, type ReviewStoreHarness } from "./review-store.contract.ts";

const task = "product_identification";
const policy = { leaseMs: 60_000, undoWindowMs: 5_000, deadlineMarginMs: 1_000 };
const picture = new Uint8Array([137, 80, 78, 71]);

/** A database whose feed cannot be written for a while: what an answer needs to leave. */
function failing(fail: { count: number }): (database: HubDatabase) => HubDatabase {
  return (database) => ({
    kind: database.kind,
    read: (work) => database.read(work),
    onNews: (listener) => database.onNews(listener),
    close: () => database.close(),
    write: (work) =>
      database.write((trx) =>
        work({
          db: trx.db,
          tell: (news) => {
            if (news.kind === "feed" && fail.count > 0) {
              fail.count -= 1;
              throw new HoldpointError("HP_DATABASE", "the feed cannot be written");
            }
            trx.tell(news);
          },
        }),
      ),
  });
}

/** One database for all tests of a kind; each test has its own time and finds the tables empty. */
interface Shared {
  readonly place: ReviewPlace;
  clock: FakeClock;
  readonly fail: { count: number };
}

async function openShared(url?: string): Promise<Shared> {
  const fail = { count: 0 };
  const shared = { clock: fakeClock(), fail };
  const clock = {
    wallMs: () => shared.clock.wallMs(),
    monotonicMs: () => shared.clock.monotonicMs(),
    after: (delayMs: number, task: () => void) => shared.clock.after(delayMs, task),
  };
  const place = await openReviewPlace({ url, clock, policy, wrap: failing(fail) });
  return Object.assign(shared, { place });
}

async function openHarness(shared: Shared): Promise<ReviewStoreHarness> {
  const clock = fakeClock();
  shared.clock = clock;
  const { place, fail } = shared;
  const { database, parts, listener, vault } = place;
  // Each test has the database to itself.
  await database.write(async ({ db }) => {
    for (const table of ["cases", "review_cases", "review_slots", "review_exclusions", "reviews"] as const) {
      await db.deleteFrom(table).execute();
    }
    await db.deleteFrom("feed_items").execute();
    const values = { labels_digest: "d", labels: JSON.stringify(["Kiwi", "Banana"]), question: null };
    await db
      .insertInto("store_tasks")
      .values({ store: "store_1", task, ...values })
      .onConflict((conflict) => conflict.columns(["store", "task"]).doUpdateSet(values))
      .execute();
  });
  await seedStore(database, "store_1");
  let store = createHubReviewStore({ ...parts, vault });
  store.sweeper.start();
  const slotOf = (caseId: string): Promise<string> =>
    database.read(async (db) => {
      const row = db.selectFrom("review_slots").select("slot_id").where("case_id", "=", caseId);
      return (await row.executeTakeFirstOrThrow()).slot_id;
    });
  const settle = (caseId: string, label: string | null): Promise<void> =>
    database.write((trx) => listener.settled(trx, { caseId, task, decidedBy: "reviewer", label }));
  const echoed = new Set<string>();
  const settled = async (): Promise<void> => {
    for (let quiet = 0; quiet < 2;) quiet = (await store.sweeper.sweep()) === 0 ? quiet + 1 : 0;
    // The store's journal takes the first review, and says so.
    for (const { caseId, item } of await feedReviews(database)) {
      if (echoed.has(caseId)) continue;
      echoed.add(caseId);
      await settle(caseId, item.answer.kind === "label" ? item.answer.label : null);
    }
    await newsHeard(database);
  };
  await newsHeard(database);
  return {
    store,
    clock,
    settled,
    hold: async (n, { leftMs = 900_000, heldAgoMs = 1_000 } = {}) => {
      const kind = leftMs === null ? "audit" : "escalation";
      const [caseId = ""] = await seedCases(place, 1, { leftMs, heldAgoMs, kind, picture, label: `Guess ${n}` });
      return slotOf(caseId);
    },
    settle: async (id) => {
      const row = await database.read((db) =>
        db.selectFrom("review_slots").select("case_id").where("slot_id", "=", id).executeTakeFirstOrThrow(),
      );
      echoed.add(row.case_id);
      await settle(row.case_id, "Banana");
    },
    reviews: async () => {
      const made = await feedReviews(database);
      return Promise.all(
        made.map(async ({ caseId, item }) => ({
          id: await slotOf(caseId),
          reviewer: item.reviewer,
          answer: item.answer,
        })),
      );
    },
    failCommits: (count) => {
      fail.count = count;
    },
    afterClose: async () => {
      // Another process finds what is due.
      store = createHubReviewStore({ ...parts, vault });
      clock.advance(5_000);
      await settled();
      await store.close();
    },
  };
}

describe("SQLite", () => {
  let shared: Shared | null = null;
  afterAll(() => shared?.place.close());
  reviewStoreContract("the hub's queue", async () => openHarness((shared ??= await openShared())));
});

describe("PostgreSQL", () => {
  let shared: Shared;
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
    shared = await openShared(await server.createDatabase());
  });
  afterAll(async () => {
    await shared.place.close();
    await server.close();
  });
  reviewStoreContract("the hub's queue", () => openHarness(shared));
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CaseSample } from "../../cloud-sync/hub/cases/case-opening.ts";
import { bundleCertificates } from "../../cloud-sync/hub/gate/bundle-certificates.ts";
import { type PersonCaller } from "../../cloud-sync/hub/api/caller.ts";
import { gateDetail } from "../../cloud-sync/hub/gate/gate-detail.ts";
import { newestState } from "../../cloud-sync/hub/gate/gate-list.ts";
import { labelsDigest } from "../../models/index.ts";
import { certificateSchema } from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { fakeClock, type FakeClock } from "../../testing/index.ts";
import { beginTask } from "../support/gate-keeping.ts";
import { openReviewPlace, seedStore, type ReviewPlace, type SeedTraits } from "../support/hub-review.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const admin: PersonCaller = {
  ...{ kind: "person", id: "p1", name: "Olga", roles: ["admin"], permissions: new Set(), stores: null, tasks: null },
  ...{ skills: [], sessionId: "s1" },
};
const noSignature = () => Promise.resolve(new Uint8Array(64));
const groups = { labels: ["Fruit", "Dairy"], of: [0, 0, 1] };
const products = ["Kiwi", "Orange", "Milk"];
const digest = labelsDigest(products, groups, nodeHasher);

/** A case that goes to people with both of its answers: "Kiwi", and "Fruit" with 0.95. */
function coarseOf(confidence: number, gateThreshold: number | null, more: Partial<CaseSample> = {}): SeedTraits {
  return {
    ...{ confidence, sample: { groups: digest } },
    second: {
      ...{ rung: "coarse", predicted: "Fruit", confidence: 0.95, groups: digest },
      ...{ fine: { confidence, calibration: "none", gateThreshold }, ...more },
    },
  };
}

function coarseContracts(open: (clock: FakeClock) => Promise<ReviewPlace>): void {
  const clock = fakeClock();
  let place: ReviewPlace;
  beforeAll(async () => {
    place = await open(clock);
    await seedStore(place.database, "store_1");
    const row = { digest, labels: JSON.stringify(products), coarse: JSON.stringify(groups), came_ms: 1 };
    await place.database.write(({ db }) => db.insertInto("gate_groups").values(row).execute());
  });
  afterAll(() => place.close());

  /** A task whose ladder has coarse answers. */
  const beginCoarse = async (thresholds: string) => {
    const layer = (task: string): string => `thresholds: { ${task}: ${thresholds} }
tasks: { ${task}: { fallback: [coarse_answer, human_review, safe_action] } }`;
    const begun = await beginTask(place, clock, layer);
    const judged = async (count: number, traits: SeedTraits, said = "Kiwi"): Promise<void> => {
      await begun.say(await begun.held(count, traits), said);
      while ((await begun.keep()) > 0);
    };
    const coarse = () => begun.state("certificate", "coarse");
    return { ...begun, judged, coarse, fine: () => begun.state() };
  };

  test("a coarse contract is certified by escalations alone, beside a number that people guessed for the fine answer", async () => {
    const { coarse, fine, judged } = await beginCoarse("{ default: 0.9, coarse: { max_error: 0.1, delta: 0.2 } }");
    // Every one of them is another product of the same group.
    await judged(90, coarseOf(0.6, 0.9), "Orange");
    expect(await fine()).toBeUndefined();
    expect(await coarse()).toMatchObject({ kind: "certified", labels: 90, level: "fleet" });
    expect(JSON.parse((await coarse())?.residual ?? "")).toEqual({ below: 0.9, calibration: "none" });
    const [bundled] = await place.database.read((db) => bundleCertificates(db, "store_1", noSignature));
    expect(bundled).toMatchObject({ rung: "coarse", adjust: null, residual: { below: 0.9, adjust: null } });
    expect(bundled?.gateThreshold).toBeLessThanOrEqual(0.95);
    expect(certificateSchema.safeParse(bundled).success).toBe(true);
  });

  test("coarse answers of another group withdraw it, and a drawn one's fine label is evidence with its chance", async () => {
    const { coarse, judged, task } = await beginCoarse("{ default: 0.9, coarse: { max_error: 0.1, delta: 0.2 } }");
    await judged(90, coarseOf(0.6, 0.9));
    expect(await coarse()).toMatchObject({ kind: "certified" });
    const { second, ...rest } = coarseOf(0.6, 0.9);
    const audit: SeedTraits = {
      ...{ ...rest, kind: "audit", sample: { ...second, certificate: "c-1", isAudited: true, propensity: 0.01 } },
      second: { rung: "fine", predicted: "Kiwi", confidence: 0.6, fine: null },
    };
    clock.advance(1_000);
    await judged(30, audit, "Milk");
    expect(await coarse()).toMatchObject({ kind: "alarmed", gate_threshold: null, epoch: 2 });
    const rows = await place.database.read((db) =>
      db.selectFrom("gate_labels").selectAll().where("task", "=", task).where("kind", "=", "audit").execute(),
    );
    expect(new Set(rows.map((row) => `${row.rung} ${row.propensity} ${row.propensity_min}`))).toEqual(
      new Set(["coarse 0.01 0.01", "fine 0.01 0.01"]),
    );
  });

  test("a coarse certificate waits for the launch of the fine one, and without a contract of its own is under the task's", async () => {
    const { coarse, fine, judged, task } = await beginCoarse("{ max_error: 0.1, delta: 0.2, launch_labels: 120 }");
    await judged(110, coarseOf(0.6, null), "Orange");
    expect(await fine()).toMatchObject({ kind: "collecting", labels: 110 });
    const line = () =>
      place.database.read((db) => newestState(db, { level: "fleet", scope: "-", task, label: null, rung: "coarse" }));
    // Of its own it has enough: it waits for the ten that the fine one lacks.
    expect(await line()).toMatchObject({ labels: 110, labelsMissing: 10, residual: { below: null } });
    expect(await coarse()).toMatchObject({ kind: "collecting", labels: 110 });
    await judged(12, coarseOf(0.6, null), "Orange");
    // Nothing of the fine answers was right: the launch was tried, and the coarse one after it.
    expect(await fine()).toMatchObject({ kind: "collecting", labels: 122 });
    expect(await coarse()).toMatchObject({ kind: "certified", labels: 122 });
    expect(JSON.parse((await coarse())?.residual ?? "")).toEqual({ below: null, calibration: "none" });
  });

  test("when the fine gate accepts more, what it leaves is another question: the coarse certificate begins anew", async () => {
    const { coarse, judged, task } = await beginCoarse(
      "{ default: 0.9, coarse: { max_error: 0.1, delta: 0.2, launch_labels: 40 } }",
    );
    await judged(45, coarseOf(0.6, 0.9));
    expect(await coarse()).toMatchObject({ kind: "certified", epoch: 1 });
    // A store with a higher number: what lies between is not spoken of, and nothing is lost.
    await judged(5, coarseOf(0.92, 0.95), "Milk");
    expect(await coarse()).toMatchObject({ kind: "certified", epoch: 1, labels: 45 });
    await judged(3, coarseOf(0.6, 0.8));
    expect(await coarse()).toMatchObject({ kind: "collecting", epoch: 2, labels: 3, gate_threshold: null });
    expect(JSON.parse((await coarse())?.residual ?? "")).toEqual({ below: 0.8, calibration: "none" });
    // Of the old gate's cases those count that the new one would have left as well.
    await judged(2, coarseOf(0.85, 0.9));
    await judged(40, coarseOf(0.6, 0.9));
    expect(await coarse()).toMatchObject({ kind: "certified", epoch: 2, labels: 43 });
    // People are shown what it speaks of, of all epochs: neither 0.92 nor 0.85.
    const name = { level: "fleet", scope: "-", task, label: null, rung: "coarse" } as const;
    const detail = await place.database.read((db) => gateDetail(db, admin, name, clock.wallMs()));
    expect(detail.figures).toMatchObject({ labels: 88 });
  });

  test("when the fine certificate begins anew so does the coarse one beside it", async () => {
    const { coarse, fine, judged, task } = await beginCoarse(
      "{ default: { max_error: 0.1, delta: 0.2, launch_labels: 40 }, coarse: { max_error: 0.1, delta: 0.2, launch_labels: 41 } }",
    );
    await judged(45, coarseOf(0.6, null), "Orange");
    expect(await coarse()).toMatchObject({ kind: "certified", epoch: 1 });
    await place.database.write(async ({ db }) => {
      const contract = JSON.stringify({
        maxError: 0.05,
        delta: 0.2,
        launchLabels: 40,
        lapseAfterMs: 1e9,
        lapseAccepts: 1e6,
      });
      await db
        .updateTable("gate_contracts")
        .set({ contract })
        .where("task", "=", task)
        .where("rung", "=", "fine")
        .execute();
    });
    await judged(1, coarseOf(0.6, null));
    expect(await fine()).toMatchObject({ epoch: 2 });
    expect(await coarse()).toMatchObject({ kind: "collecting", epoch: 2, gate_threshold: null });
  });

  test("what the fine gate made of a case must be known, and of each basket one coarse label counts", async () => {
    const { coarse, judged, held, judge, keep } = await beginCoarse(
      "{ default: 0.9, coarse: { max_error: 0.1, delta: 0.2 } }",
    );
    await judged(3, coarseOf(0.6, 0.9, { fine: null }));
    expect(await coarse()).toMatchObject({ labels: 0 });
    const { sample, second, ...traits } = coarseOf(0.6, 0.9);
    const basket = { sample: { ...sample, basket: "b-77" }, second: { ...second, basket: "b-77" } };
    await judge(await held(4, { ...traits, ...basket }));
    await keep();
    expect(await coarse()).toMatchObject({ labels: 1 });
  });
}

describe("coarse contracts on SQLite", () => {
  coarseContracts((clock) => openReviewPlace({ clock }));
});

describe("coarse contracts on PostgreSQL", () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.close());
  coarseContracts(async (clock) => openReviewPlace({ clock, url: await postgres.createDatabase() }));
});

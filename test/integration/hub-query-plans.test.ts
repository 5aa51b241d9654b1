import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PersonCaller } from "../../cloud-sync/hub/api/caller.ts";
import { insertRows } from "../../cloud-sync/hub/database/insert-rows.ts";
import { type HubTables } from "../../cloud-sync/hub/database/tables.ts";
import { labelExportRoute } from "../../cloud-sync/hub/gate/label-export.ts";
import { missShareOf } from "../../cloud-sync/hub/gate/label-quality.ts";
import { eraseCases } from "../../cloud-sync/hub/privacy/case-erasure.ts";
import { clearLeftovers } from "../../cloud-sync/hub/privacy/leftovers.ts";
import { testExchange } from "../support/hub-exchange.ts";
import { openReviewPlace, type ReviewPlace } from "../support/hub-review.ts";
import { plansOf } from "../support/query-plan.ts";

describe("what a hub does again and again reads no large table through", () => {
  let place: ReviewPlace;
  beforeAll(async () => {
    place = await openReviewPlace();
  });
  afterAll(() => place.close());

  test("the gate's keeper finds the gold answers by their index", async () => {
    const plan = await plansOf(place.database, (database) => database.read((db) => missShareOf({ db }, "shelf")));
    expect(plan).toContain("reviews_gold");
  });

  test("what is past its time is found by the time", async () => {
    const plan = await plansOf(place.database, (database) => clearLeftovers({ ...place.parts, database }));
    expect(plan).toContain("webhook_deliveries_ended (ended_ms<?)");
    expect(plan).not.toMatch(/SCAN (webhook_deliveries|quarantine|blob_parts|gate_labels|decision_hours)/);
  });

  test("what belongs to an erased case is found by the case", async () => {
    const row = { case_id: "c", store: "store_1", task: "shelf", agent_id: null, decision_id: "d", view: "{}" };
    const erased = { ...row, decision: null, first_decision: null, picture_state: "none" as const };
    const plan = await plansOf(place.database, (database) => {
      const { parts, vault, listener } = place;
      const by = { by: "hub", why: "test" };
      return database.write((trx) => eraseCases({ ...parts, database, vault, listener }, trx, [erased], by));
    });
    expect(plan).toContain("a2i_loops_case");
    expect(plan).toContain("quarantine_case");
    expect(plan).not.toContain("SCAN");
  });

  test("each page of the labels begins where the one before it ended, and has every label once", async () => {
    const rows = Array.from({ length: 2_500 }, (_, at) => labelRow(`case-${String(at).padStart(5, "0")}`, at % 3));
    await place.database.write(async (trx) => {
      for (let from = 0; from < rows.length; from += 500) {
        await insertRows(trx, "gate_labels", rows.slice(from, from + 500));
      }
    });
    let csv = "";
    const plan = await plansOf(place.database, async (database) => {
      const route = labelExportRoute({ ...place.parts, database });
      const call = { caller, params: {}, query: { task: "shelf", rung: "fine" }, body: undefined };
      csv = await ((await route.handle({ ...call, exchange: testExchange({}) })) as Response).text();
    });
    expect(plan.match(/gate_labels_task \(task=\? AND came_ms>\?\)/g)).toHaveLength(2);
    const ids = csv.match(/case-\d{5}(?=\r\n)/g) ?? [];
    expect(ids).toHaveLength(rows.length);
    expect(new Set(ids).size).toBe(rows.length);
  });
});

const caller: PersonCaller = {
  ...{ kind: "person", id: "ada", name: "Ada", roles: ["lead"], permissions: new Set(["cases.read"]) },
  ...{ stores: null, tasks: null, skills: [], sessionId: "s" },
};

function labelRow(caseId: string, cameMs: number): HubTables["gate_labels"] {
  return {
    ...{ case_id: caseId, store: "store_1", task: "shelf", kind: "escalation", rung: "fine", predicted: "Kiwi" },
    ...{ confidence: 0.5, gate_threshold: 1, certificate: null, model: "m", calibration: "none", propensity: 1 },
    ...{ propensity_min: 1, is_uniform: 0, is_rule: 0, basket: null, held_ms: cameMs, came_ms: cameMs },
    ...{ state: "counted", truth: "Kiwi", is_wrong: 0, source: "review", answered_ms: cameMs, counted_ms: cameMs },
    ...{ counted_n: 0, label_groups: null, fine_confidence: null, fine_calibration: null, fine_gate_threshold: null },
  };
}

import { type CaseListener } from "../cases/case-opening.ts";
import { type GatePort } from "../review/gate-port.ts";
import { type HubParts } from "../room.ts";
import { forgetSample, learnTruth } from "./gate-labels.ts";
import { keepSamples } from "./gate-samples.ts";

/** Keeps a sample of each case that comes, and what was known of it when its content goes. */
export function samplingListener(inner: CaseListener, parts: HubParts): CaseListener {
  return {
    ...inner,
    opened: async (trx, cases) => {
      await inner.opened(trx, cases);
      await keepSamples(parts, trx, cases);
    },
    erased: async (trx, caseId) => {
      await inner.erased(trx, caseId);
      await forgetSample(parts, trx, caseId);
    },
  };
}

/** What the review room asks and tells. */
export function createGatePort(parts: HubParts): GatePort {
  return {
    learn: (trx, truth) => learnTruth(parts, trx, truth),
    underContract: async ({ db }, places) => {
      const stores = [...new Set(places.map(({ store }) => store))];
      const tasks = [...new Set(places.map(({ task }) => task))];
      if (stores.length === 0) return () => false;
      const rows = await db
        .selectFrom("gate_contracts")
        .select(["store", "task"])
        .where("store", "in", stores)
        .where("task", "in", tasks)
        .execute();
      const known = new Set(rows.map((row) => `${row.store}/${row.task}`));
      return ({ store, task }) => known.has(`${store}/${task}`);
    },
  };
}

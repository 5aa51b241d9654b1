import { toHex } from "../../../protocol/index.ts";
import { type CaseSample, type OpenedCase } from "../cases/case-opening.ts";
import { type HubTransaction } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { type HubParts } from "../room.ts";
import { type GateContract } from "./gate-contracts.ts";
import { type GateTables } from "./gate-tables.ts";

type LabelRow = GateTables["gate_labels"];

/** Keeps the samples of new cases, in the transaction that opens them: no case is ever without its row. */
export async function keepSamples(
  { clock, hasher, hubId }: Pick<HubParts, "clock" | "hasher" | "hubId">,
  trx: HubTransaction,
  cases: readonly OpenedCase[],
): Promise<void> {
  const nowMs = Math.round(clock.wallMs());
  const auditShareOf = await auditShares(trx, cases);
  const rows = cases.flatMap((held): LabelRow[] => {
    const { sample, second, kind } = held;
    if (kind === "import") return [];
    return [sample, second].flatMap((one) => {
      if (one === null) return [];
      const basket = one.basket === null ? null : basketHash(hasher, hubId, held.store, one.basket);
      return [{ ...rowOf(one, { ...held, kind }, auditShareOf(held), nowMs), basket }];
    });
  });
  await insertRows(trx, "gate_labels", rows);
  for (const task of new Set(rows.filter(({ state }) => state === "ready").map((row) => row.task))) {
    trx.tell({ kind: "gate", task });
  }
}

function rowOf(
  sample: CaseSample,
  held: OpenedCase & Pick<LabelRow, "kind">,
  auditShare: number,
  nowMs: number,
): Omit<LabelRow, "basket"> {
  const lost = sample.isLost
    ? { state: "ready" as const, is_wrong: 1, source: "lost" as const, answered_ms: nowMs }
    : { state: "open" as const, is_wrong: null, source: null, answered_ms: null };
  const { fine } = sample;
  return {
    ...{ case_id: held.caseId, store: held.store, task: held.task, kind: held.kind, rung: sample.rung },
    ...{ predicted: sample.predicted, confidence: sample.confidence, gate_threshold: sample.gateThreshold },
    ...{ certificate: sample.certificate, model: sample.model, calibration: sample.calibration },
    propensity: sample.propensity,
    propensity_min: propensityMin(sample, auditShare),
    ...{ is_uniform: sample.isUniform ? 1 : 0, is_rule: sample.isRule ? 1 : 0, label_groups: sample.groups },
    ...{ fine_confidence: fine?.confidence ?? null, fine_gate_threshold: fine?.gateThreshold ?? null },
    fine_calibration: fine?.calibration ?? null,
    ...{ held_ms: held.heldMs, came_ms: nowMs, truth: null, counted_ms: null, counted_n: null },
    ...lost,
    ...(sample.isRule && sample.isLost ? { state: "apart" as const } : {}),
  };
}

/**
 * While nothing was certified, everything went to people. Under a certificate half of the audit share is drawn without a
 * look at the confidence, and no decision has a smaller chance than that (`auditPropensity`). Behind a number that
 * somebody guessed, nobody here knows.
 */
function propensityMin({ isUncertified, isAudited, propensity }: CaseSample, auditShare: number): number {
  if (isUncertified) return 1;
  return isAudited ? Math.min(propensity, auditShare / 2) : 0;
}

/** The share of each task under a contract; 0 for the others, which certify nothing. */
async function auditShares(
  { db }: HubTransaction,
  cases: readonly OpenedCase[],
): Promise<(place: { readonly store: string; readonly task: string }) => number> {
  const certified = cases.filter(({ sample, second }) => sample?.isAudited === true || second?.isAudited === true);
  if (certified.length === 0) return () => 0;
  const rows = await db
    .selectFrom("gate_contracts")
    .select(["store", "task", "contract"])
    .where("store", "in", [...new Set(certified.map(({ store }) => store))])
    .where("task", "in", [...new Set(certified.map(({ task }) => task))])
    .execute();
  const shares = new Map(
    rows.map(({ store, task, contract }) => [`${store}/${task}`, (JSON.parse(contract) as GateContract).auditShare]),
  );
  return ({ store, task }) => shares.get(`${store}/${task}`) ?? 0;
}

/** Baskets are told apart without their names: whoever reads the table cannot find a shopper's. */
function basketHash(hasher: HubParts["hasher"], hubId: string, store: string, basket: string): string {
  return toHex(hasher.sha256(new TextEncoder().encode(`${hubId}\n${store}\n${basket}`))).slice(0, 32);
}

import { type Kysely } from "kysely";
import { type ResolvedConfig } from "../../../config/index.ts";
import { type Hasher } from "../../../protocol/index.ts";
import { StoreConfigs } from "../config/config-check.ts";
import { readStoreTexts } from "../config/config-reading.ts";
import { fleetScope, type HubLayer } from "../config/config-tables.ts";
import { type HubTables } from "../database/tables.ts";
import { type IssuedCertificate } from "./certificate-issue.ts";
import { type GateContract } from "./gate-contracts.ts";
import { type ProposalLabel, type ProposalStore } from "./proposal-parts.ts";
import { adjusted, type StoreAdjustment } from "../../../models/measure/store-adjustment.ts";

type Db = Kysely<HubTables>;

const historyMs = 30 * 86_400_000;
/** Labels that a preview is made of; the newest. */
const labelsMax = 50_000;

/** Each store as its config, its certificate and its labels stand, for `proposalsFor`. */
export async function proposalStores(
  db: Db,
  hasher: Hasher,
  task: string,
  nowMs: number,
): Promise<readonly ProposalStore[]> {
  const contracts = await db
    .selectFrom("gate_contracts")
    .select(["store", "level", "scope", "contract"])
    .where("task", "=", task)
    .where("label", "=", "")
    .where("rung", "=", "fine")
    .execute();
  const contractOf = new Map(contracts.map((row) => [row.store, row]));
  const certificates = await newestCertificates(db, task);
  // Only under a group's contract the gate compares confidences of the store's own calibration.
  const isAdjusted = (store: string): boolean => (contractOf.get(store)?.level ?? "store") !== "store";
  const labels = await labelsByStore(db, task, nowMs, isAdjusted);
  const configs = new StoreConfigs(hasher);
  const resolved = new Map<string, ResolvedConfig>();
  const stores = await readStoreTexts(db, { layer: "fleet", scope: fleetScope });
  return stores.flatMap(({ store, region, texts }) => {
    const key = JSON.stringify(texts);
    const config = resolved.get(key) ?? configs.resolve(store, texts);
    resolved.set(key, config);
    const held = contractOf.get(store);
    const found = held && certificates.get(`${held.level}/${held.scope}`);
    const number = numberOf(config, task, { store, region });
    if (number === undefined) return [];
    const promise = held
      ? { level: held.level, scope: held.scope, contract: JSON.parse(held.contract) as GateContract }
      : null;
    return [{ store, number, certified: certifiedBy(found), promise, labels: labels.get(store) ?? [] }];
  });
}

function certifiedBy(found: IssuedCertificate | undefined): ProposalStore["certified"] {
  if (!found || found.gateThreshold === null) return null;
  const { gateThreshold, upperBound, basis, model, calibration } = found;
  return { gateThreshold, upperBound, basis, model, calibration };
}

/** The number that a layer gives; null where none does; undefined where the config does not know the task. */
function numberOf(
  { config, provenance }: ResolvedConfig,
  task: string,
  { store, region }: { readonly store: string; readonly region: string | null },
): ProposalStore["number"] | undefined {
  const policy = config.tasks[task];
  if (!policy) return undefined;
  const { target, floor } = policy.gate;
  const gateThreshold = target.kind === "number" ? target.gateThreshold : floor;
  const key = target.kind === "number" ? `thresholds.${task}` : `thresholds.${task}.floor`;
  const layer = provenance.get(key)?.layer;
  if (gateThreshold === null || layer === undefined || layer === "default" || layer === "device") return null;
  const scopes: Readonly<Record<HubLayer, string>> = { fleet: fleetScope, region: region ?? fleetScope, store };
  return { gateThreshold, layer, scope: scopes[layer] };
}

async function newestCertificates(db: Db, task: string): Promise<ReadonlyMap<string, IssuedCertificate>> {
  const rows = await db
    .selectFrom("gate_certificates")
    .select(["level", "scope", "body"])
    .where("task", "=", task)
    .where("label", "=", "")
    .where("rung", "=", "fine")
    .where("is_newest", "=", 1)
    .orderBy("issued_ms")
    .execute();
  // Of several models the one whose certificate is newest.
  return new Map(rows.map(({ level, scope, body }) => [`${level}/${scope}`, JSON.parse(body) as IssuedCertificate]));
}

async function labelsByStore(
  db: Db,
  task: string,
  nowMs: number,
  isAdjusted: (store: string) => boolean,
): Promise<ReadonlyMap<string, readonly ProposalLabel[]>> {
  const rows = await db
    .selectFrom("gate_labels")
    .leftJoin("gate_adjusts", (join) =>
      join
        .onRef("gate_adjusts.task", "=", "gate_labels.task")
        .onRef("gate_adjusts.model", "=", "gate_labels.model")
        .onRef("gate_adjusts.calibration", "=", "gate_labels.calibration")
        .onRef("gate_adjusts.store", "=", "gate_labels.store"),
    )
    .select(["gate_labels.store", "gate_labels.confidence", "gate_labels.is_wrong", "gate_labels.propensity"])
    .select(["gate_labels.model", "gate_labels.calibration", "gate_labels.propensity_min"])
    .select(["gate_adjusts.slope", "gate_adjusts.intercept"])
    .where("gate_labels.task", "=", task)
    .where("gate_labels.rung", "=", "fine")
    .where("gate_labels.is_rule", "=", 0)
    .where("gate_labels.is_wrong", "is not", null)
    .where("gate_labels.came_ms", ">", nowMs - historyMs)
    .orderBy("gate_labels.came_ms", "desc")
    .limit(labelsMax)
    .execute();
  const stores = new Map<string, ProposalLabel[]>();
  for (const { store, confidence, slope, intercept, ...row } of rows) {
    const adjust: StoreAdjustment | null =
      slope === null || !isAdjusted(store) ? null : { slope, offset: intercept ?? 0 };
    const list = stores.get(store) ?? [];
    list.push({
      ...{ confidence: adjusted(confidence, adjust), isWrong: row.is_wrong === 1, propensity: row.propensity },
      ...{ model: row.model, calibration: row.calibration, isEvidence: row.propensity_min > 0 },
    });
    stores.set(store, list);
  }
  return stores;
}

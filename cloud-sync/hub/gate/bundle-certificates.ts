import { type Kysely } from "kysely";
import { type CertificateState } from "../../../models/measure/certificate-state.ts";
import { certificateBytes, certificatesMax, toBase64, type Certificate } from "../../../protocol/index.ts";
import { type HubTables } from "../database/tables.ts";
import { capOf, type IssuedCertificate } from "./certificate-issue.ts";
import { type StateKey } from "./gate-tables.ts";

type Db = Kysely<HubTables>;

/** Models of one gate whose certificates an agent is sent: what it runs, what it may go back to, what comes next. */
const modelsMax = 4;

/**
 * The certificates of every contract that holds in a store, the newest models' first, each with the store's own calibration
 * and cap, signed. The signature of the same certificate is the same whenever it is made (Ed25519, RFC 8032), so an agent
 * that asks twice has no new config.
 */
export async function bundleCertificates(
  db: Db,
  store: string,
  sign: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<readonly Certificate[]> {
  const contracts = await db
    .selectFrom("gate_contracts")
    .select(["task", "label", "rung", "level", "scope"])
    .where("store", "=", store)
    .orderBy("task")
    .orderBy("label")
    .orderBy("rung")
    .execute();
  const found: Certificate[] = [];
  for (const contract of contracts) {
    if (found.length >= certificatesMax) break;
    const rows = await db
      .selectFrom("gate_certificates")
      .select(["model", "calibration", "body"])
      .where("level", "=", contract.level)
      .where("scope", "=", contract.scope)
      .where("task", "=", contract.task)
      .where("label", "=", contract.label)
      .where("rung", "=", contract.rung)
      .where("is_newest", "=", 1)
      .orderBy("issued_ms", "desc")
      .orderBy("model")
      .limit(modelsMax)
      .execute();
    for (const { model, calibration, body } of rows) {
      const isOwn = contract.level === "store";
      const key: StateKey = { ...contract, level: "store", scope: store, model, calibration };
      const { residual, ...issued } = JSON.parse(body) as IssuedCertificate;
      const document = {
        ...issued,
        adjust: isOwn || contract.rung === "coarse" ? null : await adjustOf(db, store, key),
        cap: isOwn ? null : await capAt(db, key),
        ...(residual
          ? { residual: { below: residual.below, adjust: await adjustOf(db, store, { ...key, ...residual }) } }
          : {}),
      };
      found.push({ ...document, signature: toBase64(await sign(certificateBytes(document))) });
    }
  }
  return found.slice(0, certificatesMax);
}

async function adjustOf(
  db: Db,
  store: string,
  { task, model, calibration }: Pick<StateKey, "task" | "model" | "calibration">,
): Promise<Certificate["adjust"]> {
  const row = await db
    .selectFrom("gate_adjusts")
    .select(["slope", "intercept"])
    .where("task", "=", task)
    .where("model", "=", model)
    .where("calibration", "=", calibration)
    .where("store", "=", store)
    .executeTakeFirst();
  return row ? { slope: row.slope, offset: row.intercept } : null;
}

async function capAt(db: Db, key: StateKey): Promise<Certificate["cap"]> {
  const row = await db
    .selectFrom("gate_states")
    .select(["purpose", "contract", "state"])
    .where("level", "=", key.level)
    .where("scope", "=", key.scope)
    .where("task", "=", key.task)
    .where("label", "=", key.label)
    .where("rung", "=", key.rung)
    .where("model", "=", key.model)
    .where("calibration", "=", key.calibration)
    .executeTakeFirst();
  return row ? capOf(row, JSON.parse(row.state) as CertificateState) : null;
}

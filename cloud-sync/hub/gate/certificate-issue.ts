import { labelsAtLeast } from "../../../models/measure/binomial.ts";
import { type CertificateState } from "../../../models/measure/certificate-state.ts";
import { newId, type Certificate } from "../../../protocol/index.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { type HubEventType } from "../webhooks/hub-event.ts";
import { type Residual } from "./coarse-residual.ts";
import { type GateContract } from "./gate-contracts.ts";
import { type GateTables } from "./gate-tables.ts";

type StateRow = GateTables["gate_states"];

/** A certificate as it was issued; each store's own calibration and cap are added when it is sent. */
export interface IssuedCertificate extends Omit<Certificate, "signature" | "adjust" | "cap" | "residual"> {
  /** Of coarse answers: what it speaks of. */
  readonly residual?: Residual;
}

/**
 * Writes the certificate that a life publishes, and tells of it: in the audit log and to webhooks, but for renewals, which
 * come every day. Returns the state's row with its name.
 */
export async function issueCertificate(
  parts: HubParts,
  trx: HubTransaction,
  row: StateRow,
  life: CertificateState,
  logN: number,
  isSameAgain: boolean,
): Promise<StateRow> {
  const nowMs = Math.round(parts.clock.wallMs());
  const known = isSameAgain ? row.certificate : null;
  const isRenewal = known !== null;
  const certificate = known ?? newId(parts.clock, parts.random);
  const renewal = isRenewal ? row.renewal + 1 : 1;
  const issued = { ...row, certificate, renewal, issued_ms: nowMs };
  const body = documentOf(parts.hubId, issued, life);
  const { level, scope, task, label, rung, model, calibration } = row;
  await trx.db
    .updateTable("gate_certificates")
    .set({ is_newest: 0 })
    .where("level", "=", level)
    .where("scope", "=", scope)
    .where("task", "=", task)
    .where("label", "=", label)
    .where("rung", "=", rung)
    .where("model", "=", model)
    .where("calibration", "=", calibration)
    .where("is_newest", "=", 1)
    .execute();
  await trx.db
    .insertInto("gate_certificates")
    .values({
      ...{ level, scope, task, label, rung, model, calibration, certificate, renewal },
      ...{ body: JSON.stringify(body), issued_ms: nowMs, is_newest: 1, log_n: logN },
    })
    .execute();
  if (!isRenewal) await tell(parts, trx, issued, body);
  return issued;
}

function documentOf(
  hubId: string,
  row: StateRow,
  { published, rules, epoch, grid }: CertificateState,
): IssuedCertificate {
  const { gateThreshold, basis, proved } = published;
  const { labels, accepted, errors, coverage, level, upperBound, method } = proved ?? {
    ...{
      labels: grid.labels,
      accepted: 0,
      errors: 0,
      coverage: 0,
      level: null,
      upperBound: null,
      method: "none" as const,
    },
  };
  const { maxError, delta } = JSON.parse(row.contract) as GateContract;
  // Raised or lapsed: what the labels prove they prove of another gate threshold than the one in force.
  const isOther = proved !== null && proved.gateThreshold !== gateThreshold;
  return {
    ...{ v: 1, id: row.certificate ?? "", renewal: row.renewal, hub: hubId },
    scope: { level: row.level, name: row.scope },
    ...{ task: row.task, label: row.label === "" ? null : row.label, rung: row.rung },
    ...{ maxError, delta, model: row.model, calibration: row.calibration },
    ...(row.residual === null ? {} : { residual: JSON.parse(row.residual) as Residual }),
    ...{ epoch, gateThreshold, basis, method, labels, accepted, errors, coverage, level },
    ...(isOther ? { provedGateThreshold: proved.gateThreshold } : {}),
    // Of what people overlook no label tells: the bound of all errors is so much higher than that of the labels.
    upperBound: upperBound === null ? null : Math.min(1, upperBound / (1 - row.miss_share)),
    issuedAtMs: row.issued_ms,
    lapse: { acceptedMax: rules.lapseAccepts, afterMs: rules.lapseAfterMs },
  };
}

const events: Readonly<Record<Certificate["basis"], HubEventType>> = {
  launch: "gate.certified",
  evidence: "gate.certified",
  raised: "gate.raised",
  alarm: "gate.alarm",
  lapsed: "gate.lapsed",
  collecting: "gate.restarted",
};

async function tell(
  { audit, events: outlet }: HubParts,
  trx: HubTransaction,
  { level, scope, task, label }: StateRow,
  body: IssuedCertificate,
): Promise<void> {
  const { id, rung, gateThreshold, basis, maxError, delta, labels, accepted, errors, upperBound, epoch } = body;
  const detail = {
    ...{ id, rung, gateThreshold, basis, maxError, delta, labels, accepted, errors, upperBound, epoch },
    ...(body.provedGateThreshold === undefined ? {} : { provedGateThreshold: body.provedGateThreshold }),
  };
  const type = events[basis];
  const subject = `gate:${task}${label === "" ? "" : `/${label}`}@${level}/${scope}`;
  await audit.record(trx, { actor: "hub", action: type, subject, detail });
  const data = { task, label: body.label, level, scope, ...detail };
  await outlet.emit(trx, [{ type, store: level === "store" ? scope : null, data }]);
}

/** The cap that a store's own looser certificate puts on the group's; null while its labels say too little. Pure. */
export function capOf(
  { purpose, contract }: Pick<StateRow, "purpose" | "contract">,
  { published, rules, kind, grid }: CertificateState,
): Certificate["cap"] {
  if (purpose !== "cap") return null;
  const { maxError } = JSON.parse(contract) as GateContract;
  if (published.gateThreshold !== null) return { gateThreshold: published.gateThreshold, maxError };
  // More labels than the launch takes, and nothing proved: this store is not like the others.
  const isEnough =
    grid.labels >= rules.launchLabels && grid.labels >= 2 * labelsAtLeast(rules.maxError, rules.delta / 2);
  return kind === "alarmed" || isEnough ? { gateThreshold: null, maxError } : null;
}

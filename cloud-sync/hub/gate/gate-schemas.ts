import { z } from "zod";
import { namePattern } from "../../../protocol/index.ts";
import { fleetScope, hubLayers } from "../config/config-tables.ts";
import { gateLimitsSchema } from "./gate-limits.ts";

/** What the gate's routes take and answer. */

export const name = z.string().regex(namePattern, { error: "must be a name of letters, digits, dots, dashes" });
const share = z.number().min(0).max(1);
const count = z.number().int().min(0);
const wallMs = z.number();
const text = z.string();

/** Which gate of a task: of the fleet unless a store or a region is named. */
export const gateQuery = z
  .strictObject({
    store: name.optional(),
    region: name.optional(),
    label: z.string().min(1).max(256).optional(),
    rung: z.enum(["fine", "coarse"]).default("fine"),
  })
  .refine(({ store, region }) => store === undefined || region === undefined, { error: "store or region, not both" });

const gateName = {
  level: z.enum(hubLayers),
  scope: z.union([z.literal(fleetScope), name]),
  task: text,
  label: text.nullable(),
  rung: z.enum(["fine", "coarse"]),
};
const contract = z.object({ maxError: share, delta: share });
const costs = z.strictObject({ review: z.number(), wrongAccept: z.number(), currency: text });

const stateLine = z.strictObject({
  kind: text,
  ...{ model: text, calibration: text, epoch: count, labels: count, labelsMissing: count.nullable() },
  residual: z.strictObject({ below: share.nullable() }).nullable(),
  ...{ gateThreshold: share.nullable(), raised: z.union([share, z.literal("people")]).nullable() },
  ...{ certificate: text.nullable(), renewal: count },
  ...{ issuedMs: wallMs.nullable(), lapseMs: wallMs.nullable(), changedMs: wallMs },
});

export const gateLineSchema = z.strictObject({
  ...gateName,
  stores: count,
  contract: contract.nullable(),
  state: stateLine.nullable(),
  overdueSinceMs: wallMs.nullable(),
  cap: z.strictObject({ gateThreshold: share.nullable(), maxError: share }).nullable(),
});

const figurePoint = z.strictObject({
  ...{ gateThreshold: share, coverage: share, risk: share, lower: share, upper: share, labels: count, errors: count },
});
const reliabilityBin = z.strictObject({
  ...{ lower: share, upper: share, items: count, confidence: share, accuracy: share },
  ...{ accuracyLower: share, accuracyUpper: share, isFew: z.boolean() },
});
const gateSetting = z.strictObject({
  ...{ gateThreshold: share.nullable(), reviewsPer1000: z.number(), wrongPer1000: z.number(), selectiveRisk: share },
});
const certificate = z.record(z.string(), z.unknown());

export const gateDetailSchema = z.strictObject({
  ...gateName,
  ...{ stores: z.array(text), storesTotal: count },
  contract: contract.nullable(),
  costs: costs.nullable(),
  isMeanOfStores: z.boolean(),
  state: stateLine.nullable(),
  raise: z.strictObject({ gateThreshold: share.nullable(), by: text, atMs: wallMs, why: text }).nullable(),
  overdueSinceMs: wallMs.nullable(),
  figures: z.strictObject({
    labels: count,
    method: z.enum(["clopper_pearson", "inverse_propensity"]),
    curve: z.array(figurePoint),
    reliability: z.array(reliabilityBin),
    calibrationError: share.nullable(),
  }),
  sources: z.array(z.strictObject({ source: text, labels: count, wrong: count })),
  byRule: z.strictObject({ labels: count, wrong: count }),
  waiting: z.strictObject({ open: count, pending: count, ready: count }),
  labelsPerDay: z.number().nullable(),
  evidence: z.array(
    z.strictObject({
      ...{ atMs: wallMs, epoch: count, kind: text, labels: count, errors: count, lnEvidence: z.number() },
      ...{ gateThreshold: share.nullable(), upperBound: share.nullable() },
    }),
  ),
  certificates: z.array(certificate),
  capacity: z
    .strictObject({
      ...{ contract: gateSetting, capacity: gateSetting.nullable(), binds: z.enum(["contract", "capacity"]) },
      ...{ spillPer1000: z.number(), reviewsPer1000: z.number() },
    })
    .nullable(),
  offers: z.array(
    z.strictObject({
      ...{ maxError: share, gateThreshold: share.nullable(), coverage: share },
      ...{ labels: count, accepted: count, errors: count },
      ...{ reviewsPer1000: z.number(), wrongPer1000: z.number(), costPer1000: z.number().nullable() },
      method: z.enum(["fallback_auto", "inverse_propensity"]),
    }),
  ),
  answerP95Ms: count.nullable(),
  limits: z.strictObject({ limits: gateLimitsSchema, changedMs: wallMs, changedBy: text }).nullable(),
});

const preview = z.strictObject({
  ...{ reviewsPer1000: z.number(), gateThreshold: share.nullable(), errorBound: share.nullable() },
});
const proposedContract = z.strictObject({ max_error: share, delta: share });
export const proposalSchema = z.strictObject({
  ...{ id: text, state: z.enum(["open", "applied", "dismissed", "superseded"]) },
  ...{ madeMs: wallMs, endedMs: wallMs.nullable(), endedBy: text.nullable(), why: text.nullable() },
  kind: z.enum(["drop_floor", "use_contract", "loosen_contract"]),
  ...{ task: text, title: text, stores: z.array(text), before: preview, after: preview, lowest: share, labels: count },
  method: z.enum(["certificate", "fallback_auto", "inverse_propensity", "clopper_pearson"]),
  edits: z.array(
    z.strictObject({
      ...{ layer: z.enum(hubLayers), scope: text },
      contract: proposedContract.optional(),
      replaces: proposedContract.optional(),
    }),
  ),
});

export const limitsReply = z.strictObject({
  task: text,
  limits: gateLimitsSchema.nullable(),
  changedMs: wallMs.nullable(),
  changedBy: text.nullable(),
});

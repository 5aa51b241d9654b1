import { z } from "zod";
import { canonicalJson } from "./canonical.ts";
import { namePattern } from "./ids.ts";
import { limits } from "./limits.ts";

/**
 * The certificate of a gate threshold: what a hub (or `holdpoint gate certify --write`) says of one task, class and rung,
 * for one model and one calibration of it. Whoever holds it may accept from `gateThreshold` on; whoever does not, or
 * holds one that is foreign, broken or lapsed, asks people.
 */

const text = z.string().min(1).max(limits.textCharsMax);
const name = z.string().regex(namePattern);
const share = z.number().min(0).max(1);
const count = z.number().int().min(0);
/** A share that is a promise: never 0, never all. */
const promise = z.number().gt(0).lt(1);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, { error: "must be sha256: and 64 hexadecimal digits" });
const adjustSchema = z.strictObject({ slope: z.number().gt(0).max(100), offset: z.number().min(-100).max(100) });

/** Certificates that one agent is sent or given; HP_GATE_CERTIFICATE for what is above it. */
export const certificatesMax = 2048;

const certificateFields = z.strictObject({
  v: z.literal(1),
  /** UUID, version 7. With `renewal` it names one document. */
  id: z.uuid(),
  /** 1 and up: the same certificate again, with fresh evidence. */
  renewal: z.number().int().min(1),
  /** Id of the hub that signed; "-" where a person made it with the command. */
  hub: text,
  /** For whom it holds: a store's or region's name, "-" for the fleet. */
  scope: z.strictObject({ level: z.enum(["store", "region", "fleet"]), name: text }),
  task: name,
  /** A class with a contract of its own; null: every label that has none. */
  label: text.nullable(),
  rung: z.enum(["fine", "coarse"]),
  maxError: promise,
  delta: promise,
  model: digest,
  /** Of the model's own calibration (`calibrationDigest` of `holdpoint/models`); "none" where it has none. */
  calibration: z.union([digest, z.literal("none")]),
  /** The store's own calibration over the model's: sigmoid(slope · logit(confidence) + offset). Null: as it is. */
  adjust: adjustSchema.nullable(),
  epoch: count,
  /** A confidence that reaches it is accepted; null: nothing may be. */
  gateThreshold: share.nullable(),
  /** The store's own, looser certificate: its gate threshold holds where it is the higher one. */
  cap: z.strictObject({ gateThreshold: share.nullable(), maxError: promise }).nullable(),
  /**
   * A certificate of coarse answers speaks of what the fine gate leaves to them: of cases whose fine confidence, under
   * `adjust`, is less than `below` (null: of all, because nothing was accepted at the fine gate). Absent: of whatever was
   * given to the command that made it.
   */
  residual: z.strictObject({ below: share.nullable(), adjust: adjustSchema.nullable() }).optional(),
  /**
   * Where the gate threshold in force is not the proved one, because somebody raised it or it has lapsed: the proved one.
   * `labels`, `accepted`, `errors`, `coverage`, `level` and `upperBound` speak of it.
   */
  provedGateThreshold: share.optional(),
  basis: z.enum(["launch", "evidence", "raised", "alarm", "lapsed", "collecting"]),
  method: z.enum(["fallback_auto", "e_process", "none"]),
  labels: count,
  accepted: count,
  errors: count,
  coverage: share,
  /** The level at which it was rejected that more than `maxError` is wrong; null where none was. */
  level: share.nullable(),
  /** Upper bound of the share that is wrong, at that level. */
  upperBound: share.nullable(),
  issuedAtMs: z.number().int().min(0).max(8.64e15),
  /** Without a renewal an agent takes it for lapsed after so many accepted decisions or so long. */
  lapse: z.strictObject({
    acceptedMax: z.number().int().min(1).max(1e12),
    afterMs: z.number().int().min(1).max(8.64e15),
  }),
  /** Base64 of the 64 bytes of Ed25519; empty where it is not signed, which only a file of one's own may be. */
  signature: z.string().max(128),
});

/** A raise is upwards: a document that accepts from below what it says is proved is none. */
export const certificateSchema = certificateFields.refine(
  ({ gateThreshold, provedGateThreshold }) =>
    provedGateThreshold === undefined || gateThreshold === null || provedGateThreshold < gateThreshold,
  { path: ["provedGateThreshold"], error: "is not below the gate threshold in force" },
);
export type Certificate = z.infer<typeof certificateSchema>;

/** What is signed and verified: the canonical JSON of all but the signature. */
export function certificateBytes(certificate: Omit<Certificate, "signature">): Uint8Array {
  return new TextEncoder().encode(canonicalJson({ ...certificate, signature: undefined }));
}

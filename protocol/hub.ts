import { z } from "zod";
import { canonicalJson } from "./canonical.ts";
import { certificatesMax } from "./certificate.ts";
import { decisionSchema } from "./decision.ts";
import { idPattern, namePattern } from "./ids.ts";
import { limits } from "./limits.ts";
import { reviewAnswerSchema, reviewCaseSchema } from "./review.ts";
import { agentStatusSchema } from "./telemetry.ts";

/** What an agent and its hub say to each other (design 4.6). Every call after enrolment is signed: request-signature.ts. */

const text = z.string().min(1).max(limits.textCharsMax);
const name = z.string().regex(namePattern, { error: "must be a name of letters, digits, dots, dashes" });
const decisionId = z.string().regex(idPattern, { error: "must be a UUID in lower-case text" });
const count = z.number().int().min(0);
const wallMs = z.number().int().min(0).max(8.64e15);
/** SHA-256, 64 hexadecimal digits in lower case. */
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, { error: "must be 64 hexadecimal digits" });
/** 32 bytes as base64url without padding. */
const key32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/, { error: "must be 32 bytes in base64url" });

/** Bounds of the wire between agent and hub. docs/limits.md says what happens at each of them. */
export const hubLimits = Object.freeze({
  /** Rows of the outbox in one ingest call. HP_TOO_LARGE above it. */
  ingestItemsMax: 256,
  /** Body of one ingest call. */
  ingestBytesMax: 4 * 1024 * 1024,
  /** One body in the outbox, characters. */
  ingestBodyCharsMax: 256 * 1024,
  /** A picture as it is uploaded. */
  blobBytesMax: 8 * 1024 * 1024,
  /** One part of an upload. */
  blobPartBytesMax: 512 * 1024,
  /** Items of the feed in one answer. */
  feedItemsMax: 256,
  /** Longest wait of one feed call. */
  feedWaitMsMax: 30_000,
  /** Labels of one task that a heartbeat may carry. */
  labelsMax: 20_000,
  tasksMax: 256,
  /** A signature is good for so long before and after the hub's clock. */
  signatureSkewMsMax: 300_000,
});

/** `POST /v1/enrol`: the one call without a signature. The token is good once. */
export const enrolRequestSchema = z.strictObject({
  v: z.literal(1),
  token: text,
  /** Public half of the agent's Ed25519 key, raw 32 bytes. */
  publicKey: key32,
  /** What the agent calls itself. The hub's token may have named it already; then the token wins. */
  agent: name,
  store: name,
  software: text,
});
export type EnrolRequest = z.infer<typeof enrolRequestSchema>;

export const enrolReplySchema = z.strictObject({
  v: z.literal(1),
  /** The hub's id of this agent, and `keyid` of its signatures. */
  agentId: text,
  store: name,
  agent: name,
  hub: z.strictObject({ id: text, publicKey: key32 }),
  nowMs: wallMs,
});
export type EnrolReply = z.infer<typeof enrolReplySchema>;

export const pictureTypes = ["image/jpeg", "image/png", "image/webp"] as const;

/** A picture that the hub may ask for, as it will be uploaded: after the agent's redaction. */
const pictureReferenceSchema = z.strictObject({
  sha256: sha256Hex,
  bytes: count.max(hubLimits.blobBytesMax),
  contentType: z.enum(pictureTypes),
});
export type PictureReference = z.infer<typeof pictureReferenceSchema>;

/**
 * What people need in order to answer, made by the agent when the row is sent: the hub's reviewers see what the store's
 * own would. Not part of the row's identity, because an eviction may have taken the picture since the last attempt.
 */
export const caseBriefSchema = z.strictObject({
  view: reviewCaseSchema.omit({ lease: true, pictureUrl: true, dueAtMs: true }),
  /** Patience with people that is left, milliseconds, when this was sent; null for audit samples. */
  reviewLeftMs: z.number().nullable(),
  picture: pictureReferenceSchema.nullable(),
  /** An audit sample whose input went before anybody looked: nobody can, and it counts as wrong. */
  isEvicted: z.boolean().optional(),
  /** What a wrong accept and a review cost, where the config says so: the queue's order uses it. */
  costs: z.strictObject({ review: z.number(), wrongAccept: z.number() }).nullable(),
});
export type CaseBrief = z.infer<typeof caseBriefSchema>;

export const outboxKinds = ["escalation", "audit", "review", "revision", "outcome", "delivered"] as const;

/** One row of the agent's outbox. `(agent, epoch, seq)` is its identity, and the SHA-256 of `body` its content. */
const ingestItemSchema = z.strictObject({
  seq: z.number().int().min(1),
  kind: z.enum(outboxKinds),
  id: decisionId,
  createdAtMs: wallMs,
  /** JSON, the same characters however often it is sent. */
  body: z.string().max(hubLimits.ingestBodyCharsMax),
  /** With escalations and audit samples. */
  brief: caseBriefSchema.optional(),
});
export type IngestItem = z.infer<typeof ingestItemSchema>;

/** `POST /v1/ingest`: `items` have the numbers `from`, `from` + 1 … without a gap. */
export const ingestRequestSchema = z.strictObject({
  v: z.literal(1),
  epoch: text,
  from: z.number().int().min(1),
  items: z.array(ingestItemSchema).max(hubLimits.ingestItemsMax),
  /** The newest row that the journal has written: the hub can say "97 of 98 received". */
  lastSeq: count,
  /**
   * So many numbers right before `from` are gone from the journal for good (retention dropped them unsent, or the hub was
   * put back from a copy): the hub does not wait for them. 0 unless given.
   */
  skipped: count.optional(),
  /** Small pictures of these items, in calls that are MessagePack: an upload of its own is for the others. */
  pictures: z
    .array(z.strictObject({ id: decisionId, sha256: sha256Hex, data: z.instanceof(Uint8Array) }))
    .max(hubLimits.ingestItemsMax)
    .optional(),
});
export type IngestRequest = z.infer<typeof ingestRequestSchema>;

export const ingestReplySchema = z.strictObject({
  /** Every row up to it is durable at the hub. What is above it is sent again from there. */
  watermark: count,
  /** Rows that the hub set aside; they count as received and are never sent again. */
  refused: z.array(z.strictObject({ seq: count, code: text, message: z.string() })),
  /** Pictures that the hub lacks, by case. */
  wanted: z.array(z.strictObject({ id: decisionId, sha256: sha256Hex, offset: count })),
});
export type IngestReply = z.infer<typeof ingestReplySchema>;

/** `PUT /v1/blobs/<decision id>/<sha256>` with `Content-Range`: what the hub has of it now. */
export const blobReplySchema = z.strictObject({ offset: count, complete: z.boolean() });
export type BlobReply = z.infer<typeof blobReplySchema>;

/** What a hub tells one agent, in order. `seq` is contiguous per agent. */
export const feedItemSchema = z.discriminatedUnion("kind", [
  /** A person's answer; the first review that the agent's journal commits makes the decision final. */
  z.strictObject({
    seq: count,
    kind: z.literal("review"),
    id: decisionId,
    reviewId: text,
    reviewer: text,
    answer: reviewAnswerSchema,
    tookMs: count.nullable(),
    atMs: wallMs,
  }),
  /** Forget the input of this case. */
  z.strictObject({ seq: count, kind: z.literal("erase"), id: decisionId }),
  /** There is another config: pull it. */
  z.strictObject({ seq: count, kind: z.literal("config"), version: count }),
]);
export type FeedItem = z.infer<typeof feedItemSchema>;

/** `GET /v1/feed?cursor=&wait=`: `cursor` in the next call says that everything up to it is durable at the agent. */
export const feedReplySchema = z.strictObject({
  cursor: text,
  items: z.array(feedItemSchema).max(hubLimits.feedItemsMax),
});
export type FeedReply = z.infer<typeof feedReplySchema>;

/** Decisions of one task since the agent started counting; the hub takes differences. */
const taskCountsSchema = z.strictObject({
  task: name,
  accepted: count,
  escalated: count,
  abstained: count,
  /** Those of `accepted` that a rule decided: no certificate is about them. 0 unless given. */
  acceptedByRule: count.optional(),
  /** SHA-256 over the labels in order, one a line, and their groups; with `labels` where the hub has asked for them. */
  labelsDigest: sha256Hex.nullable(),
  labels: z.array(z.string().max(limits.textCharsMax)).max(hubLimits.labelsMax).optional(),
  /** With `labels` where the model groups them: `of[i]` is the place in `coarse.labels` of the group of label i. */
  coarse: z
    .strictObject({
      labels: z.array(z.string().max(limits.textCharsMax)).max(hubLimits.labelsMax),
      of: z.array(count).max(hubLimits.labelsMax),
    })
    .refine(({ labels, of }) => of.every((at) => at < labels.length), {
      error: "a label is of a group that has no name",
    })
    .optional(),
  question: z.string().max(limits.textCharsMax).nullable(),
});
export type TaskCounts = z.infer<typeof taskCountsSchema>;

export const heartbeatSchema = z.strictObject({
  v: z.literal(1),
  software: text,
  /** New with every start of the agent: two of them alive at once are a cloned box. */
  bootId: text,
  status: agentStatusSchema,
  outbox: z.strictObject({ epoch: text, lastSeq: count, watermark: count }),
  tasks: z.array(taskCountsSchema).max(hubLimits.tasksMax),
  /** Version of the hub's config that the agent has applied; null before the first. */
  hubConfig: count.nullable(),
});
export type Heartbeat = z.infer<typeof heartbeatSchema>;

export const heartbeatReplySchema = z.strictObject({
  nowMs: wallMs,
  /** Newest config for this agent, or null where the hub holds none. */
  configVersion: count.nullable(),
  watermark: count,
  /** Tasks whose labels the hub lacks. */
  labelsWanted: z.array(name),
  /** How long people take for a case of a task at the 95th percentile, milliseconds, where the hub knows. */
  answerP95Ms: z.record(name, count).optional(),
  /** When the agent should report again, milliseconds. */
  nextMs: count,
});
export type HeartbeatReply = z.infer<typeof heartbeatReplySchema>;

/**
 * `GET /v1/config`: the hub's layers for one agent, signed with the hub's Ed25519 key over the canonical JSON of
 * everything else. A version never goes back: a revert is a new version with the old text.
 */
export const configBundleSchema = z.strictObject({
  v: z.literal(1),
  hub: text,
  agentId: text,
  version: count,
  issuedAtMs: wallMs,
  /** YAML of each layer, as `config/` reads it; a layer that is not there is empty. */
  layers: z.array(
    z.strictObject({ layer: z.enum(["fleet", "region", "store"]), text: z.string().max(256 * 1024), revision: count }),
  ),
  /** The region of this agent's store, so that it can tell its region's certificates from another's. */
  region: name.optional(),
  /**
   * Certificates of the gate for this agent's store, each signed by itself. Looked at one by one, so that one of a newer
   * kind costs nobody the config that it came with: `certificateSchema` says which are good.
   */
  certificates: z
    .array(z.looseObject({ v: z.number() }))
    .max(certificatesMax)
    .default([]),
  signature: z.string(),
});
export type ConfigBundle = z.infer<typeof configBundleSchema>;

/**
 * What the hub signs of a bundle, and what an agent verifies; `signature` is the base64 of the 64 bytes of Ed25519. A
 * bundle without certificates has the bytes that it had before there were any.
 */
export function configBundleBytes(bundle: Omit<ConfigBundle, "signature">): Uint8Array {
  const { certificates } = bundle;
  const signed = { ...bundle, signature: undefined, certificates: certificates.length > 0 ? certificates : undefined };
  return new TextEncoder().encode(canonicalJson(signed));
}

/**
 * What the model said at the other rung: of an escalation its coarse answer, of a coarse answer that is looked at its fine
 * one. People's label says of both whether they were right.
 */
const secondSchema = z.object({
  rung: z.enum(["fine", "coarse"]),
  label: text,
  /** The model's own confidence in it, before the store's calibration. */
  confidence: z.number().min(0).max(1),
  /** Of the model's calibration of this rung. */
  calibration: text,
  /** What this rung asked for then, and whose word that was. */
  gateThreshold: z.number().min(0).max(1),
  certificate: text.nullable(),
  /** Whether it could have accepted anything then. */
  accepts: z.boolean(),
});

/** How a case came to be looked at by people: what an estimate over accepted decisions needs of it. */
const sampleSchema = z.object({
  /** Chance that it would be: of the audit coin for an accepted decision, 1 for an escalation. Never 0. */
  propensity: z.number().gt(0).max(1),
  /** It is of the sub-sample that is drawn without a look at the confidence. */
  uniform: z.boolean(),
  /** A rule decided, not the gate: counted apart. */
  rule: z.boolean(),
  /** Which rung's certificate it is about. */
  rung: z.enum(["fine", "coarse"]),
  /** The model's own confidence, before the store's calibration; null where there was no prediction. */
  confidence: z.number().min(0).max(1).nullable(),
  /** Of the model's calibration, as certificates name it; null where no model ran. */
  calibration: z.string().nullable(),
  /** Absent where the model has no groups. Null: it came and is none, so nobody knows what the other rung did. */
  second: secondSchema.nullable().optional().catch(null),
  /** `labelsDigest` of the model whose groups these are: by it the hub finds which label is of which group. */
  groups: sha256Hex.optional().catch(undefined),
});
export type Sample = z.infer<typeof sampleSchema>;

/** Bodies of outbox rows, as the agent's journal writes them. */
export const outboxBodies = Object.freeze({
  /** `sample`: absent in rows that an agent wrote before it had them. */
  escalation: z.object({ id: decisionId, decision: decisionSchema, sample: sampleSchema.optional() }),
  audit: z.object({ id: decisionId, decision: decisionSchema, sample: sampleSchema.optional() }),
  revision: z.object({ id: decisionId, decision: decisionSchema }),
});

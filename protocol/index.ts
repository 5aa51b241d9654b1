/** `holdpoint/protocol`: the vocabulary. Universal: runs in Node and in a browser. */
export { bodyDigest, canonicalJson } from "./canonical.ts";
export { certificateBytes, certificateSchema, certificatesMax, type Certificate } from "./certificate.ts";
export {
  checkMessage,
  checkRequest,
  decodeMessage,
  encodeMessage,
  encodingOf,
  fromBase64,
  parseDecision,
  parseObservedEvent,
  parseOutcome,
  parseRequest,
  toBase64,
  type Encoding,
  type Parsed,
  type ParseResult,
  type Refusal,
} from "./codec.ts";
export {
  answerSchema,
  deciders,
  decisionSchema,
  isFinal,
  observedEventSchema,
  outcomeSchema,
  reasons,
  requestSchema,
  taskNameSchema,
  verdicts,
  type Answer,
  type ConfigReference,
  type Context,
  type DecidedBy,
  type Decision,
  type DecisionRequest,
  type ModelReference,
  type ObservedEvent,
  type Outcome,
  type Reason,
  type Verdict,
} from "./decision.ts";
export { encodedText } from "./encoded-text.ts";
export {
  errorCatalogue,
  HoldpointError,
  ok,
  refused,
  type ErrorBody,
  type ErrorCode,
  type HoldpointErrorOptions,
  type Result,
  type Retry,
} from "./errors.ts";
export { foreignCase, pictureInput, type ForeignCase } from "./foreign-input.ts";
export { digestText, fromHex, toHex, universalHasher } from "./hash.ts";
export {
  blobReplySchema,
  caseBriefSchema,
  configBundleBytes,
  configBundleSchema,
  enrolReplySchema,
  enrolRequestSchema,
  feedItemSchema,
  feedReplySchema,
  heartbeatReplySchema,
  heartbeatSchema,
  hubLimits,
  ingestReplySchema,
  ingestRequestSchema,
  outboxBodies,
  outboxKinds,
  pictureTypes,
  type BlobReply,
  type CaseBrief,
  type ConfigBundle,
  type EnrolReply,
  type EnrolRequest,
  type FeedItem,
  type FeedReply,
  type Heartbeat,
  type HeartbeatReply,
  type IngestItem,
  type IngestReply,
  type IngestRequest,
  type PictureReference,
  type Sample,
  type TaskCounts,
} from "./hub.ts";
export { idOfKey } from "./idempotency-id.ts";
export { idPattern, namePattern, newId, reservedDeviceNames } from "./ids.ts";
export {
  dtypes,
  firstNotFinite,
  inputData,
  inputSchema,
  type Dtype,
  type Input,
  type InputKind,
  type Scalar,
} from "./input.ts";
export { limits } from "./limits.ts";
export { isPlainContext, isRecord, isWithin } from "./plain-values.ts";
export { silentLogger, type Cancel, type Clock, type Hasher, type Logger, type Random, type Timers } from "./ports.ts";
export { randomPool } from "./random-pool.ts";
export { RecentMap } from "./recent-map.ts";
export {
  leaseReferenceSchema,
  pairSchema,
  queueStateSchema,
  reviewAnswerSchema,
  reviewCaseSchema,
  reviewLimits,
  submitSchema,
  undoSchema,
  type AnswerTaken,
  type HeldCases,
  type QueueState,
  type ReviewAnswer,
  type ReviewCase,
  type ReviewNews,
  type ReviewSession,
  type Submit,
} from "./review.ts";
export { agentStatusSchema, type AgentStatus } from "./telemetry.ts";
export {
  agentStatusTopic,
  deviceTopic,
  parseDeviceTopic,
  type AgentChannel,
  type DeviceChannel,
  type DeviceTopic,
} from "./topics.ts";
export {
  jsonReply,
  jsonResponse,
  problemReply,
  problemResponse,
  type Exchange,
  type Reply,
  type Route,
} from "./http.ts";
export {
  checkSignature,
  readSignature,
  signatureHeaders,
  type ReadSignature,
  type SignatureFacts,
  type SignatureHeaders,
  type SignedRequest,
} from "./request-signature.ts";

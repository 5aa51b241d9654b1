/** `holdpoint`: decide where a model is sure, ask a person where it is not. Universal: no native package. */
export { auditSampling, coinOf, type Coin } from "./audit.ts";
export {
  answeredUnder,
  answerP95Ms,
  decidedUnder,
  expectedLoss,
  heldUnder,
  idleLoad,
  isLoad,
  reviewBurst,
  reviewPrice,
  reviewPriceMax,
  toldUnder,
  type ReviewLoad,
} from "./capacity.ts";
export { LapsedLists, memoryUse, type CertificateUsage, type CertificateUse } from "./certificate-use.ts";
export { fullBudget, refilled, spent, type Budget } from "./budget.ts";
export {
  type Admission,
  type Admitted,
  type CaseStore,
  type DecisionJournal,
  type PendingCase,
  type DecisionRecord,
  type Reviewed,
  type ReviewRecord,
  type Settlement,
  type StoredCase,
} from "./case-store.ts";
export { decide, type Decided, type DecideInputs } from "./decide.ts";
export { type Decider, type DecideOptions, type FinalOptions } from "./decider-port.ts";
export {
  createDecider,
  wantedModels,
  type DeciderOptions,
  type EmbeddedDecider,
  type Escalate,
  type EscalationAnswer,
  type Isolation,
} from "./decider.ts";
export { Engine, type EngineOptions, type Review, type RevisionListener, type Submission } from "./engine.ts";
export { evidenceOf } from "./evidence.ts";
export { uncertifiedSentences } from "./explain.ts";
export { gateByOf } from "./gate-by.ts";
export {
  certificateKey,
  coarseGateThreshold,
  gateThresholdOf,
  passes,
  type GateBy,
  type GateThreshold,
  type Uncertified,
} from "./gate.ts";
export { walkLadder, type LadderEnd, type LadderFacts } from "./ladder.ts";
export { createPipeline, type Found, type Pipeline, type PipelineOptions, type Situation } from "./pipeline.ts";
export { replay, type ReplayInputs, type ReplayReport } from "./replay.ts";
export { reviewedRevision, settledRevision, type RevisionFallback, type RevisionTime } from "./revision.ts";
export { holds, matchingRule, type RuleFacts } from "./rules.ts";
export { type EarlierTasks, type ReviewState, type TaskRemains } from "./task-memory.ts";
export { evidenceTopMax, type DecisionTrace, type Finding, type Scored } from "./trace.ts";
export { type WaitOptions } from "./waiters.ts";
export {
  connect,
  defaultPolicy,
  memoryOutbox,
  type Client,
  type ClientLink,
  type ClientPolicy,
  type ClientRefusal,
  type ClientStatus,
  type ConnectOptions,
  type MqttTls,
  type ObserveOptions,
  type Outbox,
  type OutboxContents,
  type OutboxItem,
  type OutboxKind,
} from "./client/index.ts";

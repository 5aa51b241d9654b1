/** `holdpoint/models`: what a model is and how its input is built. Universal: runs in Node and in a browser. */
export { applyCalibration, calibrationDigest } from "./calibration.ts";
export { featureCount, type FeatureSpec } from "./feature-spec.ts";
export { buildFeatures, featureBuilder, type DecodedInput, type FeatureBuilder } from "./features/build.ts";
export { type DecodePicture } from "./features/decode.ts";
export { readPictureHeader, type PictureHeader } from "./features/picture-header.ts";
export { PictureWriter, type Picture } from "./features/picture.ts";
export { createRows, type FeatureResult, type RowBuffer } from "./features/rows.ts";
export { longestWindowMs, noHistory, type EntityEvent, type EventHistory } from "./features/windows.ts";
export { goldenRows } from "./golden.ts";
export { groupedLabels, labelsDigest, type GroupedLabels } from "./labels-digest.ts";
export { manifestSchema, parseManifest, type Manifest, type ModelDtype } from "./manifest.ts";
export { fitBetaCalibration, type BetaCalibration } from "./measure/calibration-fit.ts";
export { expectedCalibrationError, reliability, type ReliabilityBin } from "./measure/calibration-error.ts";
export { fitPlattCalibration, type PlattCalibration } from "./measure/calibration-platt.ts";
export { fitTemperature, type TemperatureCalibration } from "./measure/calibration-temperature.ts";
export {
  lnCanaryWorse,
  lnPromotion,
  noPromotionEvidence,
  noUnpairedEvidence,
  promotionAfter,
  revertAt,
  revertCarefullyAt,
  unpairedAfter,
  type ComparedCase,
  type DiscordantPairs,
  type PromotionEvidence,
  type UnpairedBlock,
  type UnpairedEvidence,
} from "./measure/canary.ts";
export {
  answeredLate,
  capacityReport,
  reviewersNeeded,
  type CapacityReport,
  type GateSetting,
  type ReviewBudget,
  type ReviewLoad,
} from "./measure/capacity.ts";
export { basketWeighted, onePerBasket } from "./measure/clusters.ts";
export { noSequence, sequenceAfter, sequenceInterval, type SequenceState } from "./measure/confidence-sequence.ts";
export { deflatedError, type DeflatedError, type GoldCases } from "./measure/label-quality.ts";
export {
  adjusted,
  fitStoreAdjustments,
  type StoreAdjustment,
  type StoreAdjustments,
} from "./measure/store-adjustment.ts";
export {
  lnWeightedEvidence,
  noWeightedEvidence,
  weighted,
  type WeightedEvidence,
  type WeightedLabel,
} from "./measure/weighted-evidence.ts";
export {
  clopperPearson,
  clopperPearsonLower,
  clopperPearsonUpper,
  labelsAtLeast,
  type ShareInterval,
} from "./measure/binomial.ts";
export {
  startCertificate,
  transition as certificateTransition,
  type CertificateEffect,
  type CertificateEvent,
  type CertificateLabel,
  type CertificateStep,
  type LabelRefusal,
} from "./measure/certificate-machine.ts";
export {
  defaultLapseAccepts,
  defaultLapseAfterMs,
  defaultLaunchLabels,
  type CertificateKind,
  type CertificateRules,
  type CertificateState,
  type ModelIdentity,
  type ProvedGate,
  type PublishedGate,
} from "./measure/certificate-state.ts";
export { certify, type Certificate as GateCertificate, type ErrorContract } from "./measure/certify.ts";
export { driftAlarm, drifted, driftLevel, noDrift, type DriftState } from "./measure/drift-detector.ts";
export { lnErrorEvidence } from "./measure/e-process.ts";
export {
  certifiedByEvidence,
  corrected,
  defaultGateThresholds,
  lnEvidence,
  observed,
  startGrid,
  type EvidenceFinding,
  type EvidenceGrid,
  type EvidenceLabel,
  type EvidencePoint,
} from "./measure/evidence-grid.ts";
export {
  auditedErrorShare,
  auditPropensity,
  auditPropensityMin,
  errorSpread,
  inversePropensityEstimate,
  type AcceptedDecisions,
  type ShareEstimate,
} from "./measure/inverse-propensity.ts";
export { pointAt, riskAreas, riskCoverageCurve, type CurvePoint, type RiskAreas } from "./measure/risk-coverage.ts";
export {
  type Calibration,
  type ModelHost,
  type ModelState,
  type Prediction,
  type PredictionResult,
  type RunningModel,
  type WantedModel,
} from "./prediction.ts";
export { inlineHost, type InlineHostOptions } from "./runtimes/inline-host.ts";
export { type Candidate } from "./runtimes/candidate.ts";
export { parseProviders, providerNames, type ProviderName, type Runtime } from "./runtimes/runtime.ts";
export { stubRuntime, type StubAnswer, type StubOptions } from "./runtimes/stub.ts";
export { parseModelSpec } from "./version-range.ts";

import { contractFor, type EffectiveConfig, type TaskPolicy } from "../config/index.ts";
import { calibrationDigest, type ModelState, type RunningModel } from "../models/index.ts";
import { type AgentStatus, type Certificate, type Hasher } from "../protocol/index.ts";
import {
  coarseGateThreshold,
  gateThresholdOf,
  uncertifiedSentences,
  type CertificateUsage,
  type CertificateUse,
  type GateBy,
  type GateThreshold,
} from "../sdk/index.ts";

/** How one contract stands with the model that runs now. */
export interface GateState {
  readonly task: string;
  readonly rung: Certificate["rung"];
  /** A class with a contract of its own; null: the task's, or the rung's. */
  readonly label: string | null;
  readonly gate: GateThreshold;
  readonly usage: CertificateUsage | null;
}

export interface GateStatesParts {
  readonly config: EffectiveConfig;
  readonly models: readonly ModelState[];
  readonly use: CertificateUse & { usage(certificate: Certificate): CertificateUsage | null };
  readonly hasher: Hasher;
}

/** Classes with a contract of their own that are told about, of each task. */
const classesMax = 16;

/** Every contract of the config: what it rests on now, or why on nothing. */
export function gateStates({ config, models, use, hasher }: GateStatesParts): readonly GateState[] {
  return Object.values(config.tasks).flatMap((policy) => {
    const running = models.find(({ task }) => task === policy.task)?.running ?? null;
    const by = gateBy(running, use.lapsed(policy.gate), hasher);
    return contractsOf(policy).map(({ rung, label }): GateState => {
      const gate =
        rung === "coarse" ? coarseGateThreshold(policy.gate, by) : gateThresholdOf(policy.gate, label ?? "", by);
      return { task: policy.task, rung, label, gate, usage: gate.certificate && use.usage(gate.certificate) };
    });
  });
}

function contractsOf({ gate, fallback }: TaskPolicy): readonly Pick<GateState, "rung" | "label">[] {
  const coarse = fallback.includes("coarse_answer") && contractFor(gate, "coarse", null) !== null;
  return [
    ...(contractFor(gate, "fine", null) === null ? [] : [{ rung: "fine" as const, label: null }]),
    ...(coarse ? [{ rung: "coarse" as const, label: null }] : []),
    ...Object.keys(gate.classContracts)
      .slice(0, classesMax)
      .map((label) => ({ rung: "fine" as const, label })),
  ];
}

function gateBy(running: RunningModel | null, lapsed: readonly string[], hasher: Hasher): GateBy {
  return {
    model: running?.reference.digest ?? null,
    calibration: running && calibrationDigest(running.calibration, hasher),
    coarseCalibration: running && calibrationDigest(running.coarseCalibration, hasher),
    lapsed,
  };
}

/**
 * What an operator has to look at: a certificate that is there and does not count. That there is none yet, or that labels
 * are still collected, is how every contract begins, and one of coarse answers begins anew when the fine gate accepts more.
 */
export function gateProblems(states: readonly GateState[]): AgentStatus["reasons"] {
  return states.flatMap(({ task, rung, label, gate: { why } }) => {
    if (why === null || why === "none" || why === "collecting" || why === "other_rest") return [];
    const of = `${task}${rung === "coarse" ? ", coarse answers" : ""}${label === null ? "" : `, ${label}`}`;
    return [{ code: "HP_GATE_CERTIFICATE", message: `${of}: ${uncertifiedSentences[why]}, so people decide` }];
  });
}

/** As the status record tells it. */
export function gatesTold(states: readonly GateState[]): NonNullable<AgentStatus["gates"]> {
  return states.map(({ task, rung, label, gate, usage }) => ({
    task,
    rung,
    label,
    gateThreshold: gate.certified ? gate.gateThreshold : null,
    certificate: gate.certificate?.id ?? null,
    level: gate.certificate?.scope.level ?? null,
    accepted: usage?.accepted ?? null,
    why: gate.why,
  }));
}

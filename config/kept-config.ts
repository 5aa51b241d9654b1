import { contractDefaults, lapseAfterMsDefault } from "./defaults.ts";
import { type EffectiveConfig, type GatePolicy, type TaskPolicy } from "./policy.ts";

/** A config as an earlier version of this software wrote it down, with what has been added to it since. */
export function keptConfig(kept: EffectiveConfig): EffectiveConfig {
  const tasks = Object.entries(kept.tasks).map(([task, policy]) => [task, keptPolicy(policy)] as const);
  return { ...kept, tasks: Object.fromEntries(tasks) };
}

const policySince: Partial<TaskPolicy> = { reviewCapacity: null };
const gateSince: Partial<GatePolicy> = { classContracts: {}, coarseContract: null, certificates: [] };
const contractSince = {
  launchLabels: null,
  lapseAfterMs: lapseAfterMsDefault,
  lapseAccepts: contractDefaults.lapse_accepts,
};

function keptPolicy(policy: TaskPolicy): TaskPolicy {
  const { target } = policy.gate;
  const whole = target.kind === "contract" ? { ...contractSince, ...target } : target;
  return { ...policySince, ...policy, gate: { ...gateSince, ...policy.gate, target: whole } };
}

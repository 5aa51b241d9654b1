import {
  type CertificateRules,
  type CertificateState,
  defaultLaunchLabels,
} from "../../../models/measure/certificate-state.ts";
import { defaultGateThresholds } from "../../../models/measure/evidence-grid.ts";
import { fleetScope } from "../config/config-tables.ts";
import { type Residual } from "./coarse-residual.ts";
import { type GateContract } from "./gate-contracts.ts";
import { type GateTables, type StateKey } from "./gate-tables.ts";

type StateRow = GateTables["gate_states"];

/** One certificate's life as it is taken through a batch, with what it publishes at the end. */
export interface Entry {
  row: StateRow;
  life: CertificateState;
  /** What it publishes at the end of the batch. `isRenewal`: nothing but its age has changed. */
  publish: { readonly isRenewal: boolean } | null;
  isNew: boolean;
  isChanged: boolean;
  /** Where the epoch changed: its labels begin after this batch. */
  isNewEpoch: boolean;
}

export function keyText({ level, scope, label, rung, model, calibration }: Omit<StateKey, "task">): string {
  return JSON.stringify([level, scope, label, rung, model, calibration]);
}

export function residualIn({ residual }: Pick<StateRow, "residual">): Residual | null {
  return residual === null ? null : (JSON.parse(residual) as Residual);
}

export function adjustKey({
  store,
  model,
  calibration,
}: {
  readonly store: string;
  readonly model: string;
  readonly calibration: string;
}): string {
  return JSON.stringify([store, model, calibration]);
}

export function isSamePromise(a: GateContract, b: GateContract): boolean {
  return a.maxError === b.maxError && a.delta === b.delta && a.launchLabels === b.launchLabels;
}

/**
 * The machine's terms of a contract. Reviewers repeat some of the model's errors, which then no label shows: the labels
 * are held to so much less that the promise still holds.
 */
export function rulesOf(
  { maxError: promised, delta, launchLabels, lapseAfterMs, lapseAccepts }: GateContract,
  missShare: number,
): CertificateRules {
  const maxError = promised * (1 - missShare);
  return {
    ...{ maxError, delta, launchLabels: launchLabels ?? defaultLaunchLabels({ maxError, delta }) },
    ...{ gateThresholds: defaultGateThresholds, lapseAfterMs, lapseAccepts },
  };
}

export function touch(
  touched: Map<string, Pick<StateKey, "level" | "scope">>,
  { level, scope }: Pick<StateKey, "level" | "scope">,
): void {
  const of = level === "fleet" ? { level, scope: fleetScope } : { level, scope };
  touched.set(`${of.level}/${of.scope}`, of);
}

export function historyOf({ row, life }: Entry, nowMs: number): GateTables["gate_history"] {
  const { level, scope, task, label, rung, model, calibration } = row;
  const { points, labels } = life.grid;
  // The most generous gate threshold accepts nearly everything: its errors are those of all labels.
  const last = points.at(-1);
  return {
    ...{ level, scope, task, label, rung, model, calibration, at_ms: nowMs, epoch: life.epoch, kind: life.kind },
    ...{ labels, errors: last ? last.errors + last.sampledErrors : 0, gate_threshold: life.published.gateThreshold },
    ln_evidence: Math.max(...points.map((point) => point.supLnEvidence)),
    upper_bound: life.published.proved?.upperBound ?? null,
  };
}

import { type Decision } from "../protocol/index.ts";
import { type GateBy } from "./gate.ts";
import { type DecisionTrace } from "./trace.ts";

/** What the gate was asked by, from the record. One without it knew no certificates, and is asked for none. */
export function gateByOf({ model }: Pick<Decision, "model">, { gate }: DecisionTrace): GateBy {
  const { calibration = null, coarseCalibration = null, lapsed = [] } = gate ?? {};
  return { model: model?.digest ?? null, calibration, coarseCalibration, lapsed };
}

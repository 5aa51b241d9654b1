import { calibrationDigest } from "../../../models/index.ts";
import { nodeHasher } from "../../../protocol/platform/hash.node.ts";
import { type DocumentFlags } from "./certificate-document.ts";

/**
 * The options with what the manifest of `--model` says in the place of those that were not typed: task, digest of the
 * model, and digest of the calibration of the rung that is certified. The model itself is not run.
 *
 * Throws HP_MODEL_* where there is no such model.
 */
export async function withModel<T extends DocumentFlags>(flags: T): Promise<T> {
  if (flags.model === undefined) return flags;
  const { findModelOnDisk } = await import("../../../models/index.node.ts");
  const found = await findModelOnDisk(flags.model);
  if (!found.ok) throw found.error;
  const { task, digest, calibration = null, coarseCalibration = null } = found.value.manifest;
  const own = flags.rung === "coarse" ? coarseCalibration : calibration;
  return { task, modelDigest: digest, calibration: calibrationDigest(own, nodeHasher), ...flags };
}

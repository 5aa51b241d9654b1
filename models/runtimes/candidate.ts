import { type ModelReference } from "../../protocol/index.ts";
import { type Manifest } from "../manifest.ts";
import { type RunningModel, type WantedModel } from "../prediction.ts";
import { parseModelSpec, satisfies } from "../version-range.ts";

/** A wanted model that was found: what is needed to bring it up. */
export interface Candidate {
  readonly wanted: WantedModel;
  readonly manifest: Manifest;
  /** Where its bytes are; null where they are at hand. */
  readonly file: string | null;
  readonly bytes: Uint8Array | null;
  /** Rows that import has proved equal alone and together; null: to be proved when it is loaded. */
  readonly batchProven: number | null;
}

/** Equal keys: the same model served in the same way, so nothing need be loaded again. */
export function candidateKey({ wanted, manifest, batchProven }: Candidate): string {
  return JSON.stringify([wanted.task, wanted.batchSize, batchProven, manifest]);
}

function referenceOf(manifest: Manifest): ModelReference {
  return { name: manifest.name, version: manifest.version, digest: manifest.digest };
}

/** What a host tells about a model that runs. */
export function runningModel(
  candidate: Candidate,
  facts: Pick<RunningModel, "provider" | "runtime" | "batchMax">,
): RunningModel {
  const { manifest, wanted } = candidate;
  return Object.freeze({
    task: wanted.task,
    reference: referenceOf(manifest),
    labels: manifest.labels,
    coarse: manifest.coarse ?? null,
    calibration: manifest.calibration ?? null,
    coarseCalibration: manifest.coarseCalibration ?? null,
    ...facts,
  });
}

/** Whether a model that serves is still what `wanted` asks for, though a newer candidate failed. */
export function stillWanted(served: Candidate, wanted: WantedModel): boolean {
  const { source } = wanted;
  if (source.kind === "path") return served.wanted.source.kind === "path" && served.wanted.source.path === source.path;
  if (served.wanted.source.kind !== "registry") return false;
  const spec = parseModelSpec(source.spec);
  return spec.ok && spec.value.name === served.manifest.name && satisfies(served.manifest.version, spec.value.range);
}

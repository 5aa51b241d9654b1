import { type coinOf, type decide, type DecideInputs, type evidenceOf, type Finding } from "../../sdk/index.ts";
import { type RunningModel } from "../../models/index.ts";
import { type Hasher } from "../../protocol/index.ts";

/** Inputs of decide() as JSON carries them; the coin is still to be tossed. */
export interface SeededCase {
  readonly inputs: DecideInputs;
  readonly secret: readonly number[];
}

/** What a model said, as JSON carries it. */
export interface SeededPrediction {
  readonly probabilities: readonly number[];
  readonly model: RunningModel;
}

/** Whose functions are called: those of the sources in Node, those of the package in the page. */
export interface Sdk {
  readonly decide: typeof decide;
  readonly evidenceOf: typeof evidenceOf;
  readonly coinOf: typeof coinOf;
  readonly hasher: Hasher;
}

/** Decides every case; an answer is the JSON of decision, trace, audit and budget, to be compared byte for byte. */
export function decideSeeded(sdk: Sdk, cases: readonly SeededCase[]): string[] {
  return cases.map(({ inputs, secret }) => {
    const coin = sdk.coinOf(sdk.hasher, Uint8Array.from(secret), inputs.id);
    return JSON.stringify(sdk.decide({ ...inputs, coin }));
  });
}

export function findSeeded(sdk: Sdk, predictions: readonly SeededPrediction[]): Finding[] {
  return predictions.map(({ probabilities, model }) =>
    sdk.evidenceOf({ probabilities: Float32Array.from(probabilities), batch: 1, runMs: 0 }, model),
  );
}

import { z } from "zod";
import { canonicalJson, HoldpointError } from "../../../../protocol/index.ts";
import { type PersonCaller } from "../../api/caller.ts";
import { type DropInOptions } from "../drop-in-options.ts";
import { startSchema } from "./a2i-protocol.ts";
import { evaluateConditions } from "./activation.ts";
import { flowOf } from "./flow-definitions.ts";
import { startLoop } from "./human-loops.ts";
import { readInference } from "./inference.ts";

/** What Rekognition and Textract take as HumanLoopConfig, beside what they were asked and what they answered. */
export const activationSchema = z.strictObject({
  HumanLoopConfig: startSchema.pick({ HumanLoopName: true, FlowDefinitionArn: true, DataAttributes: true }),
  AiServiceRequest: z.unknown().optional(),
  AiServiceResponse: z.unknown(),
});

/**
 * What those services do by themselves when they are called with a HumanLoopConfig, for callers who bring the answer here:
 * the result is their HumanLoopActivationOutput. Errors: HP_NOT_FOUND, HP_SCHEMA, HP_CONFLICT.
 */
export async function activate(
  options: DropInOptions,
  caller: PersonCaller,
  {
    HumanLoopConfig: config,
    AiServiceRequest: request,
    AiServiceResponse: response,
  }: z.output<typeof activationSchema>,
): Promise<Record<string, unknown>> {
  const flow = await options.database.read((db) => flowOf({ db }, caller, config.FlowDefinitionArn));
  const { activationConditions: conditions } = flow.settings;
  if (conditions === null) {
    throw new HoldpointError("HP_SCHEMA", "this flow definition has no activation conditions", {
      hint: "Start the loop with StartHumanLoop, or give the flow definition conditions.",
    });
  }
  const inference = readInference(response);
  if (inference === null) {
    throw new HoldpointError("HP_SCHEMA", "AiServiceResponse: has neither ModerationLabels nor Blocks");
  }
  const { isActivated, reasons, results } = evaluateConditions(
    conditions,
    inference,
    coinOf(options, flow.arn, response),
  );
  const output = { HumanLoopActivationConditionsEvaluationResults: JSON.stringify(results) };
  if (!isActivated) return output;
  const input = {
    ...(request === undefined ? {} : { aiServiceRequest: request }),
    ...{ aiServiceResponse: response, humanTaskActivationConditionResults: results },
  };
  const started = await startLoop(options, caller, {
    ...config,
    HumanLoopInput: { InputContent: JSON.stringify(input) },
  });
  return { ...started, HumanLoopActivationReasons: reasons, ...output };
}

/** Uniform in [0, 1) and the same for the same answer: A2I promises that a repeated request is sampled as before. */
function coinOf({ hasher }: DropInOptions, arn: string, response: unknown): number {
  const hash = hasher.sha256(new TextEncoder().encode(`${arn}\n${canonicalJson(response)}`));
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0) / 2 ** 32;
}

import { type CaseSample } from "../cases/case-opening.ts";
import { type ReadItem } from "./ingest-items.ts";

/** Key of the request's context that names the shopper's basket. */
const basketKey = "basket";

/**
 * What a held case says of the model behind it; null where no model had an answer, and where an agent from before there
 * were certificates sent it. Pure.
 */
export function caseSample({ item, decision, sample }: Extract<ReadItem, { kind: "case" }>): CaseSample | null {
  const { answer, model, gateThreshold, certificate } = decision;
  if (sample === null || sample.confidence === null || sample.calibration === null || !answer || !model) return null;
  const basket = item.brief?.view.context[basketKey];
  const hadPicture = ["image", "pixels"].includes(item.brief?.view.inputKind ?? "");
  return {
    ...{ rung: sample.rung, predicted: answer.label, confidence: sample.confidence, gateThreshold, certificate },
    ...{ model: model.digest, calibration: sample.calibration, propensity: sample.propensity },
    ...{ isUniform: sample.uniform, isRule: sample.rule },
    isUncertified: certificate === null && decision.reasons.includes("uncertified"),
    basket: basket === undefined ? null : String(basket),
    isLost: item.kind === "audit" && hadPicture && (item.brief?.picture ?? null) === null,
  };
}

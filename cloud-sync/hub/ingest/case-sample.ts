import { type Decision, type Sample } from "../../../protocol/index.ts";
import { type CaseSample, type FineSide } from "../cases/case-opening.ts";
import { type ReadItem } from "./ingest-items.ts";

/** Key of the request's context that names the shopper's basket. */
const basketKey = "basket";

type Second = NonNullable<Sample["second"]>;

/**
 * What a held case says of the model behind it, at the rung that it was decided at and at the other one; both null where no
 * model had an answer, and where an agent from before there were certificates sent it. Pure.
 */
export function caseSamples(read: Extract<ReadItem, { kind: "case" }>): {
  readonly sample: CaseSample | null;
  readonly second: CaseSample | null;
} {
  const { decision, sample } = read;
  const { answer, model } = decision;
  if (sample === null || sample.confidence === null || sample.calibration === null || !answer || !model) {
    return { sample: null, second: null };
  }
  const second = secondOf(read, sample);
  const { certificate, gateThreshold } = decision;
  const { rung, confidence, calibration } = sample;
  // Of a coarse answer the reasons say so as well, of the fine one.
  const isUncertified = rung === "fine" && certificate === null && decision.reasons.includes("uncertified");
  const shared = {
    ...sharedOf(read, sample),
    model: model.digest,
    groups: sample.groups ?? null,
  };
  const own = { rung, predicted: answer.label, confidence, calibration, gateThreshold, certificate };
  const primary = {
    ...{ ...shared, ...own },
    ...(rung === "fine"
      ? chanceOfFine(isUncertified, certificate, second)
      : { isUncertified, isAudited: certificate !== null }),
    fine: rung === "coarse" && second ? fineOf(second) : null,
  };
  if (!second) return { sample: primary, second: null };
  const isFine = second.rung === "fine";
  const hasCertificate = second.certificate !== null;
  const chance = isFine
    ? // What reached the coarse gate was accepted there, and some of it audited.
      { isUncertified: false, isAudited: certificate !== null }
    : { isUncertified: !second.accepts, isAudited: hasCertificate };
  const other: CaseSample = {
    ...{ ...shared, rung: second.rung, predicted: second.label, confidence: second.confidence },
    ...{ calibration: second.calibration, gateThreshold: second.gateThreshold, certificate: second.certificate },
    ...chance,
    fine: isFine ? null : { confidence, calibration, gateThreshold: isUncertified ? null : gateThreshold },
  };
  return { sample: primary, second: other };
}

/**
 * Null: it came and cannot be what an agent says; undefined: there is none. An escalation is asked about its coarse answer,
 * an audited coarse answer about its fine one, and what the fine gate accepted about nothing else.
 */
function secondOf({ item }: Extract<ReadItem, { kind: "case" }>, { second, rung }: Sample): Second | null | undefined {
  if (!second) return second;
  const isOther = item.kind === "audit" ? rung === "coarse" && second.rung === "fine" : second.rung === "coarse";
  if (!isOther || rung === second.rung) return null;
  // Whoever names a certificate could accept under it.
  return { ...second, accepts: second.accepts || second.certificate !== null };
}

/**
 * While the coarse gate accepts, not all of what the fine one holds goes to people; and where nobody knows whether it does,
 * nobody knows the chance of a label.
 */
function chanceOfFine(
  isUncertified: boolean,
  certificate: string | null,
  second: Second | null | undefined,
): Pick<CaseSample, "isUncertified" | "isAudited"> {
  if (second === null) return { isUncertified: false, isAudited: false };
  if (!isUncertified || !second?.accepts) return { isUncertified, isAudited: certificate !== null };
  return { isUncertified: false, isAudited: second.certificate !== null };
}

function fineOf({ confidence, calibration, accepts, gateThreshold }: Second): FineSide {
  return { confidence, calibration, gateThreshold: accepts ? gateThreshold : null };
}

/** What holds for both answers: people look at a case, not at a rung. */
function sharedOf({ item }: { readonly item: ReadItem["item"]; readonly decision: Decision }, sample: Sample) {
  const basket = item.brief?.view.context[basketKey];
  const hadPicture = ["image", "pixels"].includes(item.brief?.view.inputKind ?? "");
  return {
    ...{ propensity: sample.propensity, isUniform: sample.uniform, isRule: sample.rule },
    basket: basket === undefined ? null : String(basket),
    isLost: item.kind === "audit" && hadPicture && (item.brief?.picture ?? null) === null,
  };
}

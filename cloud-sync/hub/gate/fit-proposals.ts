import { gateTerms } from "./store-terms.ts";
import { offerLabels, offerOf } from "./gate-offers.ts";
import {
  labelsMin,
  percent,
  placesText,
  reviewsOf,
  savedMin,
  wordsOf,
  type GateProposal,
  type ProposalStore,
} from "./proposal-parts.ts";

/** Promises that are proposed, from strict to loose. Nobody is offered one of which more than a fifth may be wrong. */
const ladder = [0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2];
/** So many times the present error at most: beyond that people are missing, and not a looser promise. */
const looserMax = 10;
/** Labels that the promises are tried on; the newest. */
const labelsMax = 20_000;

type Certified = NonNullable<ProposalStore["certified"]>;

/**
 * Contract and people do not fit: a certificate sends more to people than they can look at, and the rest takes the fallback.
 * Names the strictest looser promise that they could keep up with, by the labels at hand. It lowers no gate threshold:
 * another promise begins with no label and accepts nothing until its own certificate. Pure.
 *
 * @param missShare share of the model's errors that reviewers are taken to overlook
 */
export function fitProposals(
  task: string,
  stores: readonly ProposalStore[],
  missShare: number,
): readonly GateProposal[] {
  const groups = new Map<string, ProposalStore[]>();
  for (const store of stores) {
    if (store.promise === null) continue;
    const key = `${store.promise.level}/${store.promise.scope}`;
    groups.set(key, [...(groups.get(key) ?? []), store]);
  }
  return [...groups.values()].flatMap((group) => fitFor(task, group, missShare) ?? []);
}

function fitFor(task: string, group: readonly ProposalStore[], missShare: number): GateProposal | null {
  const [first] = group;
  const certified = first?.certified ?? null;
  // Where somebody has raised the gate it is not the contract that people cannot keep up with.
  if (!first?.promise || certified === null || certified.basis === "raised") return null;
  const { level, scope, contract } = first.promise;
  const own = group.map((store) => ({ ...store, labels: evidenceOf(store, certified) }));
  const labels = own.flatMap((store) => store.labels).slice(0, labelsMax);
  const budget = budgetOf(own);
  if (labels.length < labelsMin || budget === null) return null;
  const asked = reviewsOf(own, () => certified.gateThreshold);
  const known = offerLabels(labels);
  const offer = (maxError: number) => offerOf(known, { ...contract, maxError }, missShare);
  // Where the present promise would fit by now, labels lower the gate threshold without another one.
  if (asked - budget < savedMin || offer(contract.maxError).reviewsPer1000 <= budget) return null;
  for (const maxError of ladder) {
    if (maxError <= contract.maxError || maxError > looserMax * contract.maxError) continue;
    const fit = offer(maxError);
    if (fit.gateThreshold === null || fit.reviewsPer1000 > budget) continue;
    const { delta } = contract;
    return {
      ...{ kind: "loosen_contract", task, stores: group.map(({ store }) => store) },
      title:
        `Promise at most ${percent(maxError)} wrong for ${wordsOf(task)} in ${placesText(group.length)}: people can look at ` +
        `${Math.round(budget)} of 1,000, and ${percent(contract.maxError)} asks for ${Math.round(asked)}`,
      before: {
        reviewsPer1000: asked,
        ...{ gateThreshold: certified.gateThreshold, errorBound: certified.upperBound },
      },
      // Its own certificate may come to the promise and no further, wherever these labels would put it.
      after: { reviewsPer1000: fit.reviewsPer1000, gateThreshold: fit.gateThreshold, errorBound: maxError },
      ...{ lowest: fit.gateThreshold, labels: labels.length, method: fit.method },
      edits: [
        {
          ...{ layer: level, scope, contract: { max_error: maxError, delta } },
          replaces: { max_error: contract.maxError, delta },
        },
      ],
    };
  }
  return null;
}

/** Labels of the certificate's own model that prove something: what its gate would accept, and what another one would. */
function evidenceOf({ labels }: ProposalStore, { model, calibration }: Certified): ProposalStore["labels"] {
  return labels.filter((label) => label.isEvidence && label.model === model && label.calibration === calibration);
}

/** Reviews in a thousand decisions that people can take: of stores that state different ones the mean over their decisions. */
function budgetOf(stores: readonly ProposalStore[]): number | null {
  return gateTerms(
    stores.flatMap(({ promise, labels }) => {
      const decisions = labels.reduce((sum, { propensity }) => sum + 1 / propensity, 0);
      return promise ? [{ contract: promise.contract, decisions }] : [];
    }),
  ).reviewsPer1000;
}

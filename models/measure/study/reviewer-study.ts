import { certify, type ErrorContract } from "../certify.ts";
import { deflatedError } from "../label-quality.ts";
import { drawSample, type Population, type Sample, studyPopulations, truth } from "./populations.ts";
import { type Draw, seededDraw } from "../seeded-draw.ts";

/** Who says what is right. */
type Labelling = "perfect" | "one reviewer" | "adjudicated" | "adjudicated, α deflated";

/** What labels of that kind led to. */
export interface ReviewerRow extends ErrorContract {
  readonly labelling: Labelling;
  /** Share of the model's errors that a reviewer repeats. */
  readonly repeats: number;
  readonly draws: number;
  readonly violations: number;
  readonly coverage: number;
  /** Reviews beyond one a label, as a share of the labels; gold cases are not among them. */
  readonly moreReviews: number;
}

export interface ReviewerOptions {
  readonly seed: number;
  readonly draws: number;
  readonly onProgress?: (share: number) => void;
}

const contract: ErrorContract = { maxError: 0.02, delta: 0.05 };
/** A reviewer is wrong in 5 % of the cases in which the model is right. */
const reviewerError = 0.05;
const repeatShares = [0.12, 0.155, 0.19] as const;
/** An adjudicator sees both answers side by side, and still takes the wrong one in 1 %. */
const adjudicatorError = 0.01;
/** Known errors of the model that are mixed in, so that what reviewers repeat can be counted. */
const goldCases = 600;
/** Share of δ that the bound of the repeated share may spend; the certificate has the rest. */
const goldShare = 0.1;

/** Certifies on labels of people who err, against the same draws with perfect ones. */
export function reviewerStudy({ seed, draws, onProgress }: ReviewerOptions): readonly ReviewerRow[] {
  const [population] = studyPopulations(seed);
  if (population === undefined) throw new RangeError("there is no population");
  const draw = seededDraw(seed + 2);
  const kinds: readonly Labelling[] = ["perfect", "one reviewer", "adjudicated", "adjudicated, α deflated"];
  return repeatShares.flatMap((repeats, at) => {
    const sums = kinds.map((labelling) => ({ labelling, violations: 0, coverage: 0, moreReviews: 0 }));
    for (let round = 0; round < draws; round += 1) {
      const sample = drawSample(population, draw);
      for (const sum of sums) {
        const { rank, moreReviews } = certified(population, sample, sum.labelling, repeats, draw);
        const found = truth(population, rank);
        sum.violations += found.risk > contract.maxError ? 1 : 0;
        sum.coverage += found.coverage / draws;
        sum.moreReviews += moreReviews / draws;
      }
      onProgress?.((at + (round + 1) / draws) / repeatShares.length);
    }
    return sums.map((sum) => ({ ...sum, ...contract, repeats, draws }));
  });
}

function certified(
  population: Population,
  { ranks, isWrong }: Sample,
  labelling: Labelling,
  repeats: number,
  draw: Draw,
): { readonly rank: number; readonly moreReviews: number } {
  let adjudicated = 0;
  const correct = isWrong.map((wrong) => {
    const isRight = wrong === 0;
    if (labelling === "perfect") return isRight ? 1 : 0;
    const agrees = isRight ? draw() >= reviewerError : draw() < repeats;
    // An agreement stands: nobody looks again, so a repeated error stays unseen.
    if (agrees || labelling === "one reviewer") return agrees ? 1 : 0;
    adjudicated += 1;
    return isRight === draw() >= adjudicatorError ? 1 : 0;
  });
  const items = population.isWrong.length;
  const confidence = Float64Array.from(ranks, (rank) => 1 - rank / items);
  const asked = labelling === "adjudicated, α deflated" ? deflated(repeats, draw) : contract;
  const { gateThreshold } = certify(confidence, correct, asked);
  const rank = gateThreshold === null ? -1 : Math.round((1 - gateThreshold) * items);
  return { rank, moreReviews: adjudicated / ranks.length };
}

/** The contract that makes up for errors nobody sees: their share is bounded on gold cases, at a part of δ. */
function deflated(repeats: number, draw: Draw): ErrorContract {
  let repeated = 0;
  for (let gold = 0; gold < goldCases; gold += 1) repeated += draw() < repeats ? 1 : 0;
  const { maxError } = deflatedError(
    contract.maxError,
    { wrong: goldCases, missed: repeated },
    goldShare * contract.delta,
  );
  return { maxError, delta: (1 - goldShare) * contract.delta };
}

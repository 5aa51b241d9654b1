import { describe, expect, it } from "vitest";
import { withEnds } from "../../cloud-sync/hub/gate/certificate-ends.ts";
import { type IssuedCertificate } from "../../cloud-sync/hub/gate/certificate-issue.ts";
import { p95Of } from "../../cloud-sync/hub/gate/answer-times.ts";
import { gateFigures, figureAt } from "../../cloud-sync/hub/gate/gate-figures.ts";
import { gateOffers } from "../../cloud-sync/hub/gate/gate-offers.ts";
import { gateTerms } from "../../cloud-sync/hub/gate/store-terms.ts";
import { isWithinLimits } from "../../cloud-sync/hub/gate/gate-limits.ts";
import { clopperPearson } from "../../models/measure/binomial.ts";
import { expectedCalibrationError } from "../../models/measure/calibration-error.ts";
import { certify } from "../../models/measure/certify.ts";
import { proposalsFor } from "../../cloud-sync/hub/gate/gate-proposals.ts";
import { type ProposalStore } from "../../cloud-sync/hub/gate/proposal-parts.ts";
import { certificate } from "../support/certificates.ts";

const labels = (count: number, wrongBelow = 0.7) =>
  Array.from({ length: count }, (_, n) => {
    const confidence = 0.5 + n / (2 * count);
    return { confidence, isWrong: confidence < wrongBelow && n % 3 === 0, propensity: 1 };
  });

describe("figures of a gate", () => {
  it("count what a gate threshold accepts, with exact intervals where every label was certain", () => {
    const { curve, method, labels: count } = gateFigures(labels(200));
    expect({ method, count }).toEqual({ method: "clopper_pearson", count: 200 });
    expect(curve.at(-1)).toMatchObject({ coverage: 1, labels: 200 });
    expect(figureAt(curve, 0.75)).toMatchObject({ risk: 0, errors: 0, lower: 0 });
    expect(figureAt(curve, 2)).toBeNull();
    for (const { risk, lower, upper } of curve) expect(lower <= risk && risk <= upper).toBe(true);
  });

  it("weigh labels that were drawn by what they stand for", () => {
    const drawn = [
      ...Array.from({ length: 50 }, () => ({ confidence: 0.9, isWrong: false, propensity: 0.1 })),
      ...Array.from({ length: 500 }, () => ({ confidence: 0.6, isWrong: true, propensity: 1 })),
    ];
    const { curve, method } = gateFigures(drawn);
    expect(method).toBe("inverse_propensity");
    // Fifty drawn with a tenth stand for five hundred: half of all decisions.
    expect(curve[0]).toMatchObject({ gateThreshold: 0.9, coverage: 0.5 });
    expect(gateFigures([])).toMatchObject({ labels: 0, curve: [], calibrationError: null });
  });

  it("give each bar of the reliability diagram the exact interval of its labels, and mark those of few", () => {
    const { reliability, calibrationError } = gateFigures(labels(200));
    const shown = labels(200);
    const occupied = reliability.filter(({ items }) => items > 0);
    expect(occupied.reduce((sum, { items }) => sum + items, 0)).toBe(200);
    for (const { lower, upper, items, accuracy, accuracyLower, accuracyUpper, isFew } of occupied) {
      const inside = shown.filter(({ confidence }) => confidence > lower && confidence <= upper);
      const right = inside.filter(({ isWrong }) => !isWrong).length;
      expect({ items, accuracy }).toEqual({ items: inside.length, accuracy: right / inside.length });
      expect({ lower: accuracyLower, upper: accuracyUpper }).toEqual(clopperPearson(right, inside.length, 0.05));
      expect(isFew).toBe(inside.length < 30);
    }
    expect(
      new Set(gateFigures(labels(400)).reliability.flatMap(({ items, isFew }) => (items > 0 ? [isFew] : []))),
    ).toEqual(new Set([true, false]));
    const own = labels(200).map(({ isWrong }) => (isWrong ? 0 : 1));
    const confidence = labels(200).map((label) => label.confidence);
    expect(calibrationError).toBeCloseTo(expectedCalibrationError(confidence, own), 12);
  });

  it("weigh the labels of the bar that the gate threshold divides, where the chances of a label differ", () => {
    // Below the gate threshold every decision has a label, a fifth of them wrong; above it a tenth has, none of them wrong.
    const drawn = [
      ...Array.from({ length: 100 }, () => ({ confidence: 0.95, isWrong: false, propensity: 0.1 })),
      ...Array.from({ length: 100 }, (_, n) => ({ confidence: 0.94, isWrong: n % 5 === 0, propensity: 1 })),
      ...Array.from({ length: 40 }, (_, n) => ({ confidence: 0.5, isWrong: n < 20, propensity: 1 })),
    ];
    const { reliability, calibrationError } = gateFigures(drawn);
    const [even, divided] = reliability.filter(({ items }) => items > 0);
    expect(even).toMatchObject({ items: 40, accuracy: 0.5 });
    expect(even?.accuracyUpper).toBe(clopperPearson(20, 40, 0.05).upper);
    // 1,000 right ones and 80 of 100, and not 180 of 200.
    expect(divided).toMatchObject({ items: 200, isFew: false });
    expect(divided?.accuracy).toBeCloseTo(1_080 / 1_100, 12);
    expect(divided?.confidence).toBeCloseTo((1_000 * 0.95 + 100 * 0.94) / 1_100, 12);
    expect(divided?.accuracyLower).toBeLessThan(1_080 / 1_100);
    expect(divided?.accuracyUpper).toBeGreaterThan(1_080 / 1_100);
    expect(calibrationError).toBeCloseTo(Math.abs(1_080 - 1_000 * 0.95 - 100 * 0.94) / 1_140, 9);
  });
});

describe("what the stores of a gate state", () => {
  const store = (review: number | null, decisions = 0, reviewsPer1000: number | null = 50, currency = "EUR") => ({
    contract: { costs: review === null ? null : { review, wrongAccept: 10 * review, currency }, reviewsPer1000 },
    decisions,
  });

  it("is told as it is where all of them say the same", () => {
    const costs = { review: 0.1, wrongAccept: 1, currency: "EUR" };
    expect(gateTerms([store(0.1, 3), store(0.1, 7)])).toEqual({ costs, reviewsPer1000: 50, isMean: false });
    expect(gateTerms([])).toEqual({ costs: null, reviewsPer1000: null, isMean: false });
  });

  it("is a mean by decisions where they differ, of those that say something", () => {
    const { costs, reviewsPer1000, isMean } = gateTerms([store(0.1, 30), store(0.5, 10, 90), store(null, 60, null)]);
    expect(costs?.review).toBeCloseTo(0.2, 12);
    expect(costs?.wrongAccept).toBeCloseTo(2, 12);
    expect(reviewsPer1000).toBeCloseTo(60, 12);
    expect(isMean).toBe(true);
    // Without a label, or where only stores without one say something, each weighs the same.
    expect(gateTerms([store(0.1), store(0.3)]).costs?.review).toBeCloseTo(0.2, 12);
    expect(gateTerms([store(0.1), store(0.3), store(null, 5)]).costs?.review).toBeCloseTo(0.2, 12);
  });

  it("is not told in money where they are in several currencies", () => {
    expect(gateTerms([store(0.1, 1), store(0.1, 1, 50, "USD")])).toMatchObject({ costs: null, reviewsPer1000: 50 });
  });
});

describe("what another promise would mean", () => {
  const contract = { maxError: 0.05, delta: 0.1, costs: { review: 0.5, wrongAccept: 20, currency: "EUR" } };

  it("is half, the present and double error, each with reviews, wrong accepts and money of a thousand decisions", () => {
    const offers = gateOffers(labels(2_000), contract, 0);
    expect(offers.map(({ maxError }) => maxError)).toEqual([0.025, 0.05, 0.1]);
    for (const offer of offers) {
      const { gateThreshold, coverage, accepted, errors, reviewsPer1000, wrongPer1000 } = offer;
      const found = certify(
        labels(2_000).map(({ confidence }) => confidence),
        labels(2_000).map(({ isWrong }) => (isWrong ? 0 : 1)),
        { maxError: offer.maxError, delta: 0.05 },
      );
      expect(offer).toMatchObject({ method: "fallback_auto", labels: 2_000, gateThreshold: found.gateThreshold });
      expect({ gateThreshold, accepted, errors }).toEqual({
        ...{ gateThreshold: found.gateThreshold, accepted: found.accepted, errors: found.errors },
      });
      expect(reviewsPer1000).toBeCloseTo(1000 * (1 - coverage), 9);
      expect(wrongPer1000).toBeCloseTo(errors / 2, 9);
      expect(offer.costPer1000).toBeCloseTo(0.5 * reviewsPer1000 + 20 * wrongPer1000, 9);
    }
    const reviews = offers.map(({ reviewsPer1000 }) => reviewsPer1000);
    expect(reviews).toEqual([...reviews].sort((a, b) => b - a));
  });

  it("holds labels to less by what reviewers overlook, and expects so many more wrong ones", () => {
    const [exact, careful] = [0, 0.5].map((missShare) => gateOffers(labels(2_000), contract, missShare)[2]);
    expect(careful?.gateThreshold).toBe(gateOffers(labels(2_000), contract, 0)[1]?.gateThreshold);
    expect(careful?.gateThreshold).toBeGreaterThan(exact?.gateThreshold ?? 1);
    expect(careful?.wrongPer1000).toBeCloseTo((careful?.errors ?? 0) / 2 / 0.5, 9);
  });

  it("takes a handful of drawn labels without an error for no proof", () => {
    const drawn = Array.from({ length: 30 }, (_, n) => ({
      ...{ confidence: 0.99 - n / 100, isWrong: n > 0 && n % 2 === 0, propensity: n === 0 ? 0.2 : 1 },
    }));
    for (const offer of gateOffers(drawn, contract, 0)) expect(offer).toMatchObject({ gateThreshold: null });
  });

  it("allows nothing where reviewers overlook all that there is to overlook", () => {
    for (const offer of gateOffers(labels(2_000), contract, 1 - 1e-5)) {
      expect(offer).toMatchObject({ gateThreshold: null, accepted: 0, reviewsPer1000: 1000, wrongPer1000: 0 });
    }
  });

  it("sends everything to people where the labels allow nothing, and says nothing without a label", () => {
    const [offer] = gateOffers(labels(20), { ...contract, costs: null }, 0);
    expect(offer).toMatchObject({ gateThreshold: null, reviewsPer1000: 1000, wrongPer1000: 0, costPer1000: null });
    expect(gateOffers([], contract, 0)).toEqual([]);
  });

  it("weighs labels that were drawn by what they stand for", () => {
    const drawn = [
      ...Array.from({ length: 400 }, () => ({ confidence: 0.9, isWrong: false, propensity: 0.1 })),
      ...Array.from({ length: 1_000 }, (_, n) => ({ confidence: 0.6, isWrong: n % 2 === 0, propensity: 1 })),
    ];
    const [, now] = gateOffers(drawn, contract, 0);
    expect(now).toMatchObject({ method: "inverse_propensity", gateThreshold: 0.9, accepted: 400, errors: 0 });
    expect(now?.coverage).toBeCloseTo(0.8, 9);
  });
});

const own = { model: "m", calibration: "none" };
const evidence = (found: ReturnType<typeof labels>) => found.map((label) => ({ ...label, ...own, isEvidence: true }));
const promised = (maxError: number, reviewsPer1000: number | null = null): ProposalStore["promise"] => ({
  ...{ level: "fleet", scope: "-" },
  contract: {
    ...{ maxError, delta: 0.1, launchLabels: null, lapseAfterMs: 1, lapseAccepts: 1, auditShare: 0.1 },
    ...{ reviewsPer1000, costs: null },
  },
});
const store = (name: string, more: Partial<ProposalStore> = {}): ProposalStore => ({
  ...{ store: name, number: { gateThreshold: 0.95, layer: "store", scope: name }, promise: promised(0.01) },
  certified: { gateThreshold: 0.75, upperBound: 0.009, basis: "launch", ...own },
  labels: evidence(labels(120)),
  ...more,
});

describe("proposals", () => {
  it("say what a floor costs where a certificate would allow more", () => {
    const found = proposalsFor("product_identification", [store("a"), store("b"), store("c", { number: null })], 0);
    expect(found).toMatchObject([
      {
        ...{ kind: "drop_floor", stores: ["a", "b"], method: "certificate", lowest: 0.75, labels: 240 },
        ...{ before: { gateThreshold: 0.95 }, after: { gateThreshold: 0.75, errorBound: 0.009 } },
        edits: [
          { layer: "store", scope: "a" },
          { layer: "store", scope: "b" },
        ],
      },
    ]);
    expect(found[0]?.title).toBe(
      "Lower the gate for product identification in 2 stores: 400 fewer reviews per 1,000, error bound 0.9 %",
    );
  });

  it("are not made of few labels, of a floor that costs nothing, or where nothing is certified", () => {
    const certified = { gateThreshold: 0.95, upperBound: 0.01, basis: "launch", ...own };
    expect(proposalsFor("t", [store("a", { labels: evidence(labels(20)) })], 0)).toEqual([]);
    expect(proposalsFor("t", [store("a", { certified: null })], 0)).toEqual([]);
    expect(proposalsFor("t", [store("a", { certified })], 0)).toEqual([]);
  });

  it("offer the strictest contract that asks no more of people than a guessed number", () => {
    const number = { gateThreshold: 0.95, layer: "fleet" as const, scope: "-" };
    const guessed = ["a", "b", "c"].map((name) =>
      store(name, { number, certified: null, promise: null, labels: evidence(labels(400)) }),
    );
    const [found] = proposalsFor("cart", guessed, 0);
    expect(found).toMatchObject({ kind: "use_contract", edits: [{ layer: "fleet", scope: "-" }], labels: 1200 });
    expect(found?.edits[0]?.contract?.max_error).toBeLessThanOrEqual(0.01);
    expect(found?.after.reviewsPer1000).toBeLessThan(found?.before.reviewsPer1000 ?? 0);
  });

  describe("where contract and people do not fit", () => {
    // Of 1,000 decisions 400 are below 0.7, where a third is wrong; people can take 250 of them.
    const certified = { gateThreshold: 0.7, upperBound: 0.009, basis: "launch", ...own };
    const busy = (more: Partial<ProposalStore> = {}) =>
      store("a", { number: null, promise: promised(0.01, 250), certified, labels: evidence(labels(1_200)), ...more });

    it("name the strictest promise that people could serve, with what it would mean", () => {
      const [found, ...others] = proposalsFor("cart", [busy()], 0);
      expect(others).toEqual([]);
      expect(found).toMatchObject({
        ...{ kind: "loosen_contract", stores: ["a"], labels: 1_200, method: "fallback_auto" },
        before: { gateThreshold: 0.7, errorBound: 0.009 },
        edits: [{ layer: "fleet", scope: "-", replaces: { max_error: 0.01, delta: 0.1 } }],
      });
      expect(found?.before.reviewsPer1000).toBeCloseTo(400, 9);
      const promise = found?.edits[0]?.contract?.max_error ?? 0;
      expect(found?.after.errorBound).toBe(promise);
      expect(found?.after.reviewsPer1000).toBeLessThanOrEqual(250);
      expect(found?.title).toBe(
        `Promise at most ${promise * 100} % wrong for cart in one store: people can look at 250 of 1,000, and 1 % asks for 400`,
      );
      // The same as what the page offers for that promise, and nothing stricter would do.
      const { contract } = promised(promise, 250) ?? {};
      const [, offer] = contract ? gateOffers(labels(1_200), contract, 0) : [];
      expect(offer).toMatchObject({
        gateThreshold: found?.after.gateThreshold,
        reviewsPer1000: found?.after.reviewsPer1000,
      });
      const [, stricter] = contract ? gateOffers(labels(1_200), { ...contract, maxError: promise * 0.7 }, 0) : [];
      expect(stricter?.reviewsPer1000).toBeGreaterThan(250);
    });

    it("are held to less by what reviewers overlook", () => {
      const promise = promised(0.02, 250);
      const promises = [0, 0.3].map(
        (missShare) => proposalsFor("cart", [busy({ promise })], missShare)[0]?.after.errorBound ?? 0,
      );
      expect(promises[1]).toBeGreaterThan(promises[0] ?? 1);
    });

    it("are not made where people keep up, or where it is not the contract that they cannot keep up with", () => {
      const none = (more: Partial<ProposalStore>) => expect(proposalsFor("cart", [busy(more)], 0)).toEqual([]);
      none({ promise: promised(0.01, 400) });
      none({ promise: promised(0.01, null) });
      none({ certified: null });
      none({ certified: { ...certified, basis: "raised" } });
      // The certificate is still careful; the present promise would fit by what the labels show now.
      none({ promise: promised(0.1, 250), certified: { ...certified, gateThreshold: 0.9 } });
      // No label is of this model, or none of them proves anything.
      none({ certified: { ...certified, model: "older" } });
      none({ labels: busy().labels.map((label) => ({ ...label, isEvidence: false })) });
      // People are missing: a promise twenty times as loose would need none of them.
      none({ promise: promised(0.01, 0) });
    });

    it("are applied by the hub itself only where the limits name this kind, up to the promise that they bear", () => {
      const [proposal] = proposalsFor("cart", [busy()], 0);
      if (!proposal) throw new Error("there is no proposal");
      const limits = { kinds: ["loosen_contract" as const], gateThresholdMin: 0.1, errorBoundMax: 0.2, storesMax: 2 };
      expect(isWithinLimits(proposal, limits)).toBe(true);
      expect(isWithinLimits(proposal, { ...limits, kinds: ["drop_floor", "use_contract"] })).toBe(false);
      expect(isWithinLimits(proposal, { ...limits, errorBoundMax: 0.03 })).toBe(false);
    });
  });

  it("are applied by the hub itself only within the limits that a person has set", () => {
    const [proposal] = proposalsFor("cart", [store("a"), store("b")], 0);
    if (!proposal) throw new Error("there is no proposal");
    const limits = { kinds: ["drop_floor" as const], gateThresholdMin: 0.7, errorBoundMax: 0.01, storesMax: 2 };
    expect(isWithinLimits(proposal, limits)).toBe(true);
    expect(isWithinLimits(proposal, { ...limits, kinds: ["use_contract"] })).toBe(false);
    expect(isWithinLimits(proposal, { ...limits, gateThresholdMin: 0.8 })).toBe(false);
    expect(isWithinLimits(proposal, { ...limits, errorBoundMax: 0.005 })).toBe(false);
    expect(isWithinLimits(proposal, { ...limits, storesMax: 1 })).toBe(false);
  });
});

describe("what ended a certificate", () => {
  const issued = (
    basis: IssuedCertificate["basis"],
    atMs: number,
    more: Partial<IssuedCertificate> = {},
  ): IssuedCertificate => ({
    ...certificate(),
    residual: { below: null, calibration: "none" },
    id: `c${atMs}`,
    basis,
    issuedAtMs: atMs,
    ...more,
  });
  const endsOf = (oldestFirst: readonly IssuedCertificate[], running = oldestFirst.at(-1) ?? null) =>
    withEnds([...oldestFirst].reverse(), running)
      .map(({ ended }) => ended && [ended.why, ended.atMs])
      .reverse();

  it("is what came after it: a raise and its end, an alarm, a lapse, another promise, a new proof", () => {
    const bases = ["launch", "raised", "launch", "evidence", "lapsed", "evidence", "alarm", "launch"] as const;
    expect(endsOf(bases.map((basis, at) => issued(basis, at)))).toEqual([
      ["raised", 1],
      ["taken_back", 2],
      ["replaced", 3],
      ["lapsed", 4],
      ["revived", 5],
      ["alarm", 6],
      ["replaced", 7],
      null,
    ]);
    const looser = issued("collecting", 2, { maxError: 0.02 });
    expect(endsOf([issued("launch", 1), looser])).toEqual([["contract", 2], null]);
    expect(endsOf([issued("launch", 1), issued("collecting", 2)])).toEqual([["restarted", 2], null]);
    expect(endsOf([issued("launch", 1), issued("launch", 2, { id: "c1", renewal: 2 })])).toEqual([
      ["renewed", 2],
      null,
    ]);
  });

  it("is a new model, whose labels are newer, whether it has a certificate yet or not", () => {
    const other = { model: `sha256:${"9".repeat(64)}` };
    expect(endsOf([issued("launch", 1), issued("launch", 2, other)])).toEqual([["new_model", 2], null]);
    // A rollback: the old one is in force again, and the new one has ended.
    const back = [issued("launch", 1), issued("launch", 2, other), issued("launch", 3, { id: "c1", renewal: 2 })];
    expect(endsOf(back)).toEqual([["renewed", 3], ["new_model", 3], null]);
    expect(endsOf([issued("launch", 1)], issued("launch", 9, other))).toEqual([["new_model", null]]);
    expect(endsOf([issued("launch", 1)], null)).toEqual([null]);
  });
});

describe("how long people take", () => {
  it("is the 95th percentile of the answers, with cases that have waited longer already", () => {
    const answers = Array.from({ length: 100 }, (_, n) => n);
    expect(p95Of(answers, [])).toBe(95);
    expect(p95Of(answers, [1, 2, 3])).toBe(95);
    expect(
      p95Of(
        answers,
        Array.from({ length: 50 }, () => 10_000),
      ),
    ).toBe(10_000);
    expect(p95Of([1, 2], [])).toBeNull();
  });
});

/** What the gates' pages say and compute. Pure. */

import type { GateCertificate, GateDetail, GateFigurePoint, GateLine, GateStateLine } from "./gates-api.web.ts";
import type { Tone } from "./parts/parts.tsx";
import { countText, durationText, plural } from "./words.ts";

type GateStanding = Pick<GateLine, "contract" | "overdueSinceMs"> & {
  readonly state: Pick<GateStateLine, "kind" | "gateThreshold" | "raised"> | null;
};

interface StateWords {
  readonly text: string;
  readonly tone: Tone;
  readonly about: string;
}

const states: Readonly<Record<string, StateWords>> = {
  collecting: {
    ...{ text: "collecting", tone: "warn" },
    about: "Nothing is proved yet: every decision goes to people, and their answers are the labels.",
  },
  certified: { text: "certified", tone: "good", about: "A gate threshold is proved, and the agents accept under it." },
  lapsed: {
    text: "lapsed",
    tone: "bad",
    about: "Nobody has looked for too long: people decide until fresh labels come.",
  },
  alarmed: {
    ...{ text: "alarm", tone: "bad" },
    about: "Audits went wrong too often: nothing is accepted until the new epoch proves something.",
  },
};

const stopped: StateWords = {
  ...{ text: "stopped by hand", tone: "warn" },
  about: "A gate threshold is proved, but somebody has sent everything to people.",
};
const raisedUp: StateWords = {
  ...{ text: "raised by hand", tone: "warn" },
  about: "A gate threshold is proved, and a higher one that somebody chose is in force.",
};

/** Whether a person's word is what holds the gate threshold where it is; a raise below what is proved does nothing. */
export function isRaised({ gateThreshold, raised }: Pick<GateStateLine, "gateThreshold" | "raised">): boolean {
  return raised !== null && (gateThreshold === null || gateThreshold === raised);
}

export function stateWords({ state, contract, overdueSinceMs }: GateStanding): StateWords {
  if (overdueSinceMs !== null) {
    return {
      text: "not kept",
      tone: "bad",
      about:
        "The hub does not count its labels: what stands here is from before, and the agents go on with it until it lapses. " +
        "The hub's log says why (hub_gate_not_kept).",
    };
  }
  if (contract === null) {
    return {
      text: "a guessed number",
      tone: "",
      about: "No contract: the gate threshold is a number that somebody chose.",
    };
  }
  if (state !== null && state.kind === "certified" && isRaised(state)) {
    return state.gateThreshold === null ? stopped : raisedUp;
  }
  return states[state?.kind ?? "collecting"] ?? { text: state?.kind ?? "", tone: "", about: "" };
}

/** 0.0043 → "0.43 %": two figures that count. */
export function shareText(share: number): string {
  return `${Number((share * 100).toPrecision(share >= 0.1 ? 3 : 2))} %`;
}

/** 0.357, 0.827 → "35.7 – 82.7 %"; a line never begins with the percent sign. */
export function rangeText(lower: number, upper: number): string {
  return `${shareText(lower).replace(" %", "")} – ${shareText(upper).replace(" ", "\u00a0")}`;
}

export function gateText(gateThreshold: number | null): string {
  return gateThreshold === null ? "nothing is accepted" : String(Number(gateThreshold.toFixed(4)));
}

/** How far the launch is, and about when it will be tried at the pace of the last week. */
export function launchText({ state, labelsPerDay }: Pick<GateDetail, "state" | "labelsPerDay">): string {
  const missing = state?.labelsMissing ?? 0;
  if (missing === 0) return "";
  const pace =
    labelsPerDay === null || labelsPerDay <= 0
      ? ""
      : `, in about ${durationText((missing / labelsPerDay) * 86_400_000)} at ${countText(Math.round(labelsPerDay))} a day`;
  return ` ${plural(missing, "label")} more until the launch is tried${pace}.`;
}

/** What a certificate of coarse answers speaks of. */
export function restText(below: number | null): string {
  return below === null
    ? "It speaks of all cases, because nothing is accepted at the fine gate."
    : `It speaks of what the fine gate leaves: cases whose fine confidence is below ${gateText(below)}.`;
}

/** 12.5, "EUR" → "12.50 EUR"; nothing where nobody has said what things cost. */
export function moneyText(amount: number | null, currency = ""): string {
  return amount === null ? "–" : `${amount.toFixed(2)} ${currency}`.trim();
}

/** What a gate threshold would mean, by the labels: for the slider, and for the sentence below it. */
export interface WhatIf {
  readonly point: GateFigurePoint | null;
  readonly reviewsPer1000: number;
  /** Wrong ones among a thousand decisions, with the upper end of the interval. */
  readonly wrongPer1000: number;
  readonly wrongMaxPer1000: number;
}

export function whatIf(curve: readonly GateFigurePoint[], gateThreshold: number): WhatIf {
  const point = curve.findLast((one) => one.gateThreshold >= gateThreshold) ?? null;
  const coverage = point?.coverage ?? 0;
  return {
    point,
    reviewsPer1000: (1 - coverage) * 1000,
    wrongPer1000: coverage * (point?.risk ?? 0) * 1000,
    wrongMaxPer1000: coverage * (point?.upper ?? 0) * 1000,
  };
}

/** What the labels of a gate stand for: the coarse one is asked only about what the fine one leaves. */
export function decisionsOf({ rung }: Pick<GateDetail, "rung">): string {
  return rung === "coarse" ? "decisions that the fine gate leaves" : "decisions";
}

/** What a raise would do to people's work and to wrong accepts, by the labels. Null: nothing is accepted any more. */
export function raiseText(gate: Pick<GateDetail, "state" | "figures" | "rung">, to: number | null): string {
  const { state, figures } = gate;
  const now = state?.gateThreshold ?? null;
  if (now === null) {
    return to === null
      ? "Nothing is accepted now, and nothing will be whatever is proved."
      : `Nothing is accepted now: as soon as something is proved, nothing below ${gateText(to)} will be.`;
  }
  if (figures.curve.length === 0) return "There is no label that would say what this does to people's work.";
  const [before, after] = [whatIf(figures.curve, now), whatIf(figures.curve, to ?? 2)];
  const [reviews, raised] = [before, after].map(({ reviewsPer1000 }) => Math.round(reviewsPer1000));
  return (
    `By ${countText(figures.labels)} labels: ${reviews} → ${raised} reviews per 1,000 ${decisionsOf(gate)}, ` +
    `and ${before.wrongPer1000.toFixed(1)} → ${after.wrongPer1000.toFixed(1)} wrong accepts.`
  );
}

/** Whether the promise would hold at a gate threshold, as far as the labels tell; `proved` is the certified one. */
export function promiseText(point: GateFigurePoint | null, promise: number | null, proved: number | null): string {
  if (promise === null || point === null) return "";
  if (point.upper <= promise) return "These labels would keep the promise.";
  return proved !== null && point.gateThreshold > proved
    ? "Above the proved gate threshold no more wrong ones pass than there; too few labels reach this one to show their share."
    : "These labels do not show that the promise would hold.";
}

/** The lowest gate threshold whose interval stays below an error; null where none does. */
export function lowestFor(curve: readonly GateFigurePoint[], maxError: number): GateFigurePoint | null {
  return curve.findLast((point) => point.upper <= maxError) ?? null;
}

export const methodTexts: Readonly<Record<string, string>> = {
  clopper_pearson: "exact interval of Clopper and Pearson, 95 %",
  inverse_propensity: "by inverse propensity, interval of 95 %",
  fallback_auto: "exact binomial test with the fallback procedure, half of δ",
  e_process: "evidence over time, half of δ",
  certificate: "the certificate's own bound",
  none: "nothing is proved",
};

/** What the band of a curve is, inside of a sentence. */
export const bandTexts: Readonly<Record<string, string>> = {
  clopper_pearson: "exact interval of 95 % (Clopper and Pearson)",
  inverse_propensity: "interval of 95 % by inverse propensity",
};

/** Values of a line over time, with a gap before each epoch: what was proved in one says nothing in the next. */
export function byEpoch<At extends { readonly atMs: number; readonly epoch: number }>(
  evidence: readonly At[],
  valueOf: (at: At) => number,
): { readonly atMs: readonly number[]; readonly values: readonly (number | null)[] } {
  const points = evidence.flatMap((at, index) => {
    const point = { atMs: at.atMs, value: valueOf(at) };
    const before = evidence[index - 1];
    // Between the two, so that times still rise.
    return before === undefined || before.epoch === at.epoch
      ? [point]
      : [{ atMs: (before.atMs + at.atMs) / 2, value: null }, point];
  });
  return { atMs: points.map(({ atMs }) => atMs), values: points.map(({ value }) => value) };
}

export const sourceTexts: Readonly<Record<string, string>> = {
  ...{ review: "One reviewer", store: "A person in the store", consensus: "People who agree", adjudication: "A lead" },
  ...{ outcome: "The world (receipts, returns)", unknowable: "Nobody could tell", lost: "Lost before anybody looked" },
  undecided: "Contradicted, and nobody settled it",
};

/** What ended a certificate. */
export const endTexts: Readonly<Record<string, string>> = {
  ...{ raised: "raised by hand", taken_back: "the raise was taken back", alarm: "drift alarm", lapsed: "lapsed" },
  ...{ contract: "another promise", restarted: "began anew", revived: "fresh labels came" },
  ...{ replaced: "replaced by a new proof", new_model: "a new model", renewed: "renewed" },
};

/** The newest certificate of the model whose labels came last: an older model's says nothing of how the gate stands. */
export function standing({ state, certificates }: Pick<GateDetail, "state" | "certificates">): GateCertificate | null {
  const isOfState = ({ model, calibration }: GateCertificate): boolean =>
    model === state?.model && calibration === state.calibration;
  return certificates.find(isOfState) ?? null;
}

/** A certificate with its renewals as one line: the first and the last of its documents. */
export interface CertificateLine {
  readonly first: GateCertificate;
  readonly last: GateCertificate;
}

/** Pure. `certificates` are the newest first, and so are the lines. */
export function certificateLines(certificates: readonly GateCertificate[]): readonly CertificateLine[] {
  const lines = new Map<string, CertificateLine>();
  for (const one of certificates) lines.set(one.id, { first: one, last: lines.get(one.id)?.last ?? one });
  return [...lines.values()];
}

export const basisTexts: Readonly<Record<string, string>> = {
  ...{ launch: "proved at the launch", evidence: "proved over time", raised: "raised by hand", alarm: "alarm" },
  ...{ lapsed: "lapsed", collecting: "began anew" },
};

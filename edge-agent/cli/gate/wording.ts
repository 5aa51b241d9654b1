import { type ErrorContract } from "../../../models/measure/certify.ts";
import { contractShares } from "../../../config/index.ts";
import { plainText } from "../../plain-text.ts";
import { type GroupCertificate, type GroupCurve } from "./group-report.ts";
import { type Scores } from "./score-table.ts";

/** How results of `holdpoint gate` read for people. */

/** With `digits` decimals, and with as many more as it takes for a small share not to read as none. */
export function percent(share: number, digits = 1): string {
  const text = (100 * share).toFixed(digits);
  return `${share > 0 && Number(text) === 0 ? (100 * share).toPrecision(1) : text} %`;
}

export function whole(count: number): string {
  return count.toLocaleString("en");
}

/** `store=12, task=shelf`; the file as a whole has no columns. */
export function groupName(group: GroupCertificate["group"]): string {
  const parts = Object.entries(group).map(([column, value]) => `${plainText(column)}=${plainText(value)}`);
  return parts.length === 0 ? "all rows" : parts.join(", ");
}

/** What was left out or counted against the model, and is not to be found out later. */
export function notesOf({ rows, duplicates, contradictions, baskets }: Scores): readonly string[] {
  const notes: string[] = [];
  if (duplicates > 0) notes.push(`${whole(duplicates)} of ${whole(rows)} rows repeat an id and count once`);
  if (contradictions > 0)
    notes.push(`${whole(contradictions)} ids have labels that contradict each other: each counts as wrong`);
  if (baskets !== null)
    notes.push(`one decision of each of ${whole(baskets)} baskets counts, because those of one basket err together`);
  return notes;
}

/** Said where no config may have the contract that was typed: the answer is right, and no agent can be under it. */
export function contractNotes({ maxError, delta }: ErrorContract): readonly string[] {
  const { min, max } = contractShares;
  const named = [["--max-error", maxError] as const, ["--delta", delta] as const];
  return named
    .filter(([, share]) => share < min || share > max)
    .map(
      ([option, share]) =>
        `${option} ${share}: a contract in a config is from ${min.toFixed(6)} to ${max}, so no agent can be under this one`,
    );
}

export function certificateLines(
  all: GroupCertificate,
  groups: readonly GroupCertificate[],
  contract: ErrorContract,
): readonly string[] {
  const { maxError, delta } = contract;
  return [
    `contract: at most ${percent(maxError, 2)} wrong among the accepted, with a chance of ${delta} that this fails (fallback_auto)`,
    certificateLine(all),
    ...groups.map(certificateLine),
  ];
}

function certificateLine(certificate: GroupCertificate): string {
  const { group, threshold, n, accepted, errors, coverage, upperBound } = certificate;
  const name = groupName(group);
  if (threshold === null) {
    return `${name}: nothing can be certified from ${whole(n)} ${n === 1 ? "label" : "labels"}; ${neededText(certificate)}`;
  }
  return `${name}: gate threshold ${threshold} accepts ${whole(accepted)} of ${whole(n)} (${percent(coverage)}), ${whole(errors)} wrong; error at most ${percent(upperBound ?? 1, 2)}`;
}

/** What it would take before anything is certified. */
export function neededText({ labelsNeeded, tooManyErrors }: GroupCertificate): string {
  return tooManyErrors
    ? "too many are wrong at every gate threshold, and more labels like these would not help"
    : `about ${whole(labelsNeeded)} more are needed`;
}

export function curveLines(all: GroupCurve, groups: readonly GroupCurve[]): readonly string[] {
  return [all, ...groups].flatMap(curveBlock);
}

function curveBlock({ group, n, errors, aurc, eAurc, augrc, ece, points }: GroupCurve): readonly string[] {
  return [
    `${groupName(group)}: ${whole(n)} labels, ${whole(errors)} wrong; AURC ${aurc.toFixed(5)}, E-AURC ${eAurc.toFixed(5)}, AUGRC ${augrc.toFixed(5)}, ECE ${ece.toFixed(4)}`,
    "  gate threshold  coverage     n  wrong     risk  95 % interval (Clopper-Pearson)",
    ...points.map(
      ({ threshold, coverage, n: accepted, errors: wrong, risk, lower, upper }) =>
        `  ${threshold.toFixed(6).padStart(14)}  ${percent(coverage).padStart(8)}  ${String(accepted).padStart(4)}  ${String(wrong).padStart(5)}  ${percent(risk, 2).padStart(7)}  ${percent(lower, 2)} to ${percent(upper, 2)}`,
    ),
  ];
}

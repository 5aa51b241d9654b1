import { type ErrorContract } from "../../../models/measure/certify.ts";
import { certificateOf, curveOf, type GroupCertificate, type ShownBin } from "./group-report.ts";
import { type ScoreGroup, type Scores } from "./score-table.ts";
import { groupName } from "./wording.ts";

/** What the report's page draws. It travels inside the page as JSON, so its size is bounded. */
export interface ReportData {
  readonly maxError: number;
  readonly groups: readonly ReportGroup[];
}

export interface ReportGroup {
  readonly name: string;
  readonly n: number;
  /** The certified gate threshold, or null. */
  readonly threshold: number | null;
  /** Of each point: gate threshold, labels accepted, and wrong ones among these. */
  readonly points: readonly (readonly [number, number, number])[];
  readonly bins: readonly ShownBin[];
}

/** A row of the table "what other contracts would cost". */
interface ReportOffer {
  readonly maxError: number;
  readonly certificate: GroupCertificate;
}

export interface Report {
  readonly data: ReportData;
  readonly certificates: readonly GroupCertificate[];
  readonly offers: readonly ReportOffer[];
  readonly ece: number;
  /** Groups that are left out of the report, because there are too many. */
  readonly groupsLeftOut: number;
}

const groupsMax = 500;
const pointsMax = 500;
/** Points of all curves together: about a megabyte. */
const pointsTotalMax = 25_000;
const offered = [0.1, 0.05, 0.02, 0.01, 0.005, 0.002] as const;

/** Everything the report says. `certify` and the curve see all the labels; only what is drawn is thinned out. */
export function reportOf({ whole, groups }: Scores, contract: ErrorContract): Report {
  const shown = [whole, ...groups.slice(0, groupsMax)];
  const points = Math.max(20, Math.min(pointsMax, Math.floor(pointsTotalMax / shown.length)));
  const certificates = shown.map((group) => certificateOf(group, contract));
  const curves = shown.map((group) => curveOf(group, points));
  return {
    data: {
      maxError: contract.maxError,
      groups: certificates.map((certificate, at) => ({
        name: groupName(certificate.group),
        n: certificate.n,
        threshold: certificate.threshold,
        points: withThreshold(curves[at]?.points ?? [], certificate).map((one) => [one.threshold, one.n, one.errors]),
        bins: curves[at]?.reliability ?? [],
      })),
    },
    certificates,
    offers: offersOf(whole, contract),
    ece: curves[0]?.ece ?? 0,
    groupsLeftOut: groups.length - (shown.length - 1),
  };
}

interface Counted {
  readonly threshold: number;
  readonly n: number;
  readonly errors: number;
}

/** The certified point is always one that the slider can stand on. */
function withThreshold(
  points: readonly Counted[],
  { threshold, accepted, errors }: GroupCertificate,
): readonly Counted[] {
  if (threshold === null || points.some((point) => point.threshold === threshold)) return points;
  return [...points, { threshold, n: accepted, errors }].sort((one, other) => other.threshold - one.threshold);
}

function offersOf(whole: ScoreGroup, { maxError, delta }: ErrorContract): readonly ReportOffer[] {
  const all = [...new Set([...offered, maxError])].sort((one, other) => other - one);
  return all.map((error) => ({ maxError: error, certificate: certificateOf(whole, { maxError: error, delta }) }));
}

/** What every fault prints: the counts that matter, and every way in which a promise was broken. */
export interface ChaosReport {
  /** Requests of which somebody was told that they are durable. */
  readonly acknowledged: number;
  /** Of those, how many are gone. */
  readonly lost: number;
  /** Ids with two bodies for one revision. */
  readonly doubled: number;
  readonly chain: { readonly intact: boolean; readonly records: number; readonly fault: string | null };
  /** Figures of this fault alone. */
  readonly detail: Readonly<Record<string, number | string | boolean>>;
  /** Empty where every promise was kept. */
  readonly violations: readonly string[];
}

/** Where the machine does not let a fault be injected: what it lacks. */
export interface Skipped {
  readonly skipped: string;
}

export interface ChaosOptions {
  readonly rounds: number;
  readonly seed: number;
  /** How many places, or threads, share the rounds where a fault can be injected in several at a time. */
  readonly parallel?: number;
  /** Uniform in [0, 1), from the seed: what is injected and when. */
  readonly random: () => number;
  /** Progress, for a person who waits. */
  readonly say: (line: string) => void;
}

export interface Fault {
  readonly says: string;
  /** What a round is, and how many of them the short form has. */
  readonly round: string;
  readonly rounds: number;
  run(options: ChaosOptions): Promise<ChaosReport | Skipped>;
}

type Counts = Pick<ChaosReport, "acknowledged" | "lost" | "doubled" | "chain">;

/** Adds what holds for every fault to the violations that this one has found. */
export function reportOf(counts: Counts, detail: ChaosReport["detail"], found: readonly string[] = []): ChaosReport {
  const { acknowledged, lost, doubled, chain } = counts;
  const violations = [
    ...(acknowledged === 0 ? ["nothing was acknowledged, so nothing was shown"] : []),
    ...(lost > 0 ? [`${lost} acknowledged requests or decisions are lost`] : []),
    ...(doubled > 0 ? [`${doubled} ids have two bodies for one revision`] : []),
    ...(chain.intact ? [] : [`the chain is broken: ${chain.fault ?? ""}`]),
    ...found,
  ];
  return { ...counts, detail, violations };
}

/** Several runs of one fault as one report: counts are summed, of times and sizes the largest is kept. */
export function together(reports: readonly ChaosReport[]): ChaosReport {
  const sum = (of: (report: ChaosReport) => number): number => reports.reduce((total, report) => total + of(report), 0);
  const detail: Record<string, number | string | boolean> = {};
  for (const [key, value] of reports.flatMap((report) => Object.entries(report.detail))) {
    const before = detail[key];
    if (typeof value !== "number" || typeof before !== "number") detail[key] = value;
    else detail[key] = /^slowest|^most|Max$/.test(key) ? Math.max(before, value) : before + value;
  }
  const broken = reports.find(({ chain }) => !chain.intact)?.chain;
  return {
    acknowledged: sum(({ acknowledged }) => acknowledged),
    lost: sum(({ lost }) => lost),
    doubled: sum(({ doubled }) => doubled),
    chain: broken ?? { intact: true, records: sum(({ chain }) => chain.records), fault: null },
    detail,
    violations: reports.flatMap(({ violations }) => violations),
  };
}

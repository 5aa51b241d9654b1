import { labelsDigest } from "../models/index.ts";
import { type Decision, type Hasher, type TaskCounts } from "../protocol/index.ts";
import { type Pipeline } from "../sdk/index.ts";
import { type ReviewedTask } from "./review/case-source.ts";

export interface TaskTallies {
  count(decision: Decision): void;
  /** Every task of the config; with the labels of these. */
  report(labelsOf: ReadonlySet<string>): readonly TaskCounts[];
}

interface Counts {
  accept: number;
  escalate: number;
  abstain: number;
  /** Of those that were accepted. */
  byRule: number;
}

export interface TallyParts {
  readonly pipeline: Pick<Pipeline, "config">;
  readonly task: (name: string) => ReviewedTask | null;
  readonly hasher: Hasher;
}

/** What the hub is told of each task: how it decided since this start, and which answers people may choose among. */
export function createTaskTallies({ pipeline, task, hasher }: TallyParts): TaskTallies {
  const counts = new Map<string, Counts>();
  const digests = new WeakMap<object, string>();
  const digestOf = (labels: readonly string[], coarse: ReviewedTask["coarse"]): string => {
    // The same lists for as long as the model runs; the labels may be the config's, and stay when the model goes.
    const key = coarse ?? labels;
    const known = digests.get(key);
    if (known !== undefined) return known;
    const digest = labelsDigest(labels, coarse ?? null, hasher);
    digests.set(key, digest);
    return digest;
  };
  return {
    count: ({ task: name, revision, verdict, decidedBy }) => {
      if (revision !== 1) return;
      let of = counts.get(name);
      if (!of) counts.set(name, (of = { accept: 0, escalate: 0, abstain: 0, byRule: 0 }));
      of[verdict] += 1;
      if (verdict === "accept" && decidedBy === "rule") of.byRule += 1;
    },
    report: (labelsOf) =>
      Object.keys(pipeline.config().tasks).map((name) => {
        const { accept = 0, escalate = 0, abstain = 0, byRule = 0 } = counts.get(name) ?? {};
        const asked = task(name);
        const labels = asked && asked.labels.length > 0 ? asked.labels : null;
        const coarse = labels && (asked?.coarse ?? null);
        return {
          ...{ task: name, accepted: accept, escalated: escalate, abstained: abstain },
          ...(byRule > 0 ? { acceptedByRule: byRule } : {}),
          labelsDigest: labels && digestOf(labels, coarse),
          ...(labels && labelsOf.has(name) ? { labels: [...labels] } : {}),
          ...(coarse && labelsOf.has(name) ? { coarse: { labels: [...coarse.labels], of: [...coarse.of] } } : {}),
          question: asked?.question ?? null,
        };
      }),
  };
}

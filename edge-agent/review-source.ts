import { type Cancel, type Decision } from "../protocol/index.ts";
import { groupedLabels, type ModelHost } from "../models/index.ts";
import { type Engine, type Pipeline } from "../sdk/index.ts";
import { type CaseOrigin, type Journal } from "./journal/journal.ts";
import { type CaseSource, type HeldCase, type ReviewedTask } from "./review/case-source.ts";

export interface ReviewSourceParts {
  readonly storeId: string;
  readonly journal: Journal;
  readonly engine: Engine<CaseOrigin>;
  readonly pipeline: Pipeline;
  readonly host: ModelHost;
  /** Called when a device has acknowledged a revision. */
  readonly onDelivered: (listener: (id: string, revision: number) => void) => Cancel;
}

/** The agent as the in-store review room sees it: the journal's waiting cases, and the engine that takes answers. */
export function createReviewSource(parts: ReviewSourceParts): CaseSource {
  const { journal, engine, pipeline, host } = parts;
  return {
    store: parts.storeId,
    pending: async (limit): Promise<readonly HeldCase[]> => {
      const waiting = await journal.pending(limit);
      if (waiting.length >= limit) return waiting;
      return [...waiting, ...(await journal.audits(limit - waiting.length))];
    },
    find: (id) => journal.find(id),
    input: (id) => journal.input(id),
    task: (name) => reviewedTask(name, pipeline, host),
    submitReview: async (review) => {
      const reviewed = await engine.review({ ...review, source: "store" });
      return reviewed ?? { kind: "unknown" };
    },
    onRevision: (listener: (decision: Decision) => void) => engine.onRevision((decision) => listener(decision)),
    onDelivered: parts.onDelivered,
  };
}

/** What a reviewer is asked: the config's question, over the labels of the config or else of the model that runs. */
export function reviewedTask(name: string, pipeline: Pipeline, host: ModelHost): ReviewedTask | null {
  const policy = pipeline.policy(name);
  if (!policy) return null;
  const running = host.states().find((state) => state.task === name)?.running ?? null;
  return { question: policy.question, ...groupedLabels(policy.labels, running) };
}

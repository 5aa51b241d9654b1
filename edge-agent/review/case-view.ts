import { factsOf } from "../../cloud-sync/review/case-facts.ts";
import { type Input, type ReviewCase } from "../../protocol/index.ts";
import { type HeldCase, type ReviewedTask } from "./case-source.ts";

/** Makes of a journal's case what a reviewer sees. Times are wall-clock milliseconds. */
export function caseView(
  held: HeldCase,
  around: {
    readonly store: string;
    readonly task: ReviewedTask | null;
    /** The whole input where its kind has bytes to draw (sequences, tensors); else null. */
    readonly input: Input | null;
    readonly dueAtMs: number | null;
    readonly lease: ReviewCase["lease"];
  },
): ReviewCase {
  const { decision, request } = held;
  const { input } = request;
  const isPicture = input.kind === "image" || input.kind === "pixels";
  const { facts, series } = needsBytes(input) && around.input === null ? evicted : factsOf(around.input ?? input);
  return {
    id: held.id,
    task: held.task,
    store: around.store,
    device: held.device,
    context: request.context ?? {},
    inputKind: input.kind,
    pictureUrl: isPicture && held.inputState === "kept" ? `/v1/review/cases/${held.id}/picture` : null,
    facts,
    series,
    suggestions: suggestionsOf(held),
    gateThreshold: decision?.gateThreshold ?? 0.95,
    confidence: decision?.confidence ?? 0,
    reasons: [...(decision?.reasons ?? ["no_prediction"])],
    question: around.task?.question ?? "What is this?",
    explanation: decision?.explanation ?? null,
    audit: held.audit,
    heldAtMs: held.receivedAtMs,
    dueAtMs: around.dueAtMs,
    lease: around.lease,
  };
}

/** Kinds whose facts are read from bytes that the journal keeps apart. */
export function needsBytes(input: Input): boolean {
  return input.kind === "sequence" || input.kind === "tensor";
}

const evicted: ReturnType<typeof factsOf> = {
  facts: [{ name: "input", value: "no longer kept on this box" }],
  series: [],
};

/** What the model saw, best first: from the trace, else from the provisional answer. */
function suggestionsOf(held: HeldCase): ReviewCase["suggestions"] {
  const finding = held.trace?.finding;
  if (finding?.kind === "evidence") {
    return finding.top.map(({ label, confidence }) => ({ label, confidence }));
  }
  const { decision } = held;
  if (!decision?.answer || decision.decidedBy !== "model") return [];
  return [{ label: decision.answer.label, confidence: decision.confidence }, ...(decision.answer.alternatives ?? [])];
}

export function isSuggested(held: HeldCase, label: string): boolean {
  return suggestionsOf(held).some((suggestion) => suggestion.label === label);
}

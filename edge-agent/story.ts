import { type Decision } from "../protocol/index.ts";
import { type JournalCase } from "./journal/journal.ts";
import { plainText } from "./plain-text.ts";

/** A case as a person would tell it: one line an event, oldest first. Whatever a device wrote stays within its line. */
export function storyOf(found: JournalCase): readonly string[] {
  const { request, trace, revisions } = found;
  const [first, ...later] = revisions;
  const lines = [
    `${found.id}  ${found.task}`,
    `${time(found.receivedAtMs)}  ${found.device} asked over ${found.transport} with ${inputOf(found)}${contextOf(found)}`,
    ...(first ? firstLines(found, first) : [`                          not decided yet`]),
    ...found.reviews.map((review) => {
      const answer = review.answer.kind === "label" ? `“${review.answer.label}”` : review.answer.kind.replace("_", " ");
      const took = review.tookMs === null ? "" : ` after ${(review.tookMs / 1000).toFixed(1)} s`;
      return `${time(review.atMs)}  ${review.reviewer} (${review.source}) answered ${answer}${took}`;
    }),
    ...later.map((revision) => `${time(revision.at)}  revision ${revision.revision}: ${summary(revision)}`),
    ...found.outcomes.map((outcome) => {
      const truth = outcome.label ?? outcome.outcome ?? (outcome.correct === true ? "right" : "wrong");
      return `${time(outcome.at)}  the world said: ${truth} (${outcome.source})`;
    }),
    `input ${found.inputState}${request.deadlineMs === undefined ? "" : `; the device's patience was ${request.deadlineMs} ms`}` +
      (trace?.timings.modelMs == null ? "" : `; the model took ${trace.timings.modelMs.toFixed(1)} ms`),
  ];
  return lines.map(plainText);
}

function firstLines(found: JournalCase, first: Decision): readonly string[] {
  const { trace } = found;
  const indent = " ".repeat(26);
  const lines = [`${time(first.at)}  revision 1: ${summary(first)}`];
  if (trace?.finding.kind === "evidence") {
    const top = trace.finding.top.slice(0, 3).map(({ label, confidence }) => `${label} ${percent(confidence)}`);
    const { coarse } = trace.finding;
    lines.push(
      `${indent}the model saw: ${top.join(", ")}${coarse ? `; group ${coarse.label} ${percent(coarse.confidence)}` : ""}`,
    );
  } else if (trace) {
    lines.push(`${indent}no prediction: ${trace.finding.message}`);
  }
  const under = first.certificate === null ? "" : ` of the certificate ${first.certificate}`;
  lines.push(
    `${indent}gate threshold ${first.gateThreshold}${under}, confidence ${first.confidence.toFixed(4)}; ${first.reasons.join(", ")}`,
  );
  if (trace?.gate && trace.gate.lapsed.length > 0)
    lines.push(`${indent}lapsed by then: ${trace.gate.lapsed.join(", ")}`);
  if (trace?.reviewPrice !== undefined && trace.reviewPrice > 0) {
    const price =
      trace.reviewPrice < 1e12 ? `only expected losses from ${trace.reviewPrice.toPrecision(3)} on` : "no more cases";
    lines.push(`${indent}people took ${price}`);
  }
  if (first.explanation !== null) lines.push(`${indent}${first.explanation}`);
  const model = first.model
    ? `${first.model.name} ${first.model.version} (${first.model.digest.slice(0, 19)}…) on ${first.provider}`
    : "no model";
  lines.push(`${indent}${model}; config revision ${first.config.revision}${found.audit ? "; an audit sample" : ""}`);
  return lines;
}

function summary(decision: Decision): string {
  const answer = decision.answer === null ? "no answer" : `“${decision.answer.label}”`;
  return `${decision.verdict}, ${decision.status}, ${answer}, decided by ${decision.decidedBy} in ${Math.round(decision.latencyMs)} ms`;
}

function inputOf(found: JournalCase): string {
  const { input } = found.request;
  switch (input.kind) {
    case "image":
      return `a ${input.encoding.toUpperCase()} picture`;
    case "pixels":
      return `${input.width}×${input.height}×${input.channels} pixels`;
    case "tensor":
      return `a ${input.dtype} tensor [${input.shape.join(", ")}]`;
    case "features":
      return `${Object.keys(input.values).length} features`;
    case "sequence":
      return `a sequence of ${input.channels.join(", ")} at ${input.hertz} Hz`;
    case "items":
      return `${input.items.length} items`;
    case "event":
      return `an event of ${input.entity}`;
    case "entity":
      return `the entity ${input.entity}`;
  }
}

function contextOf(found: JournalCase): string {
  const entries = Object.entries(found.request.context ?? {});
  return entries.length === 0 ? "" : ` (${entries.map(([key, value]) => `${key} ${value}`).join(", ")})`;
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

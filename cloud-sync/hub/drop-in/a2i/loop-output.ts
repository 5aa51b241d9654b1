import { type ReviewAnswer } from "../../../../protocol/index.ts";
import { type KeptReview } from "../case-result.ts";
import { timeText } from "./a2i-protocol.ts";
import { type LoopState } from "./human-loops.ts";

/** The output that A2I writes to its bucket: what each person answered, as each answered it. */
export function loopOutput({ row, result }: LoopState, issuer: string): Readonly<Record<string, unknown>> {
  return {
    flowDefinitionArn: row.flow_arn,
    humanAnswers: (result?.reviews ?? []).map((review) => humanAnswer(review, row.answer_name, issuer)),
    humanLoopName: row.name,
    inputContent: JSON.parse(row.input) as unknown,
  };
}

function humanAnswer(
  { person, answer, tookMs, atMs }: KeptReview,
  answerName: string,
  issuer: string,
): Readonly<Record<string, unknown>> {
  return {
    acceptanceTime: timeText(atMs - (tookMs ?? 0)),
    answerContent: { [answerName]: contentOf(answer) },
    submissionTime: timeText(atMs),
    timeSpentInSeconds: (tookMs ?? 0) / 1000,
    workerId: person,
    workerMetadata: { identityData: { identityProviderType: "Holdpoint", issuer, sub: person } },
  };
}

/** As crowd-classifier writes it; A2I has no word for a worker who cannot tell. */
function contentOf(answer: ReviewAnswer): Readonly<Record<string, unknown>> {
  return answer.kind === "label" ? { label: answer.label } : { label: null, reason: answer.kind };
}

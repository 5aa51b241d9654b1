import { answerText, labelText } from "../../review/page/wording.ts";
import type { ReviewAnswer } from "../../../protocol/index.ts";
import type { CaseStory } from "../cases/case-story.ts";
import { sourceTexts } from "./gate-words.ts";

type Story = CaseStory["events"][number];

/** What a line of a case's story says to people; what is not known here is said as it is named. */
export function eventText({ kind, body }: Story): string {
  const reviewer = textOf(body, "reviewer") ?? textOf(body, "by") ?? "A reviewer";
  switch (kind) {
    case "opened":
      return "The hub received the case";
    case "picture":
      return "Its picture was received whole";
    case "asked":
      return `People were asked${roleText(textOf(body, "role"))}`;
    case "leased":
      return `${reviewer} took it${roleText(textOf(body, "role"))}`;
    case "released":
      return `${reviewer} put it back into the queue`;
    case "answered":
    case "adjudicated":
      return `${reviewer} answered ${answerOf(body)}`;
    case "undone":
      return `${reviewer} took the answer back`;
    case "escalated":
      return `${reviewer} asked a lead`;
    case "sent":
      return `The answer ${answerOf(body)} left for the store`;
    case "late":
      return `${reviewer} answered ${answerOf(body)}, too late`;
    case "expired":
      return "Nobody answered in time";
    case "conflict":
      return "The store had answered otherwise; its answer stands, the other is kept as a label";
    case "revised":
      return "The store’s journal made the decision final";
    case "delivered":
      return "The device has the answer";
    case "outcome":
      return "The world told what it really was";
    case "storeReview":
      return `${reviewer} answered in the store`;
    case "erased":
      return "The picture was erased: its key is gone";
    default:
      return labelText(kind);
  }
}

/** Of an answer as the API gives it: an unknown shape is no reason to show nothing. */
export function answerShown(answer: Readonly<Record<string, unknown>> | null): string {
  if (answer === null) return "none";
  const { kind, label } = answer;
  if (kind === "label" && typeof label === "string") return labelText(label);
  if (kind === "cannot_tell" || kind === "bad_picture") {
    return answerText({ kind } satisfies ReviewAnswer, { inputKind: "image" });
  }
  return JSON.stringify(answer);
}

const stateTexts = { open: "waits for people", final: "final", erased: "erased" } as const;

export function stateText(state: keyof typeof stateTexts): string {
  return stateTexts[state];
}

/** "adjudication" → "a lead": who says what the truth is, inside of a sentence. */
export function sourceText(source: string | null): string {
  const text = sourceTexts[source ?? ""] ?? source ?? "";
  return `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`;
}

const kindTexts = { escalation: "held", audit: "spot check", import: "imported" } as const;

export function kindText(kind: keyof typeof kindTexts): string {
  return kindTexts[kind];
}

function answerOf(body: Story["body"]): string {
  const { answer } = body;
  if (typeof answer === "string") return `“${labelText(answer)}”`;
  const isAnswer = typeof answer === "object" && answer !== null;
  return `“${isAnswer ? answerShown(answer as Record<string, unknown>) : (textOf(body, "label") ?? "")}”`;
}

function roleText(role: string | null): string {
  return role === null || role === "first" ? "" : `, as ${labelText(role).toLowerCase()}`;
}

function textOf(body: Story["body"], name: string): string | null {
  const value = body[name];
  return typeof value === "string" && value !== "" ? value : null;
}

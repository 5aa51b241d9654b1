import {
  type Decision,
  type DecisionRequest,
  type Encoding,
  type Input,
  type Outcome,
  inputData,
} from "../../protocol/index.ts";
import { type DecisionTrace } from "../../sdk/index.ts";
import { type CaseRow } from "./journal-wire.ts";
import { type Admission, type CaseState, type JournalCase, type ReviewRecord } from "./journal.ts";

/** Between the objects of the port and the texts that the tables hold. */

/**
 * A request's header: JSON of everything but what was put in. Inputs with bytes keep their shape; the values of the
 * others (features, items, events) are input as much as a picture is, and go and stay with it.
 */
export function headerText(request: DecisionRequest): string {
  const { input } = request;
  return JSON.stringify({
    ...request,
    input: inputData(input) === null ? { kind: input.kind } : { ...input, data: undefined },
  });
}

/** The text of an input without bytes, or null for the kinds that have bytes. */
export function inputText(input: Input): string | null {
  return inputData(input) === null ? JSON.stringify(input) : null;
}

/** The request as `JournalCase` shows it: bytes empty, and values too once they were evicted or erased. */
function requestOf(header: string, text: string | null): DecisionRequest {
  const request = JSON.parse(header) as DecisionRequest;
  return { ...request, input: text === null ? hollowInput(request.input) : (JSON.parse(text) as Input) };
}

/** The whole input, from its header and what was kept. */
export function inputOf(header: string, kept: string | Uint8Array): Input {
  if (typeof kept === "string") return JSON.parse(kept) as Input;
  const { input } = JSON.parse(header) as DecisionRequest;
  return { ...input, data: kept } as Input;
}

function hollowInput(input: Input): Input {
  switch (input.kind) {
    case "image":
    case "pixels":
    case "tensor":
    case "sequence":
      return { ...input, data: new Uint8Array(0) };
    case "features":
      return { kind: "features", values: {} };
    case "items":
      return { kind: "items", items: [] };
    case "event":
      return { kind: "event", entity: "", values: {} };
    case "entity":
      return { kind: "entity", entity: "" };
  }
}

export function caseOf(row: CaseRow): JournalCase {
  const revisions = row.revisions.map(({ body }) => JSON.parse(body) as Decision);
  const decision = revisions.at(-1) ?? null;
  const trace = row.revisions[0]?.trace ?? null;
  return {
    id: row.id,
    device: row.device,
    task: row.task,
    state: row.state as CaseState,
    request: requestOf(row.header, row.input),
    transport: row.transport as Admission["transport"],
    encoding: row.encoding as Encoding,
    receivedAtMs: row.received_ms,
    decision,
    revisions,
    trace: trace === null ? null : (JSON.parse(trace) as DecisionTrace),
    audit: row.audit !== "none",
    auditState: row.audit,
    reviews: row.reviews.map((body) => ({ ...(JSON.parse(body) as ReviewRecord), revision: decision as Decision })),
    outcomes: row.outcomes.map((body) => JSON.parse(body) as Outcome),
    inputState: row.input_state as JournalCase["inputState"],
    reviewLeftMs: row.patience_agent_ms === null ? null : row.patience_agent_ms - row.agent_ms,
  };
}

import {
  canonicalJson,
  checkMessage,
  firstNotFinite,
  HoldpointError,
  inputData,
  inputSchema,
  toHex,
  type ForeignCase,
  type Hasher,
  type Input,
} from "../../../protocol/index.ts";
import { factsOf } from "../../review/case-facts.ts";
import { importPicture, type ImportCase, type ImportView } from "../cases/import-case.ts";

/** Checks what a foreign system sent as an input. Errors: HP_SCHEMA, HP_NOT_FINITE, HP_INPUT. */
export function checkedInput(input: unknown): Input {
  const checked = checkMessage(input, inputSchema);
  if (!checked.ok) throw checked.error;
  if (firstNotFinite(checked.value) >= 0)
    throw new HoldpointError("HP_NOT_FINITE", "the input has a number that is none");
  if (checked.value.kind === "pixels" || checked.value.kind === "tensor") {
    throw new HoldpointError("HP_INPUT", `people cannot look at ${checked.value.kind}`, {
      hint: "Send the picture as JPEG, PNG or WebP.",
    });
  }
  return checked.value;
}

/** What reviewers see of an input that no model has looked at. */
function viewOfInput(input: Input, context: ForeignCase["context"], question: string): ImportView {
  const { facts, series } = factsOf(input);
  const shown = facts.map(({ name, value }) => ({ name, value: value === "" ? "–" : value }));
  return {
    ...{ inputKind: input.kind, context: context ?? {}, facts: shown, series },
    ...{ suggestions: [], confidence: 0, question, explanation: null },
  };
}

/** The case that a foreign system's input is, but for who sent it and for whom. */
export function caseOfInput(
  hasher: Hasher,
  { input, context }: { readonly input: Input; readonly context: ForeignCase["context"] },
  task: string,
  question: string,
): Pick<ImportCase, "digest" | "view" | "picture"> {
  const bytes = inputData(input);
  const rest = canonicalJson({ task, context: context ?? {}, input: { ...input, data: undefined } });
  const digest = toHex(hasher.sha256(new TextEncoder().encode(`${rest}\n`), bytes ?? new Uint8Array(0)));
  return { digest, view: viewOfInput(input, context, question), picture: importPicture(input) };
}

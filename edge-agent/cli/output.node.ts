import { writeFile } from "node:fs/promises";
import { errorCatalogue, HoldpointError, type ErrorCode } from "../../protocol/index.ts";
import { sqliteFault } from "../../protocol/platform/sqlite.node.ts";
import { plainText } from "../plain-text.ts";

/** How the command speaks: results on stdout, everything else on stderr; `--json` is one value for machines. */

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function printNote(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Writes the file that `option` named. Throws HP_USAGE where it cannot be written: the place was typed, so it is bad input. */
export async function writeNamed(option: string, file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new HoldpointError("HP_USAGE", `${option} ${file} cannot be written (${code ?? "unknown"})`, {
      hint: "Name a file in a folder that is there and that you may write to.",
      cause,
    });
  }
}

/** Codes that mean bad input: exit code 2. Everything else that fails exits with 1. */
const badInput: ReadonlySet<ErrorCode> = new Set(
  (Object.keys(errorCatalogue) as ErrorCode[]).filter((code) => {
    const { status } = errorCatalogue[code];
    return code === "HP_USAGE" || code === "HP_CONFIG" || (status >= 400 && status < 500);
  }),
);

/** Prints an error the way people and machines read it, and returns the exit code. */
export function reportFailure(cause: unknown, json: boolean): number {
  const error = operational(cause);
  if (json) printJson({ error: error.body(null) });
  else {
    // A message may quote what stands in a file.
    printNote(`${error.code}: ${error.message.split("\n").map(plainText).join("\n")}`);
    printNote(`hint: ${error.hint}`);
  }
  if (error.code === unforeseen && cause instanceof Error && error !== cause) printNote(cause.stack ?? "");
  return badInput.has(error.code) ? 2 : 1;
}

/** For what no part has given a code of its own: a fault of the program's, shown with where it happened. */
const unforeseen: ErrorCode = "HP_INTERNAL";
const unforeseenHint = "This is a fault of Holdpoint's own: report it, with the lines that follow.";

/** A full disk can be met wherever a file is written; what to do about it is the same everywhere. */
function operational(cause: unknown): HoldpointError {
  if (cause instanceof HoldpointError) return cause;
  if (!(cause instanceof Error)) return HoldpointError.from(cause, unforeseen);
  const { code } = cause as NodeJS.ErrnoException;
  const isFull = code === "ENOSPC" || code === "EDQUOT" || sqliteFault(cause) === "full";
  if (isFull) return HoldpointError.from(cause, "HP_DISK_FULL");
  return new HoldpointError(unforeseen, cause.message, { hint: unforeseenHint, cause });
}

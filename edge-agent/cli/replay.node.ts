import { join } from "node:path";
import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { modelOfDigest } from "../../models/index.node.ts";
import { HoldpointError, toBase64, type Decision, type Input } from "../../protocol/index.ts";
import { evidenceOf, replay, type ReplayInputs, type ReplayReport } from "../../sdk/index.ts";
import { type JournalCase, type JournalReader } from "../journal/journal.ts";
import { openJournalReadOnly } from "../journal/journal-read-only.node.ts";
import { dataOption } from "./options.node.ts";
import { printJson, printLine } from "./output.node.ts";

interface ReplayFlags {
  readonly data: string;
  readonly models?: string;
  readonly asTest?: string;
  readonly json?: boolean;
}

/** `holdpoint replay <id>`: decides again from what the journal recorded, and says whether it is the same. */
export function replayCommand(): Command {
  return new Command("replay")
    .description("Decide again from the journal: exact, within 1e-5, the gate alone, or what changed.")
    .argument("<id>", "id of the decision")
    .addOption(dataOption())
    .option("--models <dir>", "model registry; the agent's own where it is not given")
    .option("--as-test <file>", "write the case down as a test case (JSON), input included")
    .option("--json", "the report for machines")
    .action(async (id: string, flags: ReplayFlags) => {
      const journal = await openJournalReadOnly(flags.data);
      try {
        const { report, found, input } = await replayFrom(journal, id, flags.models ?? join(flags.data, "models"));
        if (flags.asTest !== undefined) await writeFile(flags.asTest, testCase(found, input));
        if (flags.json) printJson(report);
        else for (const line of reportLines(report)) printLine(line);
        if (report.kind === "changed") process.exitCode = 1;
      } finally {
        await journal.close();
      }
    });
}

export interface Replayed {
  readonly report: ReplayReport;
  readonly found: JournalCase;
  readonly input: Input | null;
}

/** Errors: HP_NOT_FOUND for an unknown or undecided id, HP_CONFIG where the config of the decision is gone. */
export async function replayFrom(journal: JournalReader, id: string, registryDir: string): Promise<Replayed> {
  const found = await journal.find(id);
  const [decision] = found?.revisions ?? [];
  if (!found?.trace || !decision) throw new HoldpointError("HP_NOT_FOUND", `the journal has no decision ${id}`);
  const config = await journal.config(decision.config.digest);
  const policy = config?.tasks[decision.task];
  if (!policy) throw new HoldpointError("HP_CONFIG", `the journal no longer has the config ${decision.config.digest}`);
  const input = await journal.input(id);
  const again = input ? await runAgain(found, decision, input, registryDir) : null;
  const context = found.request.context ?? {};
  return { report: replay({ decision, context, trace: found.trace, policy, again }), found, input };
}

/** Runs the recorded model on the recorded input; null where no model ran then, or it is not here now. */
async function runAgain(
  found: JournalCase,
  decision: Decision,
  input: Input,
  registryDir: string,
): Promise<ReplayInputs["again"]> {
  // A failure (a timeout, a crash) is what was recorded; running the model now would tell another story.
  if (!decision.model || found.trace?.finding.kind !== "evidence") return null;
  const host = await modelOfDigest({
    registryDir,
    digest: decision.model.digest,
    task: decision.task,
    reference: decision.model,
    // The recorded batch size, because a model's rows may differ by an ulp from batch to batch.
    ...(found.trace.batch === null ? {} : { batch: found.trace.batch }),
  });
  if (!host) return null;
  try {
    const result = await host.predict(decision.task, decision.id, input);
    if (!result.ok) throw new HoldpointError("HP_MODEL_RUN", result.message);
    const { prediction, by } = result;
    return { finding: evidenceOf(prediction, by), runtime: by.runtime, provider: by.provider };
  } finally {
    await host.close();
  }
}

const says: Readonly<Record<ReplayReport["kind"], string>> = {
  exact: "exact: the same verdict, answer and confidence to the last bit",
  within_tolerance: "within 1e-5: the same verdict and answer",
  gate_only: "the gate alone, from recorded scores: the same verdict (the model was not run again)",
  changed: "changed:",
};

function reportLines(report: ReplayReport): readonly string[] {
  const { decision, runtimeChanged } = report;
  return [
    says[report.kind],
    ...report.differences.map(
      ({ field, recorded, replayed }) => `  ${field}: was ${String(recorded)}, is ${String(replayed)}`,
    ),
    ...(runtimeChanged ? [`  runtime: was ${runtimeChanged.recorded ?? "none"}, is ${runtimeChanged.now}`] : []),
    `${decision.verdict}, ${decision.answer?.label ?? "no answer"}, confidence ${decision.confidence}, gate threshold ${decision.gateThreshold}`,
  ];
}

/** A case that a test can run: the request as it came, and the decision that is expected. */
function testCase(found: JournalCase, input: Input | null): string {
  const request = input ? { ...found.request, input } : found.request;
  const text = (_key: string, value: unknown): unknown => {
    if (typeof value !== "object" || value === null || !("data" in value) || !(value.data instanceof Uint8Array))
      return value;
    return { ...value, data: toBase64(value.data) };
  };
  return `${JSON.stringify({ request, trace: found.trace, expected: found.revisions[0] }, text, 2)}\n`;
}

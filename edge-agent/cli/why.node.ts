import { Command } from "commander";
import { HoldpointError } from "../../protocol/index.ts";
import { openJournalReadOnly } from "../journal/journal-read-only.node.ts";
import { type JournalCase } from "../journal/journal.ts";
import { storyOf } from "../story.ts";
import { dataOption } from "./options.node.ts";
import { printJson, printLine } from "./output.node.ts";

/** `holdpoint why <id>`: a decision's story in a few lines. */
export function whyCommand(): Command {
  return new Command("why")
    .description("Tell a decision's story: what came in, what the model said, why it was held, who answered.")
    .argument("<id>", "id of the decision")
    .addOption(dataOption())
    .option("--json", "the whole case for machines")
    .action(async (id: string, options: { data: string; json?: boolean }) => {
      const journal = await openJournalReadOnly(options.data);
      try {
        const found = await journal.find(id);
        if (!found) throw new HoldpointError("HP_NOT_FOUND", `the journal in ${options.data} has no decision ${id}`);
        if (options.json) printJson(withoutBytes(found));
        else for (const line of storyOf(found)) printLine(line);
      } finally {
        await journal.close();
      }
    });
}

/** The journal gives the request without its input bytes; an empty `data` would look like a picture that was lost. */
function withoutBytes(found: JournalCase): unknown {
  const { input } = found.request;
  if (!("data" in input)) return found;
  return { ...found, request: { ...found.request, input: { ...input, data: undefined } } };
}

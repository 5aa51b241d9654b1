import { parseArgs } from "node:util";
import { openForTest } from "../contract/journal-sqlite.ts";
import { admissionOf, decisionOf, makeRequest, recordOf } from "../support/journal-cases.ts";
import { type WeekDecided, type WeekFound, type WeekQuestion, type WeekVerified } from "./seven-days-question.ts";

/** The journal of `seven-days`, in a process that does nothing else and remembers no id: its memory is the journal's. */

const { values } = parseArgs({
  options: { dir: { type: "string" }, budget: { type: "string" }, picture: { type: "string" } },
});
const { dir = "", budget = "0", picture = "0" } = values;
const under = await openForTest({ dir, retention: { journalBytesMax: Number(budget) } });
const { journal } = under;

process.on("message", (question: WeekQuestion) => void answer(question).then((reply) => process.send?.(reply)));
process.on("disconnect", () => process.exit(0));
process.send?.("open");

function answer(question: WeekQuestion): Promise<WeekDecided | WeekFound | WeekVerified> {
  switch (question.do) {
    case "decide":
      return decide(question);
    case "find":
      return find(question.ids);
    case "verify":
      return verify();
  }
}

async function decide({ fills, people, ms }: Extract<WeekQuestion, { do: "decide" }>): Promise<WeekDecided> {
  const ids = await Promise.all(
    fills.map(async (fill, i) => {
      const data = new Uint8Array(Number(picture)).fill(fill);
      const request = makeRequest({ kind: "image", encoding: "jpeg", data });
      await journal.admit(admissionOf(request));
      await journal.decide(recordOf(decisionOf(request, people[i] === true ? "escalate" : "accept")));
      return request.id;
    }),
  );
  await under.pass(ms);
  return { ids, inputBytes: journal.storage().inputBytes, rssBytes: process.memoryUsage.rss() };
}

function find(ids: readonly string[]): Promise<WeekFound> {
  return Promise.all(
    ids.map(async (id) => {
      const found = await journal.find(id);
      return found && { input: found.inputState, state: found.state };
    }),
  );
}

async function verify(): Promise<WeekVerified> {
  const { intact, records, fault } = await journal.verify();
  return { intact, records, fault: fault?.message ?? null };
}

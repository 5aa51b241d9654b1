import Sqlite from "better-sqlite3";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { auditCommand } from "../../edge-agent/cli/audit.node.ts";
import { openForTest, temporaryDirectory } from "../contract/journal-sqlite.ts";
import { admissionOf, decisionOf, makeRequest, recordOf } from "../support/journal-cases.ts";

const dir = temporaryDirectory();
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  rmSync(dir, { recursive: true, force: true });
});

async function audit(...argv: readonly string[]): Promise<{ readonly code: unknown; readonly text: string }> {
  let text = "";
  vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  await auditCommand().parseAsync(["verify", "--data", dir, ...argv], { from: "user" });
  vi.restoreAllMocks();
  const code = process.exitCode;
  process.exitCode = undefined;
  return { code, text };
}

test("audit verify exits 0 on an intact journal, and 1 with the first bad record on a broken one", async () => {
  const { journal } = await openForTest({ dir });
  const request = makeRequest();
  await journal.admit(admissionOf(request));
  await journal.decide(recordOf(decisionOf(request)));
  // While the agent runs: it takes no lock.
  expect(await audit()).toMatchObject({ code: 0, text: /^intact: 3 records, head [0-9a-f]{64}\n$/ });
  await journal.close();
  const good = await audit("--json");
  expect(JSON.parse(good.text)).toMatchObject({ records: 4, intact: true, fault: null, epoch: journal.epoch });

  const database = new Sqlite(join(dir, "journal.db"));
  database.exec("UPDATE revisions SET body = replace(body, 'Oatly', 'Arla')");
  database.close();
  expect(await audit()).toMatchObject({ code: 1, text: /^broken at record 3: revision 1 of case .* is another one/ });
  const bad = await audit("--json");
  expect(bad.code).toBe(1);
  expect(JSON.parse(bad.text)).toMatchObject({ intact: false, fault: { n: 3 } });
});

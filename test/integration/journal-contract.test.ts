import { describeJournal } from "../contract/journal.contract.ts";
import { openForTest } from "../contract/journal-sqlite.ts";

describeJournal("SQLite", (retention) => openForTest(retention === undefined ? {} : { retention }));

import { type Decision } from "../../protocol/index.ts";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { type ChaosReport } from "./chaos-report.ts";

/** What the devices were told, to be held against the journal afterwards. */
export interface LoadLedger {
  /** Ids of which the agent said that they are durable: PUBACK, 200 or 202. */
  readonly acknowledged: Set<string>;
  /** Decisions that were sent, JSON by id and revision. */
  readonly bodies: Map<string, string>;
  /** Ids that were seen with two bodies for one revision. */
  readonly doubled: Set<string>;
  /** Refusals by code. */
  readonly refused: Map<string, number>;
}

export function newLedger(): LoadLedger {
  return { acknowledged: new Set(), bodies: new Map(), doubled: new Set(), refused: new Map() };
}

export function noteDecision(ledger: LoadLedger, decision: Decision): void {
  const key = `${decision.id} ${decision.revision}`;
  const body = JSON.stringify(decision);
  const before = ledger.bodies.get(key);
  if (before === undefined) ledger.bodies.set(key, body);
  else if (before !== body) ledger.doubled.add(decision.id);
}

export function noteRefusal({ refused }: LoadLedger, code: string): void {
  refused.set(code, (refused.get(code) ?? 0) + 1);
}

/** Everything that was acknowledged or sent must be in the journal, word for word, and its chain must verify. */
export async function holdAgainstJournal(
  dataDir: string,
  ledger: LoadLedger,
): Promise<Pick<ChaosReport, "acknowledged" | "lost" | "doubled" | "chain">> {
  const journal = await openJournalReadOnly(dataDir);
  try {
    const lost = new Set<string>();
    for (const id of ledger.acknowledged) {
      const found = await journal.find(id);
      if (!found) lost.add(id);
      else for (const revision of found.revisions) noteDecision(ledger, revision);
    }
    // What a device was told must be in the journal, too: a decision is sent after its commit.
    for (const key of ledger.bodies.keys()) {
      const [id = "", revision = ""] = key.split(" ");
      const found = await journal.find(id);
      if (!found?.revisions.some((decision) => String(decision.revision) === revision)) lost.add(id);
    }
    const { intact, records, fault } = await journal.verify();
    const chain = { intact, records, fault: fault?.message ?? null };
    return { acknowledged: ledger.acknowledged.size, lost: lost.size, doubled: ledger.doubled.size, chain };
  } finally {
    await journal.close();
  }
}

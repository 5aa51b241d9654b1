import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeMessage } from "../../protocol/index.ts";
import { callHub, enrolAgent } from "../support/hub-agent.ts";
import { escalation, heldDecision } from "../support/hub-items.ts";
import { enterPerson, openBrowser } from "../support/hub-people.ts";
import { startHubProcess, type HubProcess } from "../support/hub-process.ts";
import { newReviewBook, reviewUntilStopped } from "../support/hub-reviewers.ts";
import { startPostgres } from "../support/postgres.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";

/**
 * The theorem: whichever process of the hub a reviewer asks, and however many ask at once, a case that one person is
 * enough for is given to one person. One of the processes is killed and started again meanwhile; a lease that a person
 * holds stays theirs.
 */
const task = "product_identification";
const reviewers = 8;
const casesPerRound = 60;

export async function twoHubs({ rounds, random, say }: ChaosOptions): Promise<ChaosReport> {
  const dataDir = await mkdtemp(join(tmpdir(), "holdpoint-hub-"));
  const server = await startPostgres();
  const database = await server.createDatabase();
  const first = await startHubProcess({ dataDir, database });
  const hubs: HubProcess[] = [first];
  const { url } = first;
  const admin = first.adminToken ?? "";
  const [book, stop] = [newReviewBook(), new AbortController()];
  const working: Promise<void>[] = [];
  const sent: string[] = [];
  try {
    hubs.push(await startHubProcess({ dataDir, database }));
    const rules = { reviewersNeeded: 1, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null };
    await callHub(url, admin, "PUT", `/v1/reviews/rules/${task}`, rules);
    const agent = await enrolAgent(url, admin, "store_1");
    for (let index = 0; index < reviewers; index += 1) {
      const person = await enterPerson(url, admin, "reviewer");
      // Half of them are led to the other process, with the session that the first one opened.
      const browser = openBrowser(hubs[index % 2]?.url ?? "");
      for (const [name, value] of person.browser.cookies) browser.cookies.set(name, value);
      const script = { person: { ...person, browser }, labels: ["Kiwi"], random, book, stop: stop.signal, thinkMs: 5 };
      working.push(reviewUntilStopped(script));
    }
    for (let round = 0; round < rounds; round += 1) {
      const items = Array.from({ length: casesPerRound }, (_, index) => {
        const made = escalation(sent.length + index + 1, heldDecision());
        const view = made.brief?.view;
        return view && made.brief
          ? { ...made, brief: { ...made.brief, view: { ...view, context: { ref: made.id } } } }
          : made;
      });
      const body = { v: 1, epoch: "e", from: sent.length + 1, items, lastSeq: sent.length + items.length };
      const answer = await agent.call("POST", "/v1/ingest", encodeMessage(body, "msgpack"));
      if (answer.status !== 200) throw new Error(JSON.stringify(answer.json));
      sent.push(...items.map(({ id }) => id));
      await sleep(100 + random() * 400);
      const [, second] = hubs;
      if (second && round % 2 === 1) {
        await second.kill();
        hubs[1] = await startHubProcess({ dataDir, database, port: second.port });
      }
      say(`${round + 1} rounds, ${book.taken.size} of ${sent.length} answered`);
    }
    const untilMs = performance.now() + 120_000;
    while (book.taken.size < sent.length && performance.now() < untilMs) await sleep(100);
    return judge(sent, book);
  } finally {
    stop.abort();
    await Promise.all(working);
    for (const hub of hubs) await hub.stop();
    await server.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function judge(sent: readonly string[], book: ReturnType<typeof newReviewBook>): ChaosReport {
  const people = new Map<string, Set<string>>();
  for (const { ref, by } of book.given) people.set(ref, (people.get(ref) ?? new Set()).add(by));
  const twice = [...people.values()].filter((set) => set.size > 1).length;
  const lost = sent.filter((id) => !book.taken.has(id)).length;
  const chain = { intact: true, records: 0, fault: null };
  const found = twice > 0 ? [`${twice} cases were given to two people`] : [];
  const counts = { acknowledged: sent.length, lost, doubled: twice, chain };
  const each = new Set(book.given.map(({ by }) => by)).size;
  return reportOf(counts, { reviewersWhoWorked: each, leases: book.given.length }, found);
}

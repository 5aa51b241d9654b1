import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { decisionSchema, type Decision } from "../../protocol/index.ts";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { root, startAgentProcess, type AgentPlace, type AgentPorts } from "../support/agent-process.ts";
import { type Way } from "../support/client-fixtures.ts";
import { timeUntil } from "./agent-status.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { sidesPlace } from "./sides-place.ts";

/**
 * The theorem: a device's process is killed at any moment, while its agent is there and while it is not, and started
 * again on the same outbox. Whatever it was told is durable reaches the agent and is answered; in one life each question
 * is answered once and each revision shown once; and every answer is the journal's, word for word. Only a revision
 * that was being handed over at the kill may be shown again by the next life.
 */
export interface KillClientOptions extends ChaosOptions {
  readonly way: Way;
  /** Where the client keeps what it must not lose; in memory is the negative control. */
  readonly outbox: "file" | "memory";
  readonly lifeMs: readonly [least: number, most: number];
}

const drainMs = 30_000;
const script = join(root, "test/chaos/killed-client.node.ts");

export async function killClient(options: KillClientOptions): Promise<ChaosReport> {
  const place = await sidesPlace({ devices: ["camera-1"] });
  const folder = mkdtempSync(join(tmpdir(), "holdpoint-outbox-"));
  try {
    return await run(options, place, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await place.remove();
  }
}

async function run(options: KillClientOptions, place: AgentPlace, folder: string): Promise<ChaosReport> {
  const { random, rounds, say } = options;
  const violations: string[] = [];
  const lives: Life[] = [];
  let agent = await startAgentProcess(place);
  try {
    for (let round = 1; round <= rounds; round += 1) {
      // In every third life no agent can be reached: what is durable then is in the outbox alone.
      const alone = round % 3 === 0;
      if (alone) await agent.kill();
      const notes = join(folder, `notes-${round}`);
      const child = startClient({ options, place, agent, folder, notes, mode: "ask" });
      const began = await timeUntil(() => Promise.resolve(readFileSync(notes).byteLength > 0), drainMs);
      if (began === null) violations.push(`round ${round}: the client asked nothing`);
      const [least, most] = options.lifeMs;
      await sleep(least + random() * (most - least));
      await killed(child);
      lives.push(lifeOf(notes));
      if (alone) agent = await startAgentProcess(place, { ports: agent });
      say(`round ${round}: ${lives.reduce((sum, { durable }) => sum + durable.size, 0)} durable`);
    }
    const notes = join(folder, "notes-last");
    const last = startClient({ options, place, agent, folder, notes, mode: "drain" });
    const ended = await Promise.race([once(last, "exit").then(([code]) => code as unknown), sleep(drainMs, "late")]);
    if (ended !== 0) violations.push(`the last life did not drain its outbox: ${String(ended)}`);
    await killed(last);
    lives.push(lifeOf(notes));
  } finally {
    await agent.kill();
  }
  return await judge(place, lives, violations);
}

interface ClientStart {
  readonly options: KillClientOptions;
  readonly place: AgentPlace;
  readonly agent: AgentPorts;
  readonly folder: string;
  readonly notes: string;
  readonly mode: "ask" | "drain";
}

function startClient({ options, place, agent, folder, notes, mode }: ClientStart): ChildProcess {
  writeFileSync(notes, "");
  const url = options.way === "mqtt" ? `mqtt://127.0.0.1:${agent.mqttPort}/store_1` : agent.http;
  const outbox = options.outbox === "file" ? join(folder, "outbox.log") : "memory";
  const secret = place.devices["camera-1"] ?? "";
  return spawn(process.execPath, [script, url, "camera-1", secret, outbox, notes, mode], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** What one life of the client wrote down. */
interface Life {
  readonly durable: ReadonlySet<string>;
  readonly heard: readonly { readonly what: string; readonly decision: Decision }[];
  readonly refused: readonly string[];
}

function lifeOf(notes: string): Life {
  // A line that the kill cut short says nothing.
  const lines = readFileSync(notes, "utf8").split("\n").slice(0, -1);
  const durable = new Set<string>();
  const heard: { what: string; decision: Decision }[] = [];
  const refused: string[] = [];
  for (const line of lines) {
    const [what = "", id = ""] = line.split(" ", 2);
    if (what === "durable") durable.add(id);
    else if (what === "refused") refused.push(line);
    else heard.push({ what, decision: decisionSchema.parse(JSON.parse(line.slice(what.length + id.length + 2))) });
  }
  return { durable, heard, refused };
}

async function judge(place: AgentPlace, lives: readonly Life[], violations: string[]): Promise<ChaosReport> {
  const journal = await openJournalReadOnly(place.dataDir);
  try {
    const ids = new Set(lives.flatMap(({ durable }) => [...durable]));
    const told = new Set(lives.flatMap(({ heard }) => heard.map(({ decision }) => decision.id)));
    let [lost, doubled, unanswered, twice, shownAgain] = [0, 0, 0, 0, 0];
    const shownBefore = new Set<string>();
    for (const { heard, refused } of lives) {
      violations.push(...refused.slice(0, 3));
      const inThisLife = new Set<string>();
      for (const { what, decision } of heard) {
        const key = `${what} ${decision.id} ${what === "shown" ? decision.revision : ""}`;
        if (inThisLife.has(key)) twice += 1;
        else if (shownBefore.has(key)) shownAgain += 1;
        inThisLife.add(key);
        const known = await journal.find(decision.id);
        const body = known?.revisions.find(({ revision }) => revision === decision.revision);
        if (body === undefined) lost += 1;
        else if (JSON.stringify(body) !== JSON.stringify(decision)) doubled += 1;
      }
      for (const key of inThisLife) shownBefore.add(key);
    }
    for (const id of ids) {
      if ((await journal.find(id)) === null) lost += 1;
      else if (!told.has(id)) unanswered += 1;
    }
    if (unanswered > 0) violations.push(`${unanswered} were never answered in any life`);
    if (twice > 0) violations.push(`${twice} answers came twice in one life`);
    const { intact, records, fault } = await journal.verify();
    const chain = { intact, records, fault: fault?.message ?? null };
    const detail = { lives: lives.length, answered: told.size, shownAgainByTheNextLife: shownAgain };
    return reportOf({ acknowledged: ids.size, lost, doubled, chain }, detail, violations);
  } finally {
    await journal.close();
  }
}

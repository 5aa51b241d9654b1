import { type Cancel } from "../../../protocol/index.ts";
import { type HubParts } from "../room.ts";
import { renewProposals } from "./proposal-desk.ts";
import { isDue, isWaiting, labelsAtOnce } from "./due-labels.ts";
import { refreshContracts } from "./gate-contracts.ts";
import { keepTask } from "./gate-keeper.ts";

/** What another process's news did not say is found by looking. */
const lookEveryMs = 2_000;
/** Tasks that one look finds; the others come with the next. */
const tasksAtOnce = 64;

/**
 * Counts labels as they come, at any process of the hub. One transaction locks the task, counts and issues: a process that
 * is killed has done all of it or nothing, and another one goes on.
 */
export function startGateWorker(parts: HubParts): () => Promise<void> {
  const { database, timers, logger } = parts;
  let stopped = false;
  let again = false;
  let running: Promise<void> | null = null;
  let cancelTimer: Cancel = () => undefined;

  const lookOnce = async (): Promise<void> => {
    await refreshContracts(parts);
    for (const task of await dueTasks(parts)) {
      // One task that cannot be counted does not hold up the others.
      await keepAll(parts, task, () => stopped).catch((cause: unknown) => {
        logger.warn("hub_gate_not_kept", { task, cause });
      });
    }
    const proposing = stopped ? null : await takeProposing(parts);
    if (proposing !== null) await renewProposals(parts, proposing);
  };
  const look = (): void => {
    again = running !== null;
    if (running || stopped) return;
    running = lookOnce()
      .catch((cause: unknown) => logger.warn("hub_gates_not_read", { cause }))
      .finally(() => {
        running = null;
        if (again) look();
      });
  };
  const pace = (): void => {
    cancelTimer = timers.after(lookEveryMs, () => {
      look();
      if (!stopped) pace();
    });
  };
  const unlisten = database.onNews(({ kind }) => {
    if (kind === "gate" || kind === "config" || kind === "resync") look();
  });
  pace();
  look();
  return async () => {
    stopped = true;
    unlisten();
    cancelTimer();
    await running;
  };
}

async function keepAll(parts: HubParts, task: string, isStopped: () => boolean): Promise<void> {
  while (!isStopped() && (await keepTask(parts, task)) >= labelsAtOnce);
}

/** Tasks with labels to count, and those whose time has come to look for what lapses. */
async function dueTasks({ database, clock }: HubParts): Promise<readonly string[]> {
  const nowMs = Math.round(clock.wallMs());
  return database.read(async (db) => {
    const waiting = await db
      .selectFrom("gate_labels")
      .select("task")
      .distinct()
      .where(isWaiting)
      .limit(tasksAtOnce)
      .execute();
    const due: string[] = [];
    for (const { task } of waiting) {
      const first = await db
        .selectFrom("gate_labels")
        .select(["state", "answered_ms"])
        .where("task", "=", task)
        .where(isWaiting)
        .orderBy("answered_ms")
        .orderBy("case_id")
        .executeTakeFirst();
      if (first && isDue(first, nowMs)) due.push(task);
    }
    const looked = await db.selectFrom("gate_tasks").select("task").where("look_ms", "<=", nowMs).execute();
    return [...new Set([...due, ...looked.map(({ task }) => task)])];
  });
}

/** How often what could be changed is looked at anew, beside after each certificate. */
const proposeEveryMs = 3_600_000;

/** A task whose proposals are due; whoever takes it makes them. */
async function takeProposing({ database, clock }: HubParts): Promise<string | null> {
  const nowMs = Math.round(clock.wallMs());
  const due = await database.read((db) =>
    db.selectFrom("gate_tasks").select(["task", "proposed_ms"]).where("proposed_ms", "<=", nowMs).executeTakeFirst(),
  );
  if (!due) return null;
  const taken = await database.write(({ db }) =>
    db
      .updateTable("gate_tasks")
      .set({ proposed_ms: nowMs + proposeEveryMs })
      .where("task", "=", due.task)
      .where("proposed_ms", "=", due.proposed_ms)
      .returning("task")
      .executeTakeFirst(),
  );
  return taken?.task ?? null;
}

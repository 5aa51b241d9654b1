import { type Kysely } from "kysely";
import { type Cancel } from "../../../protocol/index.ts";
import { type PersonCaller } from "../api/caller.ts";
import { type HubTables } from "../database/tables.ts";
import { type HubParts } from "../room.ts";
import { eraseCases, erasableColumns, forgetFreedPages, type PrivacyParts } from "./case-erasure.ts";
import { clearLeftovers } from "./leftovers.ts";

const day = 86_400_000;
/** Content of a case is kept so long after its answer where nothing else is said. */
export const keepMsDefault = 30 * day;
/** A case that nobody ever answers (its box is gone) is forgotten so long after it would have been with an answer. */
const unansweredMoreMs = 30 * day;
/** The row of every task without one. */
export const everyTask = "-";
/** Cases of one transaction: their rows are locked until it has committed. */
const stepCasesMax = 100;
const lookEveryMs = 60_000;
/** Between two steps that found as much as they may: whoever works here goes first. */
const nextStepMs = 200;
const sweepBlobsEveryMs = 3_600_000;

export interface Retention {
  readonly everyMs: number;
  readonly tasks: readonly { readonly task: string; readonly keepMs: number }[];
}

export async function readRetention(db: Kysely<HubTables>): Promise<Retention> {
  const rows = await db.selectFrom("retention").select(["task", "keep_ms"]).orderBy("task").execute();
  const every = rows.find(({ task }) => task === everyTask);
  const tasks = rows.filter((row) => row !== every).map(({ task, keep_ms: keepMs }) => ({ task, keepMs }));
  return { everyMs: every?.keep_ms ?? keepMsDefault, tasks };
}

/** Says how long a task's content is kept; null: as every other task's. */
export async function changeRetention(
  { database, clock, audit }: HubParts,
  caller: PersonCaller,
  { task, keepMs }: { readonly task: string; readonly keepMs: number | null },
): Promise<void> {
  const by = `${caller.kind}:${caller.id}`;
  await database.write(async (trx) => {
    if (keepMs === null) await trx.db.deleteFrom("retention").where("task", "=", task).execute();
    else {
      const values = { keep_ms: keepMs, changed_ms: Math.round(clock.wallMs()), changed_by: by };
      await trx.db
        .insertInto("retention")
        .values({ task, ...values })
        .onConflict((conflict) => conflict.column("task").doUpdateSet(values))
        .execute();
    }
    await audit.record(trx, { actor: by, action: "retention.changed", subject: `task:${task}`, detail: { keepMs } });
  });
}

/** Forgets by itself, at every process: each takes other cases. */
export function startForgetting(parts: PrivacyParts): Cancel {
  const { timers, clock, logger } = parts;
  let cancel: Cancel = () => undefined;
  let stopped = false;
  let sweptMs = clock.monotonicMs();
  const step = async (): Promise<boolean> => {
    const forgotten = await forgetStep(parts);
    const more = await clearLeftovers(parts);
    if (clock.monotonicMs() - sweptMs >= sweepBlobsEveryMs) {
      sweptMs = clock.monotonicMs();
      await parts.vault.sweep();
    }
    return forgotten >= stepCasesMax || more;
  };
  const after = (delayMs: number): void => {
    cancel = timers.after(delayMs, () => {
      step()
        .catch((cause: unknown) => {
          logger.warn("hub_forgetting_failed", { cause });
          return false;
        })
        .then((isMore) => {
          if (!stopped) after(isMore ? nextStepMs : lookEveryMs);
        })
        .catch(() => undefined);
    });
  };
  after(lookEveryMs / 4);
  return () => {
    stopped = true;
    cancel();
  };
}

/** Erases the content of at most `stepCasesMax` cases whose time is over. Returns how many it was. */
export async function forgetStep(parts: PrivacyParts): Promise<number> {
  const { database, clock, audit } = parts;
  const nowMs = Math.round(clock.wallMs());
  const retention = await database.read(readRetention);
  const named = retention.tasks.map(({ task }) => task);
  const rules = [
    ...retention.tasks.map((rule) => ({ ...rule, not: [] as string[] })),
    { task: null, keepMs: retention.everyMs, not: named },
  ];
  let count = 0;
  for (const rule of rules) {
    if (count >= stepCasesMax) break;
    const limit = stepCasesMax - count;
    count += await database.write(async (trx) => {
      const due = await trx.db
        .selectFrom("cases")
        .select(erasableColumns)
        .where((row) =>
          row.or([
            row.and([row("state", "=", "final"), row("final_ms", "<", nowMs - rule.keepMs)]),
            row.and([row("state", "=", "open"), row("received_ms", "<", nowMs - rule.keepMs - unansweredMoreMs)]),
          ]),
        )
        .$if(rule.task !== null, (query) => query.where("task", "=", rule.task ?? ""))
        .$if(rule.not.length > 0, (query) => query.where("task", "not in", rule.not))
        .limit(limit)
        .$if(database.kind === "postgres", (query) => query.forUpdate().skipLocked())
        .execute();
      if (due.length === 0) return 0;
      await eraseCases(parts, trx, due, { by: "hub", why: "retention" });
      const detail = { cases: due.length, task: rule.task, keepMs: rule.keepMs };
      await audit.record(trx, {
        actor: "hub",
        action: "cases.forgotten",
        subject: `task:${rule.task ?? everyTask}`,
        detail,
      });
      return due.length;
    });
  }
  if (count > 0) await forgetFreedPages(parts);
  return count;
}

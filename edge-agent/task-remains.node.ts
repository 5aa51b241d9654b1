import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { writeDurable } from "../cloud-sync/edge/durable-file.node.ts";
import { type Cancel, type Clock, type Logger, type Timers } from "../protocol/index.ts";
import { isLoad, type EarlierTasks } from "../sdk/index.ts";

/**
 * What an agent's decisions left for the next ones, across restarts: what is left of the escalation budgets, the scale of
 * audits, what people have to do. A restart that forgot it would give people a full budget again, and draw its first audits
 * by no scale. Written every ten seconds where something has changed, and in order at the end: a power cut forgets the last
 * ten seconds. A file that cannot be read is as none, which is how a first start begins.
 */
const count = z.number().min(0);
const remainsSchema = z.object({
  v: z.literal(1),
  wallMs: z.number(),
  tasks: z.record(
    z.string(),
    z.object({
      budgetTokens: z.number().nullable(),
      auditScale: z.object({ mean: z.number().min(0).max(1), decisions: count }).nullable(),
      reviewLoad: z
        .object({
          ...{ tokens: z.number(), pace: z.number().gt(0).max(1), held: z.array(count), answersMs: z.array(count) },
          hubP95Ms: count.nullable(),
        })
        .refine(isLoad)
        .nullable(),
    }),
  ),
});

const fileName = "task-remains.json";
const saveEveryMs = 10_000;

export interface TaskRemainsOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** What the last life left; the time since then is what the wall clock says, never less than nothing. */
export function earlierTasks({ dir, clock, logger }: TaskRemainsOptions): EarlierTasks {
  try {
    const { tasks, wallMs } = remainsSchema.parse(JSON.parse(readFileSync(join(dir, fileName), "utf8")));
    return { tasks, agoMs: Math.max(0, clock.wallMs() - wallMs) };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") logger.warn("task_remains_lost", { file: fileName });
    return { tasks: {}, agoMs: 0 };
  }
}

/** Writes what `remains` says from now on. Returns the end, which writes it once more. */
export function keepRemains(options: TaskRemainsOptions, remains: () => EarlierTasks["tasks"]): () => Promise<void> {
  const { dir, clock, timers, logger } = options;
  let written = "{}";
  let cancel: Cancel = () => undefined;
  let isClosed = false;
  const save = async (): Promise<void> => {
    const tasks = remains();
    const text = JSON.stringify(tasks);
    if (text === written) return;
    try {
      await writeDurable(join(dir, fileName), JSON.stringify({ v: 1, wallMs: clock.wallMs(), tasks }));
      written = text;
    } catch (cause) {
      logger.error("task_remains_not_saved", { cause });
    }
  };
  let saving = Promise.resolve();
  const pace = (): void => {
    cancel = timers.after(saveEveryMs, () => {
      saving = save().then(() => {
        if (!isClosed) pace();
      });
    });
  };
  pace();
  return async () => {
    isClosed = true;
    cancel();
    await saving;
    await save();
  };
}

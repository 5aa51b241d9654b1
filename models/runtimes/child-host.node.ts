import { ok, silentLogger, type Clock, type Logger, type Result, type Timers } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { noHistory, type EventHistory } from "../features/windows.ts";
import { type ModelHost, type PredictionResult, type RunningModel, type WantedModel } from "../prediction.ts";
import { Batcher } from "./batcher.ts";
import { candidateKey, type Candidate } from "./candidate.ts";
import { ChildGeneration, type ChildLimits } from "./child-generation.node.ts";
import { inferenceChildEntry } from "./child-link.node.ts";
import { type CaseRow, type RowOutcome } from "./child-work.ts";
import { bytesOf, predictionsOf, queueRowsMaxDefault } from "./inline-host.ts";
import { failure, hostOf, shedding, type Engine } from "./model-host.ts";
import { Quarantine } from "./quarantine.ts";
import { type ProviderName } from "./runtime.ts";
import { restartBudgetDefault } from "./supervisor-machine.ts";

export interface ChildHostOptions {
  readonly find: (wanted: WantedModel) => Promise<Result<Candidate>>;
  readonly providers?: readonly ProviderName[];
  readonly intraOpThreads?: number;
  readonly batchWaitMs?: number;
  readonly queueRowsMax?: number;
  readonly limits?: Partial<ChildLimits>;
  readonly history?: EventHistory;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly timers?: Timers;
  /** Entry of the child; tests bring one whose runtime fails on demand. */
  readonly entry?: string;
}

export interface ChildHost extends ModelHost {
  /** Process ids of the children that serve or end: one, two during a swap. */
  pids(): readonly number[];
}

const limitsDefault: ChildLimits = {
  runMsMax: 10_000,
  loadMsMax: 60_000,
  heartbeatMs: 1_000,
  silenceMsMax: 5_000,
  rssBytesMax: 1024 * 1024 * 1024,
  endMsMax: 5_000,
  restarts: restartBudgetDefault,
};

/**
 * Models in a supervised child process: native code that hangs, crashes or leaks ends the child and not the daemon. A
 * new set of models comes up in a second child and takes over when it has answered its golden inputs; the first one
 * finishes what it has and ends.
 */
export function childHost(options: ChildHostOptions): ChildHost {
  const { clock = systemClock, timers = systemTimers, logger = silentLogger } = options;
  const quarantine = new Quarantine();
  const generations = new Set<ChildGeneration>();
  const users = new Map<ChildGeneration, number>();
  const ending = new Set<Promise<void>>();

  const end = (generation: ChildGeneration): Promise<void> => {
    const ended = generation.close().then(() => {
      generations.delete(generation);
      ending.delete(ended);
    });
    ending.add(ended);
    return ended;
  };
  const release = async (generation: ChildGeneration): Promise<void> => {
    const left = (users.get(generation) ?? 0) - 1;
    users.set(generation, left);
    if (left <= 0) await end(generation);
  };

  const bringUp = async (
    candidates: readonly Candidate[],
    served: ReadonlyMap<string, Engine>,
  ): Promise<readonly Result<Engine>[]> => {
    const same = candidates.map((candidate) => {
      const now = served.get(candidate.wanted.task);
      return now?.serves() && candidateKey(now.candidate) === candidateKey(candidate) ? now : null;
    });
    if (same.every((engine) => engine !== null)) return same.map((engine) => ok(engine));
    const generation = new ChildGeneration(candidates, {
      entry: options.entry ?? inferenceChildEntry(),
      providers: options.providers ?? ["cpu"],
      intraOpThreads: options.intraOpThreads ?? 1,
      limits: { ...limitsDefault, ...options.limits },
      quarantine,
      clock,
      timers,
      logger,
    });
    generations.add(generation);
    const started = await generation.start();
    users.set(generation, started.filter((result) => result.ok).length);
    if (users.get(generation) === 0) await end(generation);
    return started.map((result, model) => {
      if (!result.ok) return result;
      return ok(engineOf(generation, model, result.value, { ...options, clock, timers }, () => release(generation)));
    });
  };

  const host = hostOf({
    find: options.find,
    bringUp,
    problems: () => [...generations].flatMap((generation) => generation.problems()),
    close: async () => {
      await Promise.all([...ending]);
    },
    history: options.history ?? noHistory,
    logger,
  });
  return {
    ...host,
    pids: () => [...generations].flatMap(({ pid }) => (pid === null ? [] : [pid])),
  };
}

function engineOf(
  generation: ChildGeneration,
  model: number,
  first: RunningModel,
  options: ChildHostOptions & { readonly clock: Clock; readonly timers: Timers },
  release: () => Promise<void>,
): Engine {
  const candidate = generation.candidates[model];
  if (!candidate) throw new RangeError("an engine belongs to a candidate");
  const running = (): RunningModel => {
    const now = generation.running(model);
    return now.ok ? now.value : first;
  };
  const batcher = new Batcher<CaseRow, PredictionResult>({
    batchMax: first.batchMax,
    // While the child's last answers travel, it has the next batches already. Pictures keep it busy with two; rows of
    // numbers are done before their answer is read, and what one turn of the event loop brought should go at once.
    inFlightMax: candidate.manifest.features.kind === "image" ? 2 : 8,
    waitMs: options.batchWaitMs ?? 0,
    // After every socket of this turn was read: a message to a process costs more than the rows in it.
    nextTurn: setImmediate,
    queueRowsMax: options.queueRowsMax ?? queueRowsMaxDefault,
    bytesOf: ({ input }) => bytesOf(input),
    clock: options.clock,
    timers: options.timers,
    run: async (rows) => resultsOf(await generation.run(model, rows), running()),
    ...shedding(running),
  });
  let retired = false;
  return {
    candidate,
    get running() {
      return running();
    },
    serves: () => generation.has(model) || !generation.ready,
    predict: (id, input, withinMs) => batcher.submit({ id, input }, withinMs),
    retire: async () => {
      if (retired) return;
      retired = true;
      await batcher.drained();
      await release();
    },
  };
}

function resultsOf(outcomes: readonly RowOutcome[], by: RunningModel): readonly PredictionResult[] {
  // Rows of one answer share its arrays, so it is taken apart once.
  const taken = new Map<object, readonly PredictionResult[]>();
  return outcomes.map((outcome) => {
    switch (outcome.kind) {
      case "quarantined":
        return failure("quarantined", "this case ended the inference child twice", by);
      case "refused":
        return failure("model_error", outcome.message, by);
      case "answered": {
        let results = taken.get(outcome.answer);
        if (!results) taken.set(outcome.answer, (results = predictionsOf(outcome.answer, outcomes.length, by)));
        return results[outcome.row] ?? failure("model_error", "the row was lost", by);
      }
    }
  });
}

import {
  HoldpointError,
  type Cancel,
  type Clock,
  type ErrorCode,
  type Logger,
  type Result,
  ok,
  refused,
  errorCatalogue,
  type Timers,
} from "../../protocol/index.ts";
import { type RunningModel } from "../prediction.ts";
import { runningModel, type Candidate } from "./candidate.ts";
import { openChildLink, type ChildLink } from "./child-link.node.ts";
import { type FromChild, type ModelOrder, type ModelReport } from "./child-messages.ts";
import { ChildWork, type CaseRow, type RowOutcome } from "./child-work.ts";
import { type Quarantine } from "./quarantine.ts";
import { type ProviderName } from "./runtime.ts";
import {
  supervisorStart,
  transitionSupervisor,
  type RestartBudget,
  type SupervisorEffect,
  type SupervisorEvent,
  type SupervisorState,
  type SupervisorStep,
} from "./supervisor-machine.ts";

export interface GenerationOptions {
  readonly entry: string;
  readonly providers: readonly ProviderName[];
  readonly intraOpThreads: number;
  readonly limits: ChildLimits;
  readonly quarantine: Quarantine;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export interface ChildLimits {
  /** A batch that takes longer ends the child. */
  readonly runMsMax: number;
  /** A model that takes longer to load ends the child. */
  readonly loadMsMax: number;
  readonly heartbeatMs: number;
  /** An idle child that is silent for longer is ended. */
  readonly silenceMsMax: number;
  /** Resident memory above which the child is ended and started anew. */
  readonly rssBytesMax: number;
  /** How long a child that was asked to end may take. */
  readonly endMsMax: number;
  readonly restarts: RestartBudget;
}

/** Deaths during its own loading after which a model is left out. */
const loadDeathsMax = 2;

/** One set of models in one supervised child process, which is started again as often as its budget allows. */
export class ChildGeneration {
  readonly candidates: readonly Candidate[];
  readonly #options: GenerationOptions;
  readonly #work: ChildWork;
  #state: SupervisorState;
  #link: ChildLink | null = null;
  #reports: readonly ModelReport[] = [];
  /** Models that this generation began to serve with. */
  readonly #served = new Set<number>();
  readonly #orders: (ModelOrder | null)[];
  readonly #loadDeaths: number[];
  #loading: number | null = null;
  /** Why this side killed the child, or null: it died by itself. */
  #killedFor: string | null = null;
  #heardMs = 0;
  #cancelDeadline: Cancel = () => undefined;
  #cancelHeartbeat: Cancel = () => undefined;
  #cancelWake: Cancel = () => undefined;
  #loaded: (() => void)[] = [];
  #ended: (() => void)[] = [];

  constructor(candidates: readonly Candidate[], options: GenerationOptions) {
    this.candidates = candidates;
    this.#options = options;
    this.#work = new ChildWork(options.quarantine);
    this.#orders = candidates.map(({ manifest, file, wanted, batchProven }) => ({
      file: file ?? "",
      manifest,
      batchWanted: wanted.batchSize,
      batchProven,
    }));
    this.#loadDeaths = candidates.map(() => 0);
    this.#state = supervisorStart.state;
  }

  /** Starts the child and waits until it has loaded, or can load, nothing more. One result a candidate. */
  async start(): Promise<readonly Result<RunningModel>[]> {
    const loaded = new Promise<void>((done) => this.#loaded.push(done));
    this.#perform(supervisorStart.effects);
    await loaded;
    this.#reports.forEach(({ ok }, model) => {
      if (ok) this.#served.add(model);
    });
    return this.candidates.map((_, model) => this.running(model));
  }

  get ready(): boolean {
    return this.#state.kind === "ready";
  }

  /** False when a model that served could not be loaded again by a child that was started in place of another. */
  has(model: number): boolean {
    return this.#reports[model]?.ok === true;
  }

  /** What serves now; after a restart the provider may be another one. */
  running(model: number): Result<RunningModel> {
    const candidate = this.candidates[model];
    const report = this.#reports[model];
    if (!candidate || !report) return refused("HP_INFERENCE_DOWN", "the inference child cannot be started");
    if (report.ok) return ok(runningModel(candidate, report));
    const code = report.code in errorCatalogue ? (report.code as ErrorCode) : "HP_MODEL_LOAD";
    return { ok: false, error: new HoldpointError(code, report.message, { hint: report.hint }) };
  }

  /** Runs a batch; outcomes in the order of the rows. Never rejects. */
  run(model: number, rows: readonly CaseRow[]): Promise<readonly RowOutcome[]> {
    if (this.#state.kind === "down" || this.#state.kind === "closed") {
      return Promise.resolve(rows.map(() => ({ kind: "refused", message: this.#downMessage() })));
    }
    const outcomes = this.#work.add(model, rows, this.#now());
    this.#pump();
    return outcomes;
  }

  problems(): readonly { readonly code: string; readonly message: string }[] {
    const found: { readonly code: string; readonly message: string }[] = [];
    if (this.#state.kind !== "ready" && this.#state.kind !== "closing" && this.#state.kind !== "closed") {
      found.push({ code: "HP_INFERENCE_DOWN", message: this.#downMessage() });
    }
    this.#reports.forEach((report, model) => {
      const task = this.candidates[model]?.wanted.task ?? "";
      if (!report.ok) {
        // One that never loaded is in the states of `apply`; this one served until its child was replaced.
        if (this.#served.has(model)) found.push({ code: report.code, message: `${task}: ${report.message}` });
        return;
      }
      for (const { provider, message } of report.downgrades) {
        found.push({
          code: "HP_PROVIDER",
          message: `${task} runs on ${report.provider}, not on ${provider}: ${message}`,
        });
      }
    });
    return found;
  }

  /** Process id, or null while there is none: for whoever measures or attacks it. */
  get pid(): number | null {
    return this.#link?.pid ?? null;
  }

  /** Ends the child. What it has taken must have been answered before. */
  close(): Promise<void> {
    const ended = new Promise<void>((done) => this.#ended.push(done));
    this.#on({ kind: "close" });
    if (this.#state.kind === "closed") this.#finish();
    return ended;
  }

  #now(): number {
    return this.#options.clock.monotonicMs();
  }

  #downMessage(): string {
    return this.#state.kind === "down"
      ? "the inference child keeps dying and is not started for a while"
      : "the inference child is being started";
  }

  #on(event: SupervisorEvent): void {
    const step: SupervisorStep = transitionSupervisor(this.#state, event, this.#options.limits.restarts);
    this.#state = step.state;
    this.#perform(step.effects);
  }

  #perform(effects: readonly SupervisorEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "spawn":
          this.#spawn();
          break;
        case "kill":
          this.#link?.kill();
          break;
        case "end":
          this.#link?.send({ kind: "close" });
          this.#deadline(this.#options.limits.endMsMax, "it did not end");
          break;
        case "wake":
          this.#cancelWake = this.#options.timers.after(effect.afterMs, () => this.#on({ kind: "due" }));
          break;
        case "flush":
          this.#settleLoaded();
          this.#pump();
          break;
        case "refuse":
          this.#settleLoaded();
          this.#work.refuse(this.#downMessage());
          break;
      }
    }
  }

  #spawn(): void {
    const { entry, logger, providers, intraOpThreads, limits } = this.#options;
    this.#killedFor = null;
    this.#loading = null;
    const link = openChildLink({
      entry,
      logger,
      onMessage: (message) => this.#onMessage(message),
      onExit: (how) => this.#onExit(how),
    });
    this.#link = link;
    this.#deadline(limits.loadMsMax, "it did not start");
    link.send({ kind: "load", models: this.#orders, providers, intraOpThreads });
    this.#heardMs = this.#now();
    this.#beat();
  }

  #onMessage(message: FromChild): void {
    this.#heardMs = this.#now();
    switch (message.kind) {
      case "loading":
        this.#loading = message.model;
        this.#deadline(this.#options.limits.loadMsMax, "a model took too long to load");
        return;
      case "loaded":
        this.#loading = null;
        this.#reports = message.models;
        this.#keepProof(message.models);
        this.#logLost();
        this.#cancelDeadline();
        this.#on({ kind: "loaded" });
        return;
      case "answer":
        this.#work.answered(message.batch, message.answer);
        this.#armRun();
        this.#pump();
        return;
      case "pong":
        this.#checkMemory(message.rssBytes);
        return;
    }
  }

  #logLost(): void {
    this.#reports.forEach((report, model) => {
      if (report.ok || !this.#served.has(model)) return;
      const { code, message } = report;
      this.#options.logger.error("model_lost", { task: this.candidates[model]?.wanted.task, code, message });
    });
  }

  /** What was proved once need not be proved again by a child that is started in its place. */
  #keepProof(reports: readonly ModelReport[]): void {
    reports.forEach((report, model) => {
      const order = this.#orders[model];
      if (order && report.ok) this.#orders[model] = { ...order, batchProven: report.batchMax };
    });
  }

  #onExit(how: string): void {
    const { logger } = this.#options;
    this.#cancelDeadline();
    this.#cancelHeartbeat();
    const pid = this.#link?.pid;
    this.#link = null;
    if (this.#state.kind !== "closing") {
      logger.warn("inference_child_died", { pid, how, killedFor: this.#killedFor, inFlight: this.#work.inFlight });
      this.#blameLoading();
      for (const id of this.#work.lost(this.#killedFor !== null, this.#now())) {
        logger.error("case_quarantined", { id });
      }
    }
    this.#on({ kind: "exited", nowMs: this.#now() });
    if (this.#state.kind === "closed") this.#finish();
  }

  #blameLoading(): void {
    const model = this.#loading;
    if (model === null) return;
    const deaths = (this.#loadDeaths[model] ?? 0) + 1;
    this.#loadDeaths[model] = deaths;
    if (deaths >= loadDeathsMax) this.#orders[model] = null;
  }

  #finish(): void {
    this.#cancelWake();
    this.#settleLoaded();
    for (const done of this.#ended.splice(0)) done();
  }

  #settleLoaded(): void {
    for (const done of this.#loaded.splice(0)) done();
  }

  #pump(): void {
    if (this.#state.kind !== "ready" || !this.#link) return;
    const wasIdle = this.#work.inFlight === 0;
    for (const { batch, model, inputs } of this.#work.take()) this.#send(batch, model, inputs);
    if (wasIdle) this.#armRun();
  }

  #send(batch: number, model: number, inputs: readonly CaseRow["input"][]): void {
    const report = this.#reports[model];
    if (report?.ok === true) {
      this.#link?.run(batch, model, inputs);
      return;
    }
    // A model that was there and could not be loaded again after a restart: its file is gone or damaged.
    const message = report ? `the model could not be loaded again: ${report.message}` : "the model is not loaded";
    const failures = inputs.map((_, row) => ({ row, reason: "model_error" as const, message }));
    const answer = { probabilities: new Float32Array(0), failures, batch: inputs.length, runMs: 0 };
    this.#work.answered(batch, answer);
  }

  /** The deadline is the oldest batch's: it is set anew whenever one is answered. */
  #armRun(): void {
    this.#cancelDeadline();
    if (this.#work.inFlight > 0) this.#deadline(this.#options.limits.runMsMax, "a batch took too long");
  }

  #deadline(afterMs: number, reason: string): void {
    this.#cancelDeadline();
    this.#cancelDeadline = this.#options.timers.after(afterMs, () => this.#stuck(reason));
  }

  #stuck(reason: string): void {
    this.#killedFor ??= reason;
    this.#options.logger.warn("inference_child_stuck", { pid: this.#link?.pid, reason });
    this.#on({ kind: "stuck" });
  }

  #beat(): void {
    const { limits, timers } = this.#options;
    this.#cancelHeartbeat = timers.after(limits.heartbeatMs, () => {
      const link = this.#link;
      if (!link) return;
      this.#checkMemory(link.rssBytes());
      const idle = this.#state.kind === "ready" && this.#work.inFlight === 0;
      // While a batch runs the child cannot answer; then the batch's own deadline counts.
      if (idle && this.#now() - this.#heardMs > limits.silenceMsMax) this.#stuck("it is silent");
      if (!idle) this.#heardMs = this.#now();
      if (idle) link.send({ kind: "ping" });
      this.#beat();
    });
  }

  #checkMemory(rssBytes: number | null): void {
    if (rssBytes === null || rssBytes <= this.#options.limits.rssBytesMax || this.#killedFor !== null) return;
    this.#stuck(`it holds ${Math.round(rssBytes / 1024 / 1024)} MiB`);
  }
}

import {
  HoldpointError,
  ok,
  type Cancel,
  type Certificate,
  type Clock,
  type Hasher,
  type Logger,
  type Result,
  type Timers,
} from "../protocol/index.ts";
import { diffConfigs, type ConfigChange } from "./diff.ts";
import { type Provenance, type Resolved, type ResolvedConfig } from "./effective.ts";
import { type ConfigFault } from "./fault.ts";
import { filesSignature, watchFiles } from "./files-watch.node.ts";
import { readLayers, type LayerFile } from "./layer-files.node.ts";
import { type ConfigWarning, type EffectiveConfig } from "./policy.ts";
import { reload, startReload, type ReloadEffect, type ReloadEvent, type ReloadState } from "./reload-machine.ts";
import { resolveConfig } from "./resolve.ts";

export interface WatchOptions {
  /** In any order: the layer's name says what goes over what. */
  readonly layers: readonly LayerFile[];
  /**
   * A good config that differs is there. It is in force, and `current`, when this returned or its promise resolved; if
   * it fails, the last good config stays and `onProblem` is told.
   */
  readonly onChange: (
    effective: EffectiveConfig,
    warnings: readonly ConfigWarning[],
    diff: readonly ConfigChange[],
  ) => void | Promise<void>;
  /** The files are bad and the last good config stays in force. Told once per problem. */
  readonly onProblem: (error: HoldpointError, faults: readonly ConfigFault[]) => void;
  /** The files are good again after a problem. */
  readonly onRecover?: () => void;
  /** Certificates of the gate: read with the layers, and again when one of their files has changed. */
  readonly certificates?: CertificateSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly hasher: Hasher;
  readonly logger: Logger;
}

export interface CertificateSource {
  readonly paths: readonly string[];
  /** Those that are good for this store. Never rejects: what is wrong with others it tells by itself. */
  read(): Promise<readonly Certificate[]>;
}

export interface ConfigWatch {
  /** The config in force: always a good one. `revision` is 0; the agent's journal numbers it. */
  readonly current: EffectiveConfig;
  readonly warnings: readonly ConfigWarning[];
  readonly provenance: Provenance;
  /** Why the files as they are now are not in force, or null: a reason to be degraded. */
  readonly problem: HoldpointError | null;
  /** Reads at once; resolves when what was read is in force, or with why it is not. */
  reload(): Promise<Result<EffectiveConfig>>;
  close(): void;
}

/** An editor that deletes and writes anew leaves a gap; an optional file counts as gone only after it. */
const goneMs = 250;
/** Reads of a file that somebody is writing meanwhile; what comes after is found by the watch. */
const readsMax = 4;

/** Loads the layers and keeps them loaded. Rejects with HP_CONFIG if the first load fails: there is no last good one. */
export async function watchConfig(options: WatchOptions): Promise<ConfigWatch> {
  const loaded = await load(options);
  if (!loaded.resolved.ok) throw loaded.resolved.error;
  return new Watcher(options, loaded.resolved.value, loaded);
}

interface Loaded {
  readonly resolved: Resolved;
  /** State of the files before they were read. */
  readonly signature: string;
  readonly missing: readonly string[];
}

function pathsOf({ layers, certificates }: WatchOptions): readonly string[] {
  return [...layers.map(({ path }) => path), ...(certificates?.paths ?? [])];
}

async function load(options: WatchOptions): Promise<Loaded> {
  const { layers, hasher } = options;
  const paths = pathsOf(options);
  for (let reads = 1; ; reads += 1) {
    const signature = await filesSignature(paths);
    const texts = await readLayers(layers);
    const certificates = (await options.certificates?.read()) ?? [];
    if (reads < readsMax && (await filesSignature(paths)) !== signature) continue;
    if (!texts.ok) return { resolved: texts, signature, missing: [] };
    return { resolved: resolveConfig(texts.layers, hasher, certificates), signature, missing: texts.missing };
  }
}

class Watcher implements ConfigWatch {
  problem: HoldpointError | null = null;
  readonly #options: WatchOptions;
  readonly #stopWatching: Cancel;
  readonly #waiting: ((result: Result<EffectiveConfig>) => void)[] = [];
  #state: ReloadState;
  #inForce: ResolvedConfig;
  #missing: readonly string[];
  /** What was read last, good or bad; the machine decides what becomes of it. */
  #read: Resolved;
  #cancelSettle: Cancel = () => undefined;

  constructor(options: WatchOptions, first: ResolvedConfig, { signature, missing, resolved }: Loaded) {
    this.#options = options;
    this.#inForce = first;
    this.#missing = missing;
    this.#read = resolved;
    this.#state = startReload(first.config.digest);
    this.#stopWatching = watchFiles({
      paths: pathsOf(options),
      signature,
      onChanged: () => this.#dispatch({ kind: "changed", nowMs: this.#nowMs() }),
      timers: options.timers,
      logger: options.logger,
    });
  }

  get current(): EffectiveConfig {
    return this.#inForce.config;
  }

  get warnings(): readonly ConfigWarning[] {
    return this.#inForce.warnings;
  }

  get provenance(): Provenance {
    return this.#inForce.provenance;
  }

  reload(): Promise<Result<EffectiveConfig>> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#dispatch({ kind: "asked" });
    });
  }

  close(): void {
    this.#dispatch({ kind: "close" });
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  #dispatch(event: ReloadEvent): void {
    const { state, effects } = reload(this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    const done = state.phase.kind === "idle" || state.phase.kind === "closed" || event.kind === "apply_failed";
    if (done) this.#answerWaiting();
  }

  #perform(effect: ReloadEffect): void {
    switch (effect.kind) {
      case "settle":
        this.#cancelSettle();
        this.#cancelSettle = this.#options.timers.after(effect.delayMs, () => this.#dispatch({ kind: "settled" }));
        return;
      case "read":
        void this.#readFiles();
        return;
      case "apply":
        void this.#apply();
        return;
      case "report":
        if (this.problem) this.#options.onProblem(this.problem, this.#read.ok ? [] : this.#read.faults);
        return;
      case "recover":
        this.problem = null;
        this.#options.onRecover?.();
        return;
      case "stop":
        this.#cancelSettle();
        this.#stopWatching();
    }
  }

  async #readFiles(): Promise<void> {
    let loaded = await load(this.#options);
    if (loaded.missing.some((path) => !this.#missing.includes(path))) {
      await new Promise<void>((resolve) => this.#options.timers.after(goneMs, resolve));
      loaded = await load(this.#options);
    }
    const { resolved } = loaded;
    this.#read = resolved;
    const nowMs = this.#nowMs();
    if (!resolved.ok) {
      this.problem = resolved.error;
      this.#dispatch({ kind: "read_failed", problem: resolved.error.message, nowMs });
      return;
    }
    this.#missing = loaded.missing;
    const { digest } = resolved.value.config;
    // Lines and warnings may have moved although nothing that counts has.
    if (digest === this.current.digest) this.#inForce = { ...resolved.value, config: this.current };
    this.#dispatch({ kind: "read_ok", digest, nowMs });
  }

  async #apply(): Promise<void> {
    if (!this.#read.ok) return;
    const { value } = this.#read;
    const diff = diffConfigs(this.current, value.config);
    try {
      await this.#options.onChange(value.config, value.warnings, diff);
    } catch (cause) {
      this.problem = HoldpointError.from(cause, "HP_CONFIG");
      this.#dispatch({ kind: "apply_failed", problem: this.problem.message, nowMs: this.#nowMs() });
      return;
    }
    this.#inForce = value;
    this.#dispatch({ kind: "applied", nowMs: this.#nowMs() });
  }

  #answerWaiting(): void {
    const closed =
      this.#state.phase.kind === "closed" ? new HoldpointError("HP_CLOSED", "the config watch is closed") : null;
    const error = closed ?? this.problem;
    for (const answer of this.#waiting.splice(0)) answer(error === null ? ok(this.current) : { ok: false, error });
  }
}

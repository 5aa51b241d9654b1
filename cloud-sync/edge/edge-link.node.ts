import {
  HoldpointError,
  newId,
  type AgentStatus,
  type Cancel,
  type Clock,
  type Hasher,
  type Heartbeat,
  type HeartbeatReply,
  type Logger,
  type Random,
  type TaskCounts,
  type Timers,
} from "../../protocol/index.ts";
import { signatureVerifier } from "../../protocol/platform/signing.node.ts";
import { backOffMs, defaultBackOff } from "./back-off.ts";
import { type ConfigFilesOptions, configFiles } from "./config-files.node.ts";
import { pullConfig, type ConfigPull } from "./config-pull.ts";
import { cursorFile } from "./cursor-file.node.ts";
import { createExchange, type RunningExchange } from "./exchange.node.ts";
import { followFeed, type FeedTarget, type RunningFeed } from "./feed.ts";
import { type ForwarderPace } from "./forwarder-machine.ts";
import { startForwarding, type RunningForwarder } from "./forwarder.ts";
import { startHeartbeats, type RunningHeartbeats } from "./heartbeats.ts";
import { type ExchangeOutcome, type HubCall } from "./hub-port.ts";
import { enrol, isOfToken, readIdentity, type HubIdentity } from "./identity.node.ts";
import { watchLink, type LinkHealth, type LinkState } from "./link-health.ts";
import { linkProblems, type LinkFacts } from "./link-report.ts";
import { type CaseBriefs, type OutboxSource } from "./outbox-port.ts";
import { join } from "node:path";

export interface EdgeLinkOptions {
  /** The agent's directory for its hub: identity, cursor, config. */
  readonly dir: string;
  /** Of the hub, as `hubOrigin` gives it. */
  readonly origin: string;
  readonly ca?: string;
  /** Enrols where there is no identity yet, or one of another token. */
  readonly token?: string;
  readonly agent: string;
  readonly store: string;
  readonly software: string;
  readonly outbox: OutboxSource;
  readonly briefs: CaseBriefs;
  readonly target: Omit<FeedTarget, "config">;
  readonly status: () => Promise<AgentStatus>;
  readonly tasks: (labelsOf: ReadonlySet<string>) => readonly TaskCounts[];
  readonly config: Pick<ConfigFilesOptions, "check" | "reload">;
  /** How long the hub's people take, by task, milliseconds at the 95th percentile. */
  readonly onAnswerTimes?: (p95Ms: Readonly<Record<string, number>>) => void;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly hasher: Hasher;
  readonly logger: Logger;
  readonly pace?: Partial<LinkPace>;
  /** Being offline is normal for so long; then it is a reason to be degraded. 72 h unless told. */
  readonly offlineMsMax?: number;
  readonly onOutcome?: (call: HubCall<unknown>["name"], outcome: ExchangeOutcome) => void;
  /** What `facts` says may have changed. */
  readonly onChange?: () => void;
}

interface LinkPace extends ForwarderPace {
  /** How long one call for the feed waits. */
  readonly feedWaitMs: number;
}

export interface EdgeLink {
  facts(): LinkFacts;
  /** Reports to the hub before long. */
  soon(): void;
  close(): Promise<void>;
}

const offlineMsDefault = 72 * 3_600_000;

/**
 * An agent's side of its hub: enrols once, reports, sends, follows. Starts at once and resolves at once; whatever the
 * network does, the agent decides without it.
 */
export function openEdgeLink(options: EdgeLinkOptions): EdgeLink {
  return new Link(options);
}

class Link implements EdgeLink {
  readonly #options: EdgeLinkOptions;
  readonly #exchange: RunningExchange;
  readonly #health: LinkHealth;
  readonly #bootId: string;
  readonly #began: Promise<void>;
  #identity: HubIdentity | null = null;
  #heartbeats: RunningHeartbeats | null = null;
  #forwarder: RunningForwarder | null = null;
  #feed: RunningFeed | null = null;
  #pull: ConfigPull | null = null;
  #problem: HoldpointError | null = null;
  #configProblem: HoldpointError | null = null;
  #isClosed = false;
  #cancel: Cancel = () => undefined;

  constructor(options: EdgeLinkOptions) {
    const { clock, timers, random, hasher, origin, ca, onOutcome } = options;
    this.#options = options;
    this.#bootId = newId(clock, random);
    this.#exchange = createExchange({
      ...{ clock, timers, random, hasher, origin },
      ...(ca === undefined ? {} : { ca }),
      ...(onOutcome ? { onOutcome } : {}),
    });
    this.#health = watchLink(this.#exchange, clock, (before, now) => this.#linkChanged(before, now));
    this.#began = this.#begin().catch((cause: unknown) => this.#fail(HoldpointError.from(cause, "HP_JOURNAL")));
  }

  facts(): LinkFacts {
    const { clock, offlineMsMax = offlineMsDefault } = this.#options;
    const state = this.#health.state;
    const base = {
      state,
      isEnrolled: this.#identity !== null,
      agentId: this.#identity?.agentId ?? null,
      owedPictures: this.#forwarder?.owedPictures ?? 0,
      refusedRows: this.#forwarder?.refusedRows ?? 0,
      droppedPictures: this.#forwarder?.droppedPictures ?? 0,
      applied: this.#feed?.applied ?? 0,
      skipped: this.#feed?.skipped ?? 0,
      feedFreshAtMs: this.#feed?.freshAtMs ?? null,
      configVersion: this.#pull?.version ?? null,
    };
    const problems = linkProblems({
      state,
      nowMs: clock.monotonicMs(),
      offlineMsMax,
      own: [this.#problem, this.#configProblem, this.#feed?.stuck ?? null],
      isBehind: this.#forwarder?.isBehind ?? false,
    });
    return { ...base, problems };
  }

  soon(): void {
    this.#heartbeats?.soon();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    this.#pull?.close();
    this.#heartbeats?.close();
    await Promise.all([this.#forwarder?.close(), this.#feed?.close(), this.#exchange.close()]);
    await this.#began;
  }

  async #begin(): Promise<void> {
    const { dir, token, hasher, logger } = this.#options;
    const known = await readIdentity(dir);
    if (known && (token === undefined || isOfToken(known, token, hasher))) {
      this.#start(known);
      return;
    }
    if (token === undefined) {
      throw new HoldpointError("HP_TOKEN", "this agent is not enrolled at its hub", {
        hint: "Make a token at the hub and give it once: holdpoint agent --hub <url> --enrol <token>.",
      });
    }
    logger.info("hub_enrolling", { url: this.#options.origin });
    await this.#enrol(token, 0);
  }

  /** Until the hub answers: a box may see its first network weeks after its first start. */
  async #enrol(token: string, failures: number): Promise<void> {
    const { dir, origin: url, agent, store, software, hasher, timers, random, logger } = this.#options;
    const answer = await enrol(dir, this.#health, { token, url, agent, store, software, hasher });
    if (this.#isClosed) return;
    if (answer.ok) {
      logger.info("hub_enrolled", { agentId: answer.value.agentId, hub: answer.value.hub.id });
      this.#start(answer.value);
      return;
    }
    const { error, outcome } = answer;
    if (outcome === "refused" && error.retry !== "backoff") throw error;
    const delayMs = backOffMs(failures + 1, random.uniform(), error.retryAfterMs ?? null, {
      ...defaultBackOff,
      ...this.#options.pace,
    });
    this.#cancel = timers.after(delayMs, () => {
      this.#enrol(token, failures + 1).catch((cause: unknown) =>
        this.#fail(HoldpointError.from(cause, "HP_DISK_FULL")),
      );
    });
  }

  #start(identity: HubIdentity): void {
    const { store, timers, random, logger, pace } = this.#options;
    if (this.#isClosed) return;
    if (identity.store !== store) {
      const message = `this agent is enrolled for the store ${identity.store}, and its config is of ${store}`;
      throw new HoldpointError("HP_CONFIG", message, { hint: "Enrol it anew with a token for this store." });
    }
    this.#identity = identity;
    this.#exchange.signer = identity.signer;
    this.#pull = this.#openPull(identity);
    this.#heartbeats = startHeartbeats({
      ...{ exchange: this.#health, timers, random, logger },
      startMsMax: pace?.startMsMax ?? 1_000,
      pace: { ...defaultBackOff, ...pace },
      compose: (labelsOf) => this.#compose(labelsOf),
      onReply: (reply) => this.#replied(reply),
    });
    this.#options.onChange?.();
  }

  #openPull({ hub, agentId }: HubIdentity): ConfigPull {
    const { dir, timers, random, logger, config } = this.#options;
    const verify = signatureVerifier(hub.publicKey);
    return pullConfig({
      ...{ exchange: this.#health, timers, random, logger, agentId },
      pace: { ...defaultBackOff, ...this.#options.pace },
      target: configFiles({ dir, ...config }),
      hubId: hub.id,
      verify: verify ?? (() => false),
      onProblem: (error) => {
        this.#configProblem = error;
        this.#options.onChange?.();
      },
      onAdopted: () => this.soon(),
    });
  }

  async #compose(labelsOf: ReadonlySet<string>): Promise<Heartbeat> {
    const { software, outbox, status, tasks } = this.#options;
    return {
      v: 1,
      software,
      bootId: this.#bootId,
      status: await status(),
      outbox: { epoch: outbox.epoch, lastSeq: outbox.lastSeq(), watermark: this.#forwarder?.watermark ?? 0 },
      tasks: [...tasks(labelsOf)],
      hubConfig: this.#pull?.version ?? null,
    };
  }

  /** The first answer says that the hub knows this box, and that it is no copy: only then anything is sent or asked for. */
  #replied({ nowMs, configVersion, answerP95Ms }: HeartbeatReply): void {
    this.#exchange.hubTime(nowMs);
    if (answerP95Ms) this.#options.onAnswerTimes?.(answerP95Ms);
    if (configVersion !== null) this.#pull?.announced(configVersion);
    if (this.#forwarder || this.#isClosed) return;
    const { dir, outbox, briefs, target, clock, timers, random, logger, pace, onChange } = this.#options;
    const shared = { exchange: this.#health, clock, timers, random, logger, ...(onChange ? { onChange } : {}) };
    this.#forwarder = startForwarding({ ...shared, outbox, briefs, ...(pace ? { pace } : {}) });
    this.#feed = followFeed({
      ...shared,
      target: { ...target, config: (version) => this.#pull?.announced(version) },
      cursors: cursorFile(join(dir, "feed-cursor")),
      pace: { ...defaultBackOff, ...pace },
      ...(pace?.feedWaitMs === undefined ? {} : { waitMs: pace.feedWaitMs }),
    });
  }

  #linkChanged(before: LinkState, now: LinkState): void {
    const { logger } = this.#options;
    if (before.kind !== now.kind) {
      if (now.kind === "connected") logger.info("hub_connected");
      if (now.kind === "unreachable")
        logger.warn("hub_unreachable", { code: now.error.code, message: now.error.message });
      if (now.kind === "shut_out") logger.error("hub_shut_out", { code: now.error.code, message: now.error.message });
      // Verdicts wait there. What is to be sent keeps its own, random time: the hub may just have come back for all.
      if (now.kind === "connected") this.#feed?.wake();
      if (before.kind === "shut_out") this.#forwarder?.wake();
    }
    this.#options.onChange?.();
  }

  #fail(error: HoldpointError): void {
    this.#problem = error;
    this.#options.logger.error("hub_link_failed", { code: error.code, message: error.message, hint: error.hint });
    this.#options.onChange?.();
  }
}

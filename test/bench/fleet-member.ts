import { createExchange, type RunningExchange } from "../../cloud-sync/edge/exchange.node.ts";
import { pullConfig, type HeldBundle, type ConfigPull } from "../../cloud-sync/edge/config-pull.ts";
import { defaultBackOff } from "../../cloud-sync/edge/back-off.ts";
import { followFeed, type CursorStore, type RunningFeed } from "../../cloud-sync/edge/feed.ts";
import { type ForwarderPace } from "../../cloud-sync/edge/forwarder-machine.ts";
import { startForwarding, type RunningForwarder } from "../../cloud-sync/edge/forwarder.ts";
import { startHeartbeats } from "../../cloud-sync/edge/heartbeats.ts";
import { type HubAnswer, type HubCall, type HubExchange } from "../../cloud-sync/edge/hub-port.ts";
import { newId, silentLogger, type ConfigBundle, type Heartbeat } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { signatureVerifier, type SigningKey } from "../../protocol/platform/signing.node.ts";
import { emptyBacklog, type Backlog } from "./fleet-backlog.ts";

/**
 * One box of a simulated fleet: what an agent says to its hub, said by the agent's own code (signatures, forwarder, feed,
 * heartbeat, config pull), with a list in memory where the agent has a journal and nothing that decides.
 */
export interface FleetMember {
  readonly agentId: string;
  readonly store: string;
  readonly key: SigningKey;
}

export interface FleetHub {
  readonly url: string;
  readonly hubId: string;
  /** With which it signs configs. */
  readonly publicKey: string;
}

export interface MemberOptions {
  readonly hub: FleetHub;
  readonly member: FleetMember;
  readonly backlog?: Backlog;
  readonly pace?: Partial<ForwarderPace>;
  /** First heartbeat at random within it, milliseconds: an agent that has run for long beats at any time. */
  readonly startMsMax: number;
  /** A config of that version was verified and taken. */
  readonly onAdopted?: (version: number) => void;
  readonly onCall?: (name: HubCall<unknown>["name"], tookMs: number, isOk: boolean) => void;
}

export interface RunningMember {
  /** The hub has said that it takes this agent, and its feed waits there. */
  readonly isConnected: boolean;
  readonly isDelivered: boolean;
  close(): Promise<void>;
}

const logger = silentLogger;
const shared = { clock: systemClock, timers: systemTimers, random: systemRandom, logger };

export function startMember(options: MemberOptions): RunningMember {
  return new Member(options);
}

class Member implements RunningMember {
  readonly #options: MemberOptions;
  readonly #backlog: Backlog;
  readonly #exchange: RunningExchange;
  readonly #timed: HubExchange;
  readonly #pull: ConfigPull;
  readonly #bootId = newId(systemClock, systemRandom);
  readonly #heartbeats: { close(): void };
  #forwarder: RunningForwarder | null = null;
  #feed: RunningFeed | null = null;
  #isFeedOpen = false;

  constructor(options: MemberOptions) {
    const { hub, member, startMsMax } = options;
    this.#options = options;
    this.#backlog = options.backlog ?? emptyBacklog;
    this.#exchange = createExchange({ ...shared, hasher: nodeHasher, origin: hub.url });
    this.#exchange.signer = { keyId: member.agentId, sign: (bytes) => member.key.sign(bytes) };
    this.#timed = { call: (call, signal) => this.#call(call, signal) };
    this.#pull = this.#openPull();
    this.#heartbeats = startHeartbeats({
      ...{ ...shared, exchange: this.#timed, startMsMax, pace: { ...defaultBackOff, ...options.pace } },
      compose: () => Promise.resolve(this.#heartbeat()),
      onReply: ({ configVersion }) => this.#replied(configVersion),
    });
  }

  get isConnected(): boolean {
    return this.#isFeedOpen;
  }

  get isDelivered(): boolean {
    return this.#forwarder?.isDelivered() === true;
  }

  async close(): Promise<void> {
    this.#pull.close();
    this.#heartbeats.close();
    await Promise.all([this.#forwarder?.close(), this.#feed?.close(), this.#exchange.close()]);
  }

  async #call<T>(call: HubCall<T>, signal?: AbortSignal): Promise<HubAnswer<T>> {
    const startMs = performance.now();
    const answer = await this.#exchange.call(call, signal);
    this.#options.onCall?.(call.name, performance.now() - startMs, answer.ok);
    return answer;
  }

  #openPull(): ConfigPull {
    const { hub, member, onAdopted } = this.#options;
    const target = {
      held: null as HeldBundle | null,
      adopt: ({ hub: hubId, agentId, version }: ConfigBundle): Promise<void> => {
        target.held = { hub: hubId, agentId, version };
        onAdopted?.(version);
        return Promise.resolve();
      },
    };
    return pullConfig({
      ...{ ...shared, exchange: this.#timed, target, hubId: hub.hubId, agentId: member.agentId },
      verify: signatureVerifier(hub.publicKey) ?? (() => false),
      onProblem: () => undefined,
      onAdopted: () => undefined,
    });
  }

  #replied(configVersion: number | null): void {
    if (configVersion !== null) this.#pull.announced(configVersion);
    if (this.#forwarder) return;
    const { pace } = this.#options;
    this.#forwarder = startForwarding({
      ...{ ...shared, exchange: this.#timed, outbox: this.#backlog.outbox, briefs: this.#backlog.briefs },
      ...(pace ? { pace } : {}),
    });
    this.#feed = followFeed({
      ...{ ...shared, exchange: this.#timed, cursors: cursorInMemory() },
      target: {
        review: () => Promise.resolve(),
        erase: () => Promise.resolve(),
        config: (version) => this.#pull.announced(version),
      },
    });
    this.#isFeedOpen = true;
  }

  #heartbeat(): Heartbeat {
    const { member } = this.#options;
    const { outbox } = this.#backlog;
    const unsent = outbox.lastSeq() - (this.#forwarder?.watermark ?? 0);
    return {
      ...{ v: 1, software: "bench", bootId: this.#bootId, tasks: [], hubConfig: this.#pull.version },
      outbox: { epoch: outbox.epoch, lastSeq: outbox.lastSeq(), watermark: this.#forwarder?.watermark ?? 0 },
      status: {
        ...{
          v: 1,
          agent: "box",
          store: member.store,
          state: "ready",
          reasons: [],
          inFlight: 0,
          waiting: unsent,
          unsent,
        },
        ...{ safeToPowerOff: unsent === 0, config: { revision: 1, digest: `sha256:${"b".repeat(64)}` }, models: [] },
        at: Math.round(systemClock.wallMs()),
      },
    };
  }
}

function cursorInMemory(): CursorStore {
  let kept: string | null = null;
  return {
    read: () => Promise.resolve(kept),
    write: (cursor) => {
      kept = cursor;
      return Promise.resolve();
    },
  };
}

import {
  heartbeatReplySchema,
  type Cancel,
  type Heartbeat,
  type HeartbeatReply,
  type Logger,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { backOffMs, defaultBackOff, type BackOffPace } from "./back-off.ts";
import { type HubExchange } from "./hub-port.ts";
import { shutOutRetryMs } from "./link-health.ts";

export interface HeartbeatOptions {
  readonly exchange: HubExchange;
  /** What to report; with the labels of these tasks. */
  readonly compose: (labelsOf: ReadonlySet<string>) => Promise<Heartbeat>;
  readonly onReply: (reply: HeartbeatReply) => void;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly pace?: BackOffPace;
  /** The first one leaves at random within this time, milliseconds. */
  readonly startMsMax: number;
}

export interface RunningHeartbeats {
  /** Something changed that the hub should know before long. */
  soon(): void;
  close(): void;
}

/** What the hub may ask for as the pace. */
const everyMsMin = 1_000;
const everyMsMax = 600_000;
/** Least time between two of them when something changed; a flapping state is not worth a call each time. */
const soonMs = 2_000;

/** Reports to the hub at its pace, spread at random so that a fleet does not beat as one. */
export function startHeartbeats(options: HeartbeatOptions): RunningHeartbeats {
  const { timers, random, pace = defaultBackOff } = options;
  const giveUp = new AbortController();
  let cancel: Cancel = () => undefined;
  let failures = 0;
  let labelsOf: ReadonlySet<string> = new Set();
  let isBeating = false;
  let isWanted = false;

  const plan = (delayMs: number): void => {
    cancel();
    if (!giveUp.signal.aborted) cancel = timers.after(Math.floor(delayMs), () => void beat());
  };
  /** Something changed while the last one was under way, and the hub is there. */
  const mayHurry = (): boolean => isWanted && failures === 0;
  const beat = async (): Promise<void> => {
    isBeating = true;
    isWanted = false;
    const delayMs = await call().catch((cause: unknown) => {
      options.logger.error("heartbeat_failed", { cause });
      return everyMsMax;
    });
    isBeating = false;
    plan(mayHurry() ? soonMs : delayMs);
  };
  /** Returns the time until the next one. */
  const call = async (): Promise<number> => {
    const heartbeat = await options.compose(labelsOf);
    const answer = await options.exchange.call(
      {
        name: "heartbeat",
        method: "POST",
        path: "/v1/heartbeat",
        body: { bytes: new TextEncoder().encode(JSON.stringify(heartbeat)), contentType: "application/json" },
        reply: heartbeatReplySchema,
      },
      giveUp.signal,
    );
    if (answer.ok) {
      failures = 0;
      const wanted = new Set(answer.value.labelsWanted);
      // Asked for twice in a row, they did not get through; then with the next beat, not at once.
      const isNew = [...wanted].some((task) => !labelsOf.has(task));
      labelsOf = wanted;
      options.onReply(answer.value);
      if (isNew) return 0;
      return Math.min(everyMsMax, Math.max(everyMsMin, answer.value.nextMs)) * (0.8 + 0.4 * random.uniform());
    }
    failures += 1;
    const { code, retryAfterMs } = answer.error;
    if (code === "HP_REVOKED" || code === "HP_CLONED" || code === "HP_UNAUTHORIZED") {
      return shutOutRetryMs * (0.5 + random.uniform());
    }
    return backOffMs(failures, random.uniform(), retryAfterMs ?? null, pace);
  };

  plan(random.uniform() * options.startMsMax);
  return {
    soon: () => {
      if (isWanted || failures > 0) return;
      isWanted = true;
      if (!isBeating) plan(soonMs * random.uniform());
    },
    close: () => {
      cancel();
      giveUp.abort();
    },
  };
}

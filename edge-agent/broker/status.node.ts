import {
  agentStatusTopic,
  encodeMessage,
  type AgentStatus,
  type Cancel,
  type Logger,
  type Timers,
} from "../../protocol/index.ts";
import { type AgentService } from "../service.ts";

export interface StatusOptions {
  readonly service: AgentService;
  readonly agentName: string;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Published at least this often. */
  readonly intervalMs: number;
  readonly publish: (topic: string, payload: Uint8Array) => void;
  /** Called once a second. */
  readonly tick: () => void;
}

/** Keeps the retained status topic true: looks once a second, publishes on change and every `intervalMs`. */
export function startStatus(options: StatusOptions): { publish(): Promise<void>; stop(): void } {
  const topic = agentStatusTopic(options.service.storeId, options.agentName);
  let last = "";
  let sinceMs = options.intervalMs;
  let cancel: Cancel = () => undefined;
  let stopped = false;
  const publish = async (): Promise<void> => {
    try {
      const status = await options.service.status();
      const essence = essenceOf(status);
      if (stopped || (essence === last && sinceMs < options.intervalMs)) return;
      last = essence;
      sinceMs = 0;
      options.publish(topic, encodeMessage(status, "json"));
    } catch (cause) {
      options.logger.warn("status_failed", { cause });
    }
  };
  const tick = (): void => {
    cancel = options.timers.after(tickMs, tick);
    sinceMs += tickMs;
    options.tick();
    void publish();
  };
  cancel = options.timers.after(tickMs, tick);
  void publish();
  return {
    publish,
    stop: () => {
      stopped = true;
      cancel();
    },
  };
}

const tickMs = 1000;

/** What makes a status another one; the counts move all the time and go out with the interval. */
function essenceOf(status: AgentStatus): string {
  const { state, reasons, safeToPowerOff, config, models } = status;
  return JSON.stringify({ state, reasons, safeToPowerOff, config, models });
}

import { monitorEventLoopDelay } from "node:perf_hooks";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { type GatewayOptions } from "./api/gateway.ts";

/** What one process of the hub measures of itself. What the fleet does is told by its rooms' own pages. */
export interface HubMetrics {
  readonly observe: NonNullable<GatewayOptions["observe"]>;
  connections(open: number): void;
  text(): Promise<{ readonly contentType: string; readonly body: string }>;
  close(): void;
}

/** Seconds; a long poll of the feed waits up to half a minute and is no sign of slowness. */
const buckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createHubMetrics(): HubMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: "holdpoint_" });
  const calls = new Histogram({
    ...{ name: "holdpoint_hub_call_seconds", help: "Calls by operation and class of status", registers, buckets },
    labelNames: ["operation", "status"],
  });
  const refusals = new Counter({
    ...{ name: "holdpoint_hub_refused_total", help: "Refused calls by code", registers },
    labelNames: ["code"],
  });
  const open = new Gauge({ name: "holdpoint_hub_connections", help: "Open connections", registers });
  const loop = monitorEventLoopDelay({ resolution: 10 });
  loop.enable();
  new Gauge({
    ...{ name: "holdpoint_event_loop_delay_seconds", help: "Delay of the event loop since the last scrape", registers },
    labelNames: ["quantile"],
    collect() {
      // Without a sample (a scrape right after another) the histogram says NaN or its largest number.
      if (loop.count === 0) return;
      for (const quantile of [50, 99, 100]) {
        this.set({ quantile: String(quantile / 100) }, loop.percentile(quantile) / 1e9);
      }
      loop.reset();
    },
  });
  return {
    observe: (operation) => {
      const startedMs = performance.now();
      return (status, code) => {
        const seconds = (performance.now() - startedMs) / 1000;
        calls.observe({ operation, status: `${Math.floor(status / 100)}xx` }, seconds);
        if (code !== null) refusals.inc({ code });
      };
    },
    connections: (count) => open.set(count),
    text: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
    close: () => {
      loop.disable();
      registry.clear();
    },
  };
}

import { z } from "zod";
import { HoldpointError, jsonReply } from "../../../protocol/index.ts";
import { type HubDatabase } from "../database/database.ts";
import { publicRoute, type HubRoute } from "./hub-route.ts";

export interface StateSources {
  readonly database: HubDatabase;
  readonly metricsText: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

const readinessSchema = z.strictObject({ ready: z.boolean(), reasons: z.array(z.string()) });

/** How the hub is, for probes and dashboards: without a secret, and without a word on stores or people. */
export function stateRoutes({ database, metricsText }: StateSources): readonly HubRoute[] {
  return [
    publicRoute({
      ...{ method: "GET", path: "/healthz" },
      operation: { id: "getLiveness", summary: "Whether the process lives: whoever answers does", tag: "state" },
      reply: z.strictObject({ status: z.literal("ok") }),
      examples: { reply: { status: "ok" } },
      handle: () => Promise.resolve({ status: "ok" as const }),
    }),
    publicRoute({
      ...{ method: "GET", path: "/readyz" },
      operation: {
        id: "getReadiness",
        summary: "Whether the hub can work: 503 while its database is away",
        tag: "state",
      },
      reply: readinessSchema,
      statuses: [200, 503],
      examples: { reply: { ready: false, reasons: ["HP_DATABASE"] } },
      handle: async () => {
        try {
          await database.read((db) => db.selectFrom("hub_instance").select("one").executeTakeFirstOrThrow());
          return { ready: true, reasons: [] };
        } catch (cause) {
          if (!(cause instanceof HoldpointError)) throw cause;
          const { status, headers, body } = jsonReply({ ready: false, reasons: [cause.code] }, 503);
          return new Response(String(body), { status, headers });
        }
      },
    }),
    publicRoute({
      ...{ method: "GET", path: "/metrics" },
      operation: { id: "getMetrics", summary: "Measurements of this process for Prometheus", tag: "state" },
      reply: { contentType: "text/plain" },
      handle: async () => {
        const { contentType, body } = await metricsText();
        return { status: 200, headers: { "content-type": contentType, "x-content-type-options": "nosniff" }, body };
      },
    }),
  ];
}

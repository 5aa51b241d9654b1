import { z } from "zod";
import { HoldpointError, limits, namePattern } from "../../../protocol/index.ts";
import { inScope, type PersonCaller } from "../api/caller.ts";
import { csvHeaders, csvLine, type CsvCell } from "../api/csv.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { cursorText } from "../api/pages.ts";
import { type HubParts } from "../room.ts";
import { renameAgent, revokeAgent } from "./agent-changes.ts";
import { decisionSteps, type DecisionStep } from "./decision-stats.ts";
import { offlineAfterMs } from "./presence.ts";
import { listStores, type StoreLine } from "./store-list.ts";
import { storeStory, type StoreStory, type StoryParts } from "./store-story.ts";

const name = z.string().regex(namePattern, { error: "must be a name of letters, digits, dots, dashes" });
const count = z.number().int().min(0);
const wallMs = z.coerce.number().int().min(0).max(8.64e15);
const pageMax = 200;
/** Stores of one CSV file. */
const csvStoresMax = 20_000;

const search = {
  region: name.optional(),
  /** Part of a store's name. */
  q: z.string().min(1).max(64).optional(),
};
const storeLine = z.strictObject({
  ...{ store: name, region: name.nullable(), agents: count, online: count, degraded: count, pending: count },
  ...{ waiting: count, oldestMs: z.number().nullable(), coverage: z.number().nullable(), behind: count },
});
const decisions = { accepted: count, escalated: count, abstained: count };
const agent = z.strictObject({
  id: z.string(),
  name,
  state: z.enum(["online", "offline", "never", "revoked"]),
  seenMs: z.number().nullable(),
  enrolledMs: z.number(),
  software: z.string().nullable(),
  health: z.string().nullable(),
  reasons: z.array(z.strictObject({ code: z.string(), message: z.string() })),
  backlog: z.strictObject({ received: count, written: count, pending: count, text: z.string() }),
  ...{ waiting: count, inFlight: count, safeToPowerOff: z.boolean().nullable() },
  models: z.array(
    z.strictObject({
      ...{ task: z.string(), name: z.string(), version: z.string() },
      ...{ digest: z.string(), provider: z.string() },
    }),
  ),
  config: z.strictObject({
    ...{ revision: z.number().nullable(), digest: z.string().nullable(), wanted: count, applied: count.nullable() },
    drift: z.enum(["same", "behind", "local", "none", "unknown"]),
  }),
  clonedMs: z.number().nullable(),
});
const story = storeLine.omit({ agents: true, coverage: true }).extend({
  agents: z.array(agent),
  casesWaiting: count,
  coverage: z.array(z.strictObject({ task: z.string(), ...decisions, share: z.number() })),
});
const statsQuery = z.strictObject({
  from: wallMs,
  to: wallMs,
  step: z.enum(["hour", "day"]).default("hour"),
  by: z.enum(["all", "task", "store"]).default("all"),
  store: name.optional(),
  task: name.optional(),
});
const tag = "fleet";

export function fleetRoutes(parts: StoryParts): readonly HubRoute[] {
  return [...storeRoutes(parts), ...agentRoutes(parts), ...statsRoutes(parts)];
}

function storeRoutes(parts: StoryParts): readonly HubRoute[] {
  const list = (caller: PersonCaller, query: { region?: string | undefined; q?: string | undefined }, at: Page) =>
    parts.database.read((db) =>
      listStores(
        db,
        { scope: caller.stores, region: query.region ?? null, search: query.q ?? null, ...at },
        { nowMs: Math.round(parts.clock.wallMs()), offlineAfterMs },
      ),
    );
  return [
    personRoute("fleet.read", {
      ...{ method: "GET", path: "/v1/stores" },
      operation: { id: "listStores", summary: "List the stores and how each of them is", tag },
      query: z.strictObject({
        ...search,
        cursor: cursorText.optional(),
        limit: z.coerce.number().int().min(1).max(pageMax).default(50),
      }),
      reply: z.strictObject({ items: z.array(storeLine), cursor: z.string().nullable() }),
      handle: async ({ caller, query }) => {
        const found = await list(caller, query, { cursor: query.cursor ?? null, limit: query.limit });
        return { items: [...found.items], cursor: found.cursor };
      },
    }),
    personRoute("fleet.read", {
      ...{ method: "GET", path: "/v1/stores/:store" },
      operation: { id: "readStore", summary: "Read all that the hub knows of one store", tag },
      reply: story,
      handle: async ({ caller, params }) => {
        const { store = "" } = params;
        if (!inScope(caller.stores, store)) throw new HoldpointError("HP_NOT_FOUND", "no such store");
        return written(await storeStory(parts, store));
      },
    }),
    personRoute("fleet.read", {
      ...{ method: "GET", path: "/v1/stores.csv" },
      operation: { id: "exportStores", summary: "Export the list of the stores as CSV", tag },
      query: z.strictObject(search),
      reply: { contentType: "text/csv" },
      handle: async ({ caller, query }) => {
        const lines: StoreLine[] = [];
        let cursor: string | null = null;
        do {
          const found = await list(caller, query, { cursor, limit: pageMax });
          lines.push(...found.items);
          ({ cursor } = found);
        } while (cursor !== null && lines.length < csvStoresMax);
        return csvReply("stores", storesCsv(lines));
      },
    }),
  ];
}

interface Page {
  readonly cursor: string | null;
  readonly limit: number;
}

function agentRoutes(parts: HubParts): readonly HubRoute[] {
  return [
    personRoute("fleet.write", {
      ...{ method: "POST", path: "/v1/agents/:id/revoke" },
      operation: { id: "revokeAgent", summary: "Shut an agent out for good", tag },
      body: z.strictObject({ why: z.string().trim().min(1).max(limits.textCharsMax) }),
      reply: z.strictObject({ id: z.string(), state: z.literal("revoked") }),
      handle: async ({ caller, params, body }) => {
        const { id = "" } = params;
        await revokeAgent(parts, caller, id, body.why);
        return { id, state: "revoked" as const };
      },
    }),
    personRoute("fleet.write", {
      ...{ method: "POST", path: "/v1/agents/:id/rename" },
      operation: { id: "renameAgent", summary: "Give an agent another name", tag },
      body: z.strictObject({ name }),
      reply: z.strictObject({ id: z.string(), name }),
      handle: async ({ caller, params, body }) => {
        const { id = "" } = params;
        await renameAgent(parts, caller, id, body.name);
        return { id, name: body.name };
      },
    }),
  ];
}

function statsRoutes(parts: HubParts): readonly HubRoute[] {
  const read = ({ stores, tasks }: PersonCaller, query: z.output<typeof statsQuery>) => {
    const { from: fromMs, to: toMs, step, by, store = null, task = null } = query;
    if (toMs <= fromMs) throw new HoldpointError("HP_SCHEMA", "to: must be after from");
    return parts.database.read((db) => decisionSteps(db, { fromMs, toMs, step, by, store, task, stores, tasks }));
  };
  return [
    personRoute("fleet.read", {
      ...{ method: "GET", path: "/v1/stats/decisions" },
      operation: { id: "readDecisionStats", summary: "Automated against human decisions over time", tag },
      query: statsQuery,
      reply: z.strictObject({
        items: z.array(z.strictObject({ atMs: z.number(), group: z.string().nullable(), ...decisions })),
        cursor: z.null(),
      }),
      handle: async ({ caller, query }) => ({ items: [...(await read(caller, query))], cursor: null }),
    }),
    personRoute("fleet.read", {
      ...{ method: "GET", path: "/v1/stats/decisions.csv" },
      operation: { id: "exportDecisionStats", summary: "Export the decisions over time as CSV", tag },
      query: statsQuery,
      reply: { contentType: "text/csv" },
      handle: async ({ caller, query }) => csvReply("decisions", stepsCsv(await read(caller, query))),
    }),
  ];
}

function written({ agents, coverage, ...line }: StoreStory): z.input<typeof story> {
  return {
    ...line,
    coverage: [...coverage],
    agents: agents.map((one) => ({ ...one, reasons: [...one.reasons], models: [...one.models] })),
  };
}

function storesCsv(lines: readonly StoreLine[]): string {
  const columns = ["store", "region", "agents", "online", "degraded", "pending", "waiting"] as const;
  const header = [...columns, "oldest", "coverage", "behind"];
  const rows = lines.map((line) => [
    ...columns.map((column) => line[column]),
    line.oldestMs === null ? null : new Date(line.oldestMs).toISOString(),
    line.coverage,
    line.behind,
  ]);
  return csvText([header, ...rows]);
}

function stepsCsv(steps: readonly DecisionStep[]): string {
  const rows = steps.map(({ atMs, group, accepted, escalated, abstained }) => {
    return [new Date(atMs).toISOString(), group, accepted, escalated, abstained];
  });
  return csvText([["at", "group", "accepted", "escalated", "abstained"], ...rows]);
}

function csvText(lines: readonly (readonly CsvCell[])[]): string {
  return lines.map((cells) => csvLine(cells)).join("");
}

/** A download: a browser never shows it as a page of the hub. */
function csvReply(file: string, body: string) {
  return { status: 200, headers: csvHeaders(`${file}.csv`), body };
}

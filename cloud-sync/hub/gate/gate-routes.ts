import { z } from "zod";
import { HoldpointError, limits } from "../../../protocol/index.ts";
import { inScope, type PersonCaller } from "../api/caller.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { listCursor, pageOf, pageQuery, pageSchema } from "../api/pages.ts";
import { type HubParts } from "../room.ts";
import { fleetScope } from "../config/config-tables.ts";
import { gateDetail, mustSeeGate, type GateDb } from "./gate-detail.ts";
import { changeLimits, gateLimitsSchema, readLimits, type SetLimits } from "./gate-limits.ts";
import { listGates, type GateName } from "./gate-list.ts";
import { raiseGate } from "./gate-raising.ts";
import { gateDetailSchema, gateLineSchema, gateQuery, limitsReply, name, proposalSchema } from "./gate-schemas.ts";
import { labelExportRoute } from "./label-export.ts";
import { endProposal, isTheirs, keptOf, type KeptProposal } from "./proposal-desk.ts";

const tag = "gate";
const why = z.string().trim().min(1).max(limits.textCharsMax);
const share = z.number().min(0).max(1);
const proposalCursors = listCursor("gate-proposals", z.string());

export function gateRoutes(parts: HubParts): readonly HubRoute[] {
  return [...readingRoutes(parts), ...changingRoutes(parts), ...proposalRoutes(parts), labelExportRoute(parts)];
}

function readingRoutes({ database, clock }: HubParts): readonly HubRoute[] {
  const nowMs = (): number => Math.round(clock.wallMs());
  return [
    personRoute("config.read", {
      ...{ method: "GET", path: "/v1/gates" },
      operation: { id: "listGates", summary: "Every gate: its contract, its certificate and where that stands", tag },
      query: pageQuery({ task: name.optional(), store: name.optional() }),
      reply: pageSchema(gateLineSchema),
      handle: ({ caller, query }) => database.read((db) => listGates(db, caller, query, nowMs())),
    }),
    personRoute("config.read", {
      ...{ method: "GET", path: "/v1/gates/:task" },
      operation: {
        id: "readGate",
        summary: "One gate: curve, reliability, labels, evidence over time, certificates",
        tag,
      },
      query: gateQuery,
      reply: gateDetailSchema,
      handle: async ({ caller, params, query }) => {
        const of = nameOf(params["task"] ?? "", query);
        const [detail, set] = await database.read(async (db) => [
          await gateDetail(db, caller, of, nowMs()),
          await readLimits(db, of.task),
        ]);
        const { figures } = detail;
        return {
          ...detail,
          stores: [...detail.stores],
          contract: detail.contract && { maxError: detail.contract.maxError, delta: detail.contract.delta },
          figures: { ...figures, curve: [...figures.curve], reliability: [...figures.reliability] },
          costs: detail.contract?.costs ?? null,
          offers: [...detail.offers],
          sources: [...detail.sources],
          evidence: [...detail.evidence],
          certificates: detail.certificates.map((one) => ({ ...one })),
          limits: set,
        };
      },
    }),
  ];
}

function changingRoutes(parts: HubParts): readonly HubRoute[] {
  const { database } = parts;
  return [
    personRoute("config.write", {
      ...{ method: "POST", path: "/v1/gates/:task/raise" },
      operation: { id: "raiseGate", summary: "Raise a gate threshold at once; `evidence` takes it back", tag },
      query: gateQuery,
      body: z.strictObject({ gateThreshold: z.union([share, z.literal("evidence")]).nullable(), why }),
      reply: z.strictObject({ raised: z.number().int(), agents: z.number().int() }),
      handle: async ({ caller, params, query, body }) => {
        const of = nameOf(params["task"] ?? "", query);
        await database.read((db) => mustChange(db, caller, of));
        return raiseGate(parts, caller, of, body);
      },
    }),
    personRoute("config.read", {
      ...{ method: "GET", path: "/v1/gates/:task/limits" },
      operation: { id: "readGateLimits", summary: "Within what the hub may change a task's gate by itself", tag },
      reply: limitsReply,
      handle: async ({ caller, params }) => {
        const task = taskOf(caller, params["task"]);
        return limitsOf(task, await database.read((db) => readLimits(db, task)));
      },
    }),
    personRoute("config.write", {
      ...{ method: "PUT", path: "/v1/gates/:task/limits" },
      operation: { id: "changeGateLimits", summary: "Say within what the hub may change a task's gate by itself", tag },
      body: z.strictObject({ limits: gateLimitsSchema.nullable() }),
      reply: limitsReply,
      handle: async ({ caller, params, body }) => {
        const task = taskOf(caller, params["task"]);
        if (caller.stores !== null)
          throw new HoldpointError("HP_FORBIDDEN", "limits are for the whole fleet's operators");
        return limitsOf(task, await changeLimits(parts, caller, task, body.limits));
      },
    }),
  ];
}

function proposalRoutes(parts: HubParts): readonly HubRoute[] {
  const end = (to: "applied" | "dismissed", id: string, path: string, summary: string): HubRoute =>
    personRoute("config.write", {
      ...{ method: "POST", path: `/v1/gate-proposals/:id/${path}`, operation: { id, summary, tag } },
      body: z.strictObject({ why }),
      reply: proposalSchema,
      handle: async ({ caller, params, body }) =>
        written(await endProposal(parts, caller, params["id"] ?? "", to, body.why)),
    });
  return [
    personRoute("config.read", {
      ...{ method: "GET", path: "/v1/gate-proposals" },
      operation: {
        id: "listGateProposals",
        summary: "What could be changed, with a preview on history, newest first",
        tag,
      },
      query: pageQuery({
        task: name.optional(),
        state: z.enum(["open", "applied", "dismissed", "superseded"]).optional(),
      }),
      reply: pageSchema(proposalSchema),
      handle: async ({ caller, query: { cursor, limit, task, state } }) => {
        const after = proposalCursors.read(cursor);
        const rows = await parts.database.read((db) =>
          db
            .selectFrom("gate_proposals")
            .selectAll()
            .$if(task !== undefined, (query) => query.where("task", "=", task ?? ""))
            .$if(state !== undefined, (query) => query.where("state", "=", state ?? "open"))
            .$if(after !== null, (query) => query.where("proposal_id", "<", after ?? ""))
            .orderBy("proposal_id", "desc")
            .limit(limit + 1)
            .execute(),
        );
        const page = pageOf(rows.map(keptOf), limit, ({ id }) => proposalCursors.write(id));
        // A page may have fewer than its limit: others' proposals are left out of it.
        return { items: page.items.filter((one) => isTheirs(caller, one)).map(written), cursor: page.cursor };
      },
    }),
    end("applied", "applyGateProposal", "apply", "Put a proposal's change of the config in force"),
    end("dismissed", "dismissGateProposal", "dismiss", "Say no to a proposal; it is not made again for 30 days"),
  ];
}

function written({ stores, edits, ...proposal }: KeptProposal): z.input<typeof proposalSchema> {
  return { ...proposal, stores: [...stores], edits: edits.map((edit) => ({ ...edit })) };
}

function nameOf(task: string, { store, region, label, rung }: z.output<typeof gateQuery>): GateName {
  const [level, scope] =
    store !== undefined
      ? (["store", store] as const)
      : region !== undefined
        ? (["region", region] as const)
        : (["fleet", fleetScope] as const);
  return { level, scope, task, label: label ?? null, rung };
}

/** A gate of several stores is of those who are answerable for all of them. One that reading does not find is not there. */
async function mustChange(db: GateDb, caller: PersonCaller, of: GateName): Promise<void> {
  if (caller.stores === null && inScope(caller.tasks, of.task)) return;
  await mustSeeGate(db, caller, of);
  if (of.level !== "store" && caller.stores !== null) {
    throw new HoldpointError("HP_FORBIDDEN", "this gate is also of stores that are not yours");
  }
}

function taskOf({ tasks }: PersonCaller, task = ""): string {
  if (!inScope(tasks, task)) throw new HoldpointError("HP_NOT_FOUND", "no such task");
  return task;
}

function limitsOf(task: string, set: SetLimits | null): z.input<typeof limitsReply> {
  return { task, limits: set?.limits ?? null, changedMs: set?.changedMs ?? null, changedBy: set?.changedBy ?? null };
}

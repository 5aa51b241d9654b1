import { type Kysely } from "kysely";
import {
  configBundleBytes,
  configBundleSchema,
  HoldpointError,
  toBase64,
  type Certificate,
  type ConfigBundle,
} from "../../../protocol/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { agentRoute, type HubRoute } from "../api/hub-route.ts";
import { filledUp, isDatabaseGone, together } from "../api/together.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubTables } from "../database/tables.ts";
import { type HubParts } from "../room.ts";
import { lockConfig } from "./config-announcing.ts";
import { hubLayers, type HubLayer } from "./config-tables.ts";

export interface BundleParts extends HubParts {
  /** Certificates of the gate for a store, each signed by itself. */
  readonly certificatesOf: (db: Kysely<HubTables>, store: string) => Promise<readonly Certificate[]>;
  /** Ed25519 with the hub's own key, beside the event loop. */
  readonly sign: (bytes: Uint8Array) => Promise<Uint8Array>;
}

/** `GET /v1/config`: what an agent is to run, signed for that agent alone. */
export function bundleRoute(parts: BundleParts): HubRoute {
  const layersTogether = together({
    ...{ itemsMax: agentsMax, isEverybodys: isDatabaseGone, keyOf: (agentId: string) => agentId },
    run: (agentIds) => parts.database.read((db) => layersOfAgents(db, agentIds)),
  });
  return agentRoute({
    method: "GET",
    path: "/v1/config",
    operation: { id: "readConfig", summary: "Read the hub's layers for this agent, signed", tag: "agents" },
    reply: configBundleSchema,
    handle: ({ caller }) => bundleFor(parts, layersTogether, caller),
  });
}

/** Agents whose layers are read by one statement: after a change of the fleet's all of them come in one moment. */
const agentsMax = 64;

/** Another version between two looks; one that changes so often is told again by the feed. */
const looksMax = 5;

async function bundleFor(
  parts: BundleParts,
  layersTogether: (agentId: string) => Promise<AgentLayers | null>,
  agent: AgentCaller,
): Promise<ConfigBundle> {
  const { clock, hubId, sign } = parts;
  const first = await layersTogether(agent.agentId);
  // Most stores are under no contract: that and the version came in one statement, so there is nothing to look at twice.
  const read = first?.isUnderContract ? await withCertificates(parts, agent) : first && { ...first, certificates: [] };
  if (!read) throw new HoldpointError("HP_NOT_FOUND", "this agent is not one of the fleet any more");
  const bundle = {
    v: 1 as const,
    hub: hubId,
    agentId: agent.agentId,
    version: read.version,
    issuedAtMs: Math.round(clock.wallMs()),
    layers: read.layers.map(({ layer, text, revision }) => ({ layer, text, revision })),
    certificates: [...read.certificates],
    ...(read.region === null ? {} : { region: read.region }),
  };
  return { ...bundle, signature: toBase64(await sign(configBundleBytes(bundle))) };
}

async function withCertificates(
  { database, certificatesOf }: BundleParts,
  agent: AgentCaller,
): Promise<(AgentLayers & { readonly certificates: readonly Certificate[] }) | null> {
  return database.read(async (db) => {
    for (let look = 1; ; look += 1) {
      const before = await layersOfAgent(db, agent.agentId);
      if (!before) return null;
      const certificates = await certificatesOf(db, agent.store);
      // A certificate comes with another version in one commit: where that is the same, so are they.
      const after = await layersOfAgent(db, agent.agentId);
      if (after?.version === before.version || look >= looksMax) return { ...before, certificates };
    }
  });
}

interface AgentLayers {
  readonly version: number;
  readonly region: string | null;
  readonly isUnderContract: boolean;
  /** Fleet first; layers that say nothing are left out. */
  readonly layers: readonly { readonly layer: HubLayer; readonly text: string; readonly revision: number }[];
}

async function layersOfAgent(db: Kysely<HubTables>, agentId: string): Promise<AgentLayers | null> {
  const [layers = null] = await layersOfAgents(db, [agentId]);
  return layers;
}

/** Version and texts in one statement: two would let a change slip between them, and one version have two contents. */
async function layersOfAgents(
  db: Kysely<HubTables>,
  agentIds: readonly string[],
): Promise<readonly (AgentLayers | null)[]> {
  const rows = await db
    .selectFrom("agents")
    .leftJoin("stores", "stores.store", "agents.store")
    .leftJoin("config_layers as fleet", (join) => join.on("fleet.layer", "=", "fleet").on("fleet.scope", "=", "-"))
    .leftJoin("config_layers as region", (join) =>
      join.on("region.layer", "=", "region").onRef("region.scope", "=", "stores.region"),
    )
    .leftJoin("config_layers as store", (join) =>
      join.on("store.layer", "=", "store").onRef("store.scope", "=", "agents.store"),
    )
    .select(["agents.agent_id", "agents.config_version as version", "stores.region as region_name"])
    .select(["fleet.text as fleet_text", "fleet.revision as fleet_revision"])
    .select(["region.text as region_text", "region.revision as region_revision"])
    .select(["store.text as store_text", "store.revision as store_revision"])
    .select((has) =>
      has
        .exists(
          has
            .selectFrom("gate_contracts")
            .select("gate_contracts.task")
            .whereRef("gate_contracts.store", "=", "agents.store"),
        )
        .as("is_under_contract"),
    )
    .where("agents.agent_id", "in", filledUp(agentIds))
    .execute();
  const found = new Map(rows.map((row) => [row.agent_id, readLayers(row)]));
  return agentIds.map((agentId) => found.get(agentId) ?? null);
}

type LayersRow = {
  readonly [K in `${HubLayer}_text`]: string | null;
} & { readonly [K in `${HubLayer}_revision`]: number | null } & {
  readonly version: number;
  readonly region_name: string | null;
  /** SQLite says 0 or 1. */
  readonly is_under_contract: unknown;
};

function readLayers(row: LayersRow): AgentLayers {
  const layers = hubLayers.map((layer) => {
    return { layer, text: row[`${layer}_text`] ?? "", revision: row[`${layer}_revision`] ?? 0 };
  });
  return {
    version: row.version,
    region: row.region_name,
    isUnderContract: Boolean(row.is_under_contract),
    layers: layers.filter(({ text }) => text.trim() !== ""),
  };
}

/**
 * For a new agent: the version that it starts at, 1 where there are layers for it. Holds the config's lock until the
 * commit, so that a change either finds the agent or is found by it.
 */
export async function firstConfigVersion(trx: HubTransaction, agentId: string): Promise<number> {
  await lockConfig(trx);
  const read = await layersOfAgent(trx.db, agentId);
  if (!read || read.layers.length === 0) return 0;
  await trx.db.updateTable("agents").set({ config_version: 1 }).where("agent_id", "=", agentId).execute();
  return 1;
}

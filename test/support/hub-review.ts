import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuditTrail } from "../../cloud-sync/hub/audit/audit-trail.ts";
import { openFileBlobs } from "../../cloud-sync/hub/blobs/file-blobs.node.ts";
import { createPictureVault } from "../../cloud-sync/hub/blobs/picture-vault.node.ts";
import { createSealer } from "../../cloud-sync/hub/blobs/sealing-thread.node.ts";
import { type PictureVault } from "../../cloud-sync/hub/blobs/picture-vault.ts";
import { type CaseListener, type CaseSample, type OpenedCase } from "../../cloud-sync/hub/cases/case-opening.ts";
import { type HubDatabase } from "../../cloud-sync/hub/database/database.ts";
import { openHubDatabase } from "../../cloud-sync/hub/database/open-database.node.ts";
import { type HubParts } from "../../cloud-sync/hub/room.ts";
import { hubReviewPolicy, type ReviewParts } from "../../cloud-sync/hub/review/review-parts.ts";
import { createGatePort, samplingListener } from "../../cloud-sync/hub/gate/gate-listener.ts";
import { createReviewListener } from "../../cloud-sync/hub/review/review-listener.ts";
import { newId, silentLogger, type Clock, type FeedItem, type Random, type Timers } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { heldDecision } from "./hub-items.ts";

/** The review room of one hub process, over a database of its own or one that it shares, without HTTP around it. */
export interface ReviewPlace {
  readonly parts: ReviewParts;
  readonly database: HubDatabase;
  readonly vault: PictureVault;
  readonly listener: CaseListener;
  close(): Promise<void>;
}

export interface PlaceOptions {
  /** `postgres://…`, or a new SQLite. */
  readonly url?: string | undefined;
  readonly clock?: Clock & Timers;
  readonly random?: Random;
  readonly policy?: Partial<ReviewParts["policy"]>;
  readonly wrap?: (database: HubDatabase) => HubDatabase;
}

/** Real randomness but for the coin that mixes a known case in now and then: whoever tests that passes their own. */
const noGold: Random = { bytes: (length) => systemRandom.bytes(length), uniform: () => 0.999 };

export async function openReviewPlace(options: PlaceOptions = {}): Promise<ReviewPlace> {
  const dir = mkdtempSync(join(tmpdir(), "holdpoint-review-"));
  const clock = options.clock ?? systemClock;
  const timers = options.clock ?? systemTimers;
  const random = options.random ?? noGold;
  const opened = await openHubDatabase({ url: options.url ?? dir, clock, random, logger: silentLogger });
  const database = (options.wrap ?? ((same) => same))(opened.database);
  const vault = createPictureVault(
    database,
    await openFileBlobs(join(dir, "blobs"), { clock, random }),
    clock,
    createSealer(false),
  );
  const { hubId } = opened;
  const hub: HubParts = {
    ...{ hubId, database, clock, timers, random, hasher: nodeHasher, logger: silentLogger },
    audit: createAuditTrail(hubId, clock, nodeHasher),
    events: { wants: () => Promise.resolve(false), emit: () => Promise.resolve(), askersChanged: () => undefined },
  };
  const parts: ReviewParts = {
    ...hub,
    gate: createGatePort(hub),
    policy: { ...hubReviewPolicy, ...options.policy },
    onDecided: () => Promise.resolve(),
  };
  return {
    ...{ parts, database, vault, listener: samplingListener(createReviewListener(parts), hub) },
    close: async () => {
      await opened.database.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export interface SeedTraits {
  readonly store?: string;
  readonly task?: string;
  readonly kind?: OpenedCase["kind"];
  /** Null: nobody waits. */
  readonly leftMs?: number | null;
  readonly heldAgoMs?: number;
  readonly confidence?: number;
  readonly label?: string | null;
  readonly costs?: OpenedCase["costs"];
  readonly picture?: Uint8Array;
  readonly agentId?: string | null;
  /** Null: no model had an answer. */
  readonly sample?: Partial<CaseSample> | null;
  /** The answer at the other rung, where it differs from the first. */
  readonly second?: Partial<CaseSample>;
}

export const seedModel = `sha256:${"a".repeat(64)}`;

function seedSample(traits: SeedTraits): CaseSample | null {
  const { label = "Kiwi", confidence = 0.6, sample } = traits;
  if (sample === null || label === null) return null;
  return {
    ...{ rung: "fine", predicted: label, confidence, gateThreshold: 0.95, certificate: null, model: seedModel },
    isUncertified: (sample?.certificate ?? null) === null && traits.kind !== "audit",
    ...{ isAudited: (sample?.certificate ?? null) !== null, fine: null, groups: null },
    ...{ calibration: "none", propensity: 1, isUniform: false, isRule: false, basket: null, isLost: false },
    ...sample,
  };
}

export const seedAgent = "agent-1";

/** Makes the agent of `store` known, so that answers have a feed to go to. */
export async function seedStore(database: HubDatabase, store: string, agentId = seedAgent): Promise<void> {
  await database.write(async ({ db }) => {
    const columns = { seen_ms: null, boot_id: null, boot_before: null, software: null, heartbeat: null };
    const row = { agent_id: agentId, store, name: agentId, public_key: agentId, state: "active" as const };
    await db
      .insertInto("agents")
      .values({ ...row, ...columns, enrolled_ms: 1, feed_seq: 0, feed_taken: 0, config_version: 0 })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  });
}

/**
 * Opens `count` cases as ingest does, 256 in a transaction, and returns their ids. The bench fills its queues with it:
 * a hundred thousand take some ten seconds on SQLite.
 */
export async function seedCases(
  place: ReviewPlace,
  count: number,
  traits: SeedTraits = {},
): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let from = 0; from < count; from += 256) {
    ids.push(...(await seedBatch(place, Math.min(256, count - from), traits)));
  }
  return ids;
}

async function seedBatch(place: ReviewPlace, count: number, traits: SeedTraits): Promise<readonly string[]> {
  const { parts, database, vault, listener } = place;
  const { store = "store_1", task = "product_identification", kind = "escalation", label = "Kiwi" } = traits;
  const { leftMs = 900_000, heldAgoMs = 0, confidence = 0.6, costs = null, agentId = seedAgent } = traits;
  const nowMs = Math.round(parts.clock.wallMs());
  const [heldMs, dueMs] = [nowMs - heldAgoMs, leftMs === null ? null : nowMs + leftMs];
  const opened = Array.from({ length: count }, (): OpenedCase => {
    const caseId = newId(parts.clock, parts.random);
    const sample = seedSample(traits);
    const second = traits.second && sample ? { ...sample, ...traits.second } : null;
    return { caseId, store, task, kind, dueMs, heldMs, confidence, label, costs, sample, second };
  });
  const rows = opened.map(({ caseId }) => {
    const decision = { ...heldDecision(undefined, label ?? "Kiwi"), task, confidence };
    const view = {
      ...{ id: decision.id, task, store, device: "camera-1", context: { shelf: "C2" }, inputKind: "image" },
      ...{ facts: [], series: [], suggestions: label === null ? [] : [{ label, confidence }] },
      ...{ gateThreshold: 0.95, confidence, reasons: ["below_gate"], question: "Which product is this?" },
      ...{ explanation: null, audit: kind === "audit", heldAtMs: heldMs },
    };
    return {
      ...{ case_id: caseId, store, decision_id: decision.id, agent_id: agentId, device: "camera-1", task, kind },
      ...{ body_digest: "0".repeat(64), decision: JSON.stringify(decision), first_decision: JSON.stringify(decision) },
      ...{ view: JSON.stringify(view), extra: null, costs: costs && JSON.stringify(costs), state: "open" as const },
      ...{ received_ms: nowMs, held_ms: heldMs, due_ms: dueMs, final_ms: null },
      ...(traits.picture
        ? {
            picture_sha256: "a".repeat(64),
            picture_bytes: traits.picture.byteLength,
            picture_type: "image/png" as const,
          }
        : { picture_sha256: null, picture_bytes: 0, picture_type: null }),
      picture_state: traits.picture ? ("kept" as const) : ("none" as const),
    };
  });
  const { picture } = traits;
  const keys = picture ? await vault.seal(opened.map(({ caseId }) => ({ caseId, bytes: picture }))) : [];
  await database.write(async (trx) => {
    await trx.db.insertInto("cases").values(rows).execute();
    await vault.keep(trx, keys);
    await listener.opened(trx, opened);
  });
  return opened.map(({ caseId }) => caseId);
}

/** Reviews in the agents' feeds, in order. */
export async function feedReviews(
  database: HubDatabase,
): Promise<readonly { readonly caseId: string; readonly item: Extract<FeedItem, { kind: "review" }> }[]> {
  const rows = await database.read((db) =>
    db
      .selectFrom("feed_items")
      .select("body")
      .where("kind", "=", "review")
      .orderBy("agent_id")
      .orderBy("seq")
      .execute(),
  );
  const items = rows.map(({ body }) => JSON.parse(body) as Extract<FeedItem, { kind: "review" }>);
  if (items.length === 0) return [];
  const cases = await database.read((db) => db.selectFrom("cases").select(["case_id", "decision_id"]).execute());
  const ids = new Map(cases.map((row) => [row.decision_id, row.case_id]));
  return items.map((item) => ({ caseId: ids.get(item.id) ?? "", item }));
}

/** Waits until news of this moment have reached this process: those before it have as well. */
export async function newsHeard(database: HubDatabase): Promise<void> {
  const marker = newId(systemClock, systemRandom);
  const heard: string[] = [];
  const stop = database.onNews((news) => {
    if (news.kind === "agent") heard.push(news.agentId);
  });
  for (let attempt = 0; attempt < 500 && !heard.includes(marker); attempt += 1) {
    // Again and again at the start only: the channel may not have been opened yet.
    if (attempt % 25 === 0) {
      await database.write(async ({ tell }) => {
        tell({ kind: "agent", agentId: marker });
        await Promise.resolve();
      });
    } else {
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
  }
  stop();
  if (!heard.includes(marker)) throw new Error("news do not travel");
}

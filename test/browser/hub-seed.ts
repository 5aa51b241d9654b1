import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { type IngestItem } from "../../protocol/index.ts";
import { enrolAgent, type TestAgent } from "../support/hub-agent.ts";
import { escalation, heldDecision, revisionOf } from "../support/hub-items.ts";
import { type HubRoomForTests } from "./hub-room.ts";

/** A store's box as the hub sees it: what it sends, and the answers that it takes. */
export interface SeededStore {
  readonly agent: TestAgent;
  /** Sends cases, each with its picture; the first in the list is due first. Returns their decisions' ids. */
  hold(cases: readonly SeededCase[]): Promise<readonly string[]>;
  beat(
    status?: Readonly<Record<string, unknown>>,
    counts?: readonly (readonly [string, number, number])[],
  ): Promise<void>;
  /** Takes every answer that waits in the feed: final in the journal, then acknowledged by the device. */
  settle(waitMs?: number): Promise<readonly { readonly id: string; readonly answer: unknown }[]>;
}

export interface SeededCase {
  /** Seed of the drawn picture; its label is the model's first answer unless told. */
  readonly n: number;
  readonly suggestions?: readonly (readonly [label: string, confidence: number])[];
  readonly task?: string;
  readonly leftMs?: number;
  readonly view?: Partial<NonNullable<IngestItem["brief"]>["view"]>;
}

const epoch = "e1";
const ingestMax = 50;

export async function seedStore({ hub, token }: HubRoomForTests, store: string, name = "box-1"): Promise<SeededStore> {
  const agent = await enrolAgent(hub.url, token, store, name);
  const bootId = `boot-${store}-${name}`;
  const held = new Map<string, ReturnType<typeof heldDecision>>();
  let seq = 0;
  let cursor: string | null = null;

  async function send(items: readonly IngestItem[], pictures: readonly unknown[] = []): Promise<void> {
    const from = items[0]?.seq ?? seq + 1;
    const body = { v: 1, epoch, from, items, lastSeq: seq, ...(pictures.length > 0 ? { pictures } : {}) };
    const taken = await agent.call("POST", "/v1/ingest", body, { msgpack: true });
    if (taken.status !== 200 || (taken.json["refused"] as unknown[]).length > 0) {
      throw new Error(`the hub refused: ${JSON.stringify(taken.json)}`);
    }
  }

  async function hold(cases: readonly SeededCase[]): Promise<readonly string[]> {
    const ids: string[] = [];
    for (let at = 0; at < cases.length; at += ingestMax) {
      const made = await Promise.all(cases.slice(at, at + ingestMax).map((one) => itemOf(one, store)));
      const items = made.map(({ decision, picture, one }) => {
        seq += 1;
        held.set(decision.id, decision);
        ids.push(decision.id);
        return briefed(escalation(seq, decision, picture), one, store);
      });
      const pictures = items.flatMap((item, index) => {
        const { picture = null } = made[index] ?? {};
        return picture === null ? [] : [{ id: item.id, sha256: item.brief?.picture?.sha256, data: picture }];
      });
      await send(items, pictures);
    }
    return ids;
  }

  return {
    agent,
    hold,
    beat: async (status = {}, counts = []) => {
      const beat = {
        ...{ v: 1, software: "0.1.0", bootId, hubConfig: null },
        outbox: { epoch, lastSeq: seq, watermark: seq },
        status: { ...healthy, agent: name, store, at: Date.now(), ...status },
        tasks: counts.map(([task, accepted, escalated]) => ({
          ...{ task, accepted, escalated, abstained: 0, labelsDigest: null, question: null },
        })),
      };
      const taken = await agent.call("POST", "/v1/heartbeat", beat);
      if (taken.status !== 200) throw new Error(`the heartbeat was refused: ${JSON.stringify(taken.json)}`);
    },
    settle: async (waitMs = 0) => {
      const query = `?wait=${waitMs}${cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`}`;
      const { json } = await agent.call("GET", `/v1/feed${query}`);
      cursor = json["cursor"] as string;
      const answers = (json["items"] as FeedReview[]).filter(({ kind }) => kind === "review");
      const rows = answers.flatMap(({ id, answer }): IngestItem[] => {
        const before = held.get(id);
        if (!before) return [];
        const label = answer.kind === "label" ? answer.label : "ask-shopper";
        const revision = revisionOf((seq += 1), before, label);
        const body = JSON.stringify({ id, revision: 2 });
        return [revision, { seq: (seq += 1), kind: "delivered", id, createdAtMs: Date.now(), body }];
      });
      if (rows.length > 0) await send(rows);
      return answers;
    },
  };
}

interface FeedReview {
  readonly kind: string;
  readonly id: string;
  readonly answer: { readonly kind: string; readonly label: string };
}

const healthy = {
  ...{ v: 1, state: "ready", reasons: [], inFlight: 0, waiting: 0, unsent: 0, safeToPowerOff: true },
  config: { revision: 1, digest: `sha256:${"b".repeat(64)}` },
  models: [
    {
      ...{ task: "product_identification", name: "product-id", version: "3.1.0", provider: "cpu" },
      digest: `sha256:${"4f".repeat(32)}`,
    },
  ],
};

async function itemOf(one: SeededCase, store: string) {
  // What is no picture comes without one.
  const isBare = one.view?.inputKind !== undefined;
  const { jpeg, label } = isBare ? { jpeg: null, label: "Royal-Gala" } : await drawShelfCrop(one.n);
  const [best = [label, 0.62]] = one.suggestions ?? [];
  const base = heldDecision(undefined, best[0]);
  const decision = { ...base, task: one.task ?? base.task, confidence: best[1], gateThreshold: 0.92 };
  return { decision, picture: jpeg, one, store };
}

function briefed(item: IngestItem, one: SeededCase, store: string): IngestItem {
  if (!item.brief) return item;
  const suggestions = (
    one.suggestions ?? [
      [item.brief.view.suggestions[0]?.label ?? "", 0.62],
      ["Kiwi", 0.2],
    ]
  ).map(([label, confidence]) => ({ label, confidence }));
  const heldAtMs = Date.now() - 40_000;
  const view = { ...item.brief.view, store, suggestions, heldAtMs, gateThreshold: 0.92, ...one.view };
  return { ...item, createdAtMs: heldAtMs, brief: { ...item.brief, view, reviewLeftMs: one.leftMs ?? 900_000 } };
}

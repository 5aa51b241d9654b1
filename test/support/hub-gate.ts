import { newId, type Decision, type IngestItem } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { labelsDigest } from "../../models/index.ts";
import { type TestAgent } from "./hub-agent.ts";
import { escalation, heldDecision } from "./hub-items.ts";

/** Decisions of a model under a contract, as an agent sends them, with what they turned out to be. */
export interface Judged {
  readonly confidence: number;
  readonly isWrong: boolean;
  /** An accepted decision that was drawn; else one that went to people because nothing was certified. */
  readonly audit?: { readonly certificate: string; readonly gateThreshold: number; readonly propensity: number };
  readonly basket?: string;
  /** Confidence in the group of a model that `reportGroups` has told of, behind a fine gate at 0.9. */
  readonly group?: number;
  readonly task?: string;
}

export const gateTask = "product_identification";
const said = "Royal-Gala";
const truth = "Pink-Lady";
const grouped = { labels: [said, truth, "Milk"], coarse: { labels: ["Apple", "Dairy"], of: [0, 0, 1] } };
const groups = labelsDigest(grouped.labels, grouped.coarse, nodeHasher);

/** An agent's report with the labels of its model and their groups. */
export async function reportGroups(agent: TestAgent, store: string, task: string): Promise<void> {
  const config = { revision: 1, digest: `sha256:${"b".repeat(64)}` };
  const status = {
    ...{ v: 1, agent: "box", store, state: "ready", reasons: [], inFlight: 0, waiting: 0, unsent: 0 },
    ...{ safeToPowerOff: true, config, models: [], at: 1 },
  };
  const counts = { task, accepted: 0, escalated: 0, abstained: 0, labelsDigest: groups, question: null, ...grouped };
  const answer = await agent.call("POST", "/v1/heartbeat", {
    ...{ v: 1, software: "test", bootId: "boot-1", status, outbox: { epoch: "e1", lastSeq: 1, watermark: 1 } },
    ...{ tasks: [counts], hubConfig: null },
  });
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.json));
}

function secondOf(confidence: number) {
  const asked = { gateThreshold: 1, certificate: null, accepts: false };
  return { groups, second: { rung: "coarse", label: "Apple", confidence, calibration: "none", ...asked } };
}

/** The rows of one decision: the case, and its outcome, which is a label without anybody at the hub. */
function rowsOf(seq: number, { confidence, isWrong, audit, basket, group, task }: Judged): readonly IngestItem[] {
  const made = heldDecision(newId(systemClock, systemRandom), said);
  const held = { ...made, task: task ?? made.task };
  const decision: Decision = {
    ...held,
    ...{ confidence, score: confidence },
    ...(audit
      ? { verdict: "accept", status: "final", certificate: audit.certificate, gateThreshold: audit.gateThreshold }
      : group === undefined
        ? { gateThreshold: 1, reasons: ["uncertified", "below_gate"] }
        : { gateThreshold: 0.9, reasons: ["below_gate"] }),
    ...(audit ? { reasons: ["confident", "audit"] } : {}),
  };
  const item = escalation(seq, decision);
  const sample = {
    ...{ propensity: audit?.propensity ?? 1, uniform: audit !== undefined, rule: false, rung: "fine" as const },
    ...{ confidence, calibration: "none" },
    ...(group === undefined ? {} : secondOf(group)),
  };
  const { brief } = item;
  const view = brief && {
    ...brief.view,
    ...{ inputKind: "tensor", context: basket === undefined ? {} : { basket }, audit: audit !== undefined },
  };
  const outcome = { id: decision.id, label: isWrong ? truth : said, source: "pos", at: 1_795_000_000_000 };
  return [
    {
      ...item,
      kind: audit ? "audit" : "escalation",
      // After an alarm only what was decided since counts.
      createdAtMs: Date.now(),
      body: JSON.stringify({ decision, id: decision.id, sample }),
      ...(brief && view ? { brief: { ...brief, view, reviewLeftMs: audit ? null : 900_000 } } : {}),
    },
    {
      ...{ seq: seq + 1, kind: "outcome", id: decision.id, createdAtMs: Date.now() },
      body: JSON.stringify({ id: decision.id, outcome }),
    },
  ];
}

/** Sends decisions and their outcomes as one agent does, call after call; numbers go on from call to call. */
export function judgingAgent(agent: TestAgent): (judged: readonly Judged[]) => Promise<void> {
  let seq = 0;
  return async (judged) => {
    for (let from = 0; from < judged.length; from += 100) {
      const items = judged.slice(from, from + 100).flatMap((one, index) => rowsOf(seq + 1 + 2 * index, one));
      const body = { v: 1, epoch: "e1", from: seq + 1, items, lastSeq: seq + items.length };
      const answer = await agent.call("POST", "/v1/ingest", body);
      const { refused } = answer.json as { readonly refused?: readonly unknown[] };
      if (answer.status !== 200 || refused?.length !== 0) throw new Error(JSON.stringify(answer.json));
      seq += items.length;
    }
  };
}

/** A model whose errors are all below 0.7: `count` confidences evenly from 0.5 to 1, each tenth of the unsure ones wrong. */
export function steepModel(count: number): readonly Judged[] {
  return Array.from({ length: count }, (_, index) => {
    // A stride that is coprime to the count, so that every stretch has confidences of all kinds.
    const confidence = 0.5 + (0.5 * ((index * 37) % count)) / count;
    return { confidence, isWrong: confidence < 0.7 && index % 3 === 0 };
  });
}

/** Waits until `look` finds something. */
export async function until<T>(look: () => Promise<T | null | undefined>, what: string, waitMs = 20_000): Promise<T> {
  const endMs = Date.now() + waitMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined) return found;
    if (Date.now() > endMs) throw new Error(`${what}: not within ${waitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

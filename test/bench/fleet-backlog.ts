import { randomFillSync } from "node:crypto";
import { type CaseBriefs, type OutboxItem, type OutboxSource } from "../../cloud-sync/edge/outbox-port.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { toHex } from "../../protocol/index.ts";
import { escalation, heldDecision, sampled } from "../support/hub-items.ts";
import { pictureBytes } from "./hub-load.ts";

/** What an agent owes its hub, made row by row when it is sent: a fleet's backlog does not fit into memory. */
export interface Backlog {
  readonly outbox: OutboxSource;
  readonly briefs: CaseBriefs;
}

/** Pictures are cut out of it: noise, because nothing must be won by compressing them. */
const noise = randomFillSync(new Uint8Array(4 * 1024 * 1024));

export const emptyBacklog: Backlog = backlogOf(0, 0);

/** `rows` escalations of agent number `agent`, each with a picture of its own of 12 KB. */
export function backlogOf(agent: number, rows: number): Backlog {
  return {
    outbox: {
      epoch: "bench",
      rows: (afterSeq, limit) => {
        const count = Math.max(0, Math.min(limit, rows - afterSeq));
        return Promise.resolve(Array.from({ length: count }, (_, index) => rowOf(agent, afterSeq + index + 1)));
      },
      lastSeq: () => rows,
      forwarded: () => Promise.resolve(),
      onWritten: () => () => undefined,
    },
    briefs: {
      prepare: (id) => {
        const bytes = pictureOf(agent, seqOf(id));
        const { brief } = escalation(seqOf(id), heldDecision(id), bytes);
        const picture = { sha256: toHex(nodeHasher.sha256(bytes)), bytes };
        return Promise.resolve(brief ? { brief, picture } : null);
      },
    },
  };
}

function rowOf(agent: number, seq: number): OutboxItem {
  const { kind, id, createdAtMs, body } = sampled(escalation(seq, heldDecision(idOf(agent, seq))));
  return { seq, kind, id, createdAtMs, body };
}

/** A UUIDv7 that says whose it is: the same row has the same id however often it is read. */
function idOf(agent: number, seq: number): string {
  return `01a0f000-0000-7000-8000-${hex(agent, 4)}${hex(seq, 8)}`;
}

function seqOf(id: string): number {
  return Number.parseInt(id.slice(-8), 16);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

function pictureOf(agent: number, seq: number): Uint8Array<ArrayBuffer> {
  const start = ((agent * 7919 + seq) * 4099) % (noise.byteLength - pictureBytes);
  const bytes = noise.slice(start, start + pictureBytes);
  new DataView(bytes.buffer).setUint32(0, agent);
  new DataView(bytes.buffer).setUint32(4, seq);
  return bytes;
}

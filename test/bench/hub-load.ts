import { randomBytes, randomFillSync } from "node:crypto";
import { Agent, request } from "node:http";
import { json } from "node:stream/consumers";
import { encodeMessage, hubLimits, signatureHeaders, type IngestItem } from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { enrolAgent, type TestAgent } from "../support/hub-agent.ts";
import { escalation, sampled } from "../support/hub-items.ts";
import { type BenchHub } from "./hub-place.ts";

/** What a store sends: cases with a picture each, as its journal and forwarder make them. */

export const pictureBytes = 12 * 1024;

export interface StoreLoad {
  readonly agent: TestAgent;
  readonly ingestUrl: URL;
  /** One connection that stays open, as a forwarder has it. */
  readonly connection: Agent;
  /** Rows that were sent so far. */
  sent: number;
}

export interface CaseWithPicture {
  readonly item: IngestItem;
  readonly picture: Uint8Array;
}

export async function enrolStores(hub: Pick<BenchHub, "url" | "token">, count: number): Promise<readonly StoreLoad[]> {
  const loads: StoreLoad[] = [];
  for (let index = 0; index < count; index += 1) {
    loads.push({
      ...{ agent: await enrolAgent(hub.url, hub.token, `store_${index}`), sent: 0 },
      ...{ ingestUrl: new URL("/v1/ingest", hub.url), connection: new Agent({ keepAlive: true, maxSockets: 1 }) },
    });
  }
  return loads;
}

/** The next `count` cases of a store. Pictures are noise, because nothing must be won by compressing them. */
export function nextCases(load: StoreLoad, count: number): readonly CaseWithPicture[] {
  return Array.from({ length: count }, (_, index) => {
    const picture = randomFillSync(new Uint8Array(pictureBytes));
    return { item: sampled(escalation(load.sent + index + 1, undefined, picture)), picture };
  });
}

/** One ingest call, encoded and signed: an agent's own work is not the hub's. */
export interface IngestCall {
  readonly rows: number;
  readonly last: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export function ingestCall({ agent }: StoreLoad, cases: readonly CaseWithPicture[]): IngestCall {
  if (cases.length > hubLimits.ingestItemsMax) throw new Error("too many rows for one call");
  const from = cases[0]?.item.seq ?? 0;
  const last = from + cases.length - 1;
  const sent = {
    ...{ v: 1, epoch: "bench", from, lastSeq: last },
    items: cases.map(({ item }) => item),
    pictures: cases.map(({ item, picture }) => ({
      id: item.id,
      sha256: item.brief?.picture?.sha256 ?? "",
      data: picture,
    })),
  };
  const body = encodeMessage(sent, "msgpack");
  const facts = {
    keyId: agent.agentId,
    createdS: Math.floor(Date.now() / 1000),
    nonce: randomBytes(12).toString("base64url"),
  };
  const signed = { method: "POST", path: "/v1/ingest", query: "", body };
  const headers = {
    ...signatureHeaders(signed, facts, nodeHasher, (base) => agent.key.sign(base)),
    "content-length": String(body.byteLength),
  };
  return { rows: cases.length, last, headers, body };
}

/**
 * Resolves when the hub has every row of the call durably. Node's own client writes the bytes as they are; `fetch` took as
 * much of the two cores as a third of the hub's work.
 */
export async function sendCall(load: StoreLoad, { last, headers, body }: IngestCall): Promise<void> {
  const { ingestUrl, connection: agent } = load;
  const [status, answer] = await new Promise<[number, Record<string, unknown>]>((resolve, reject) => {
    const call = request(ingestUrl, { method: "POST", headers, agent }, (response) => {
      void json(response).then((value) => {
        resolve([response.statusCode ?? 0, value as Record<string, unknown>]);
      }, reject);
    });
    call.once("error", reject);
    call.end(body);
  });
  if (status !== 200) throw new Error(`the hub answered ${status}: ${JSON.stringify(answer)}`);
  if (answer["watermark"] !== last) throw new Error(`the hub has ${String(answer["watermark"])} of ${last} rows`);
  load.sent = last;
}

import { randomFillSync } from "node:crypto";
import { encodeMessage, hubLimits, type IngestItem } from "../../protocol/index.ts";
import { enrolAgent, type TestAgent } from "../support/hub-agent.ts";
import { escalation, sampled } from "../support/hub-items.ts";
import { type BenchHub } from "./hub-place.ts";

/** What a store sends: cases with a picture each, as its journal and forwarder make them. */

export const pictureBytes = 12 * 1024;

export interface StoreLoad {
  readonly agent: TestAgent;
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
    loads.push({ agent: await enrolAgent(hub.url, hub.token, `store_${index}`), sent: 0 });
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

/** One ingest call, encoded: an agent's own work is not the hub's. */
export interface IngestCall {
  readonly rows: number;
  readonly last: number;
  readonly body: Uint8Array;
}

export function ingestCall(cases: readonly CaseWithPicture[]): IngestCall {
  if (cases.length > hubLimits.ingestItemsMax) throw new Error("too many rows for one call");
  const from = cases[0]?.item.seq ?? 0;
  const last = from + cases.length - 1;
  const body = {
    ...{ v: 1, epoch: "bench", from, lastSeq: last },
    items: cases.map(({ item }) => item),
    pictures: cases.map(({ item, picture }) => ({
      id: item.id,
      sha256: item.brief?.picture?.sha256 ?? "",
      data: picture,
    })),
  };
  return { rows: cases.length, last, body: encodeMessage(body, "msgpack") };
}

/** Resolves when the hub has every row of the call durably. */
export async function sendCall(load: StoreLoad, { last, body }: IngestCall): Promise<void> {
  const { status, json } = await load.agent.call("POST", "/v1/ingest", body);
  if (status !== 200) throw new Error(`the hub answered ${status}: ${JSON.stringify(json)}`);
  if (json["watermark"] !== last) throw new Error(`the hub has ${String(json["watermark"])} of ${last} rows`);
  load.sent = last;
}

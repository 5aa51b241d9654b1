import { expect, test } from "vitest";
import { startForwarding } from "../../cloud-sync/edge/forwarder.ts";
import { type HubAnswer, type HubCall, type HubExchange } from "../../cloud-sync/edge/hub-port.ts";
import { type OutboxItem } from "../../cloud-sync/edge/outbox-port.ts";
import { decodeMessage, newId, silentLogger, type IngestRequest } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";

function exchangeThatTakesAll(sent: number[]): HubExchange {
  return {
    call: <T>(call: HubCall<T>): Promise<HubAnswer<T>> => {
      const decoded = decodeMessage(call.body?.bytes ?? new Uint8Array());
      if (!decoded.ok) throw decoded.error;
      const { items } = decoded.value.value as IngestRequest;
      sent.push(...items.map(({ seq }) => seq));
      const reply = { watermark: items.at(-1)?.seq ?? 0, refused: [], wanted: [] };
      return Promise.resolve({ ok: true, value: reply as T });
    },
  };
}

test("a row that is written while the journal says that it has none is sent at once", async () => {
  const rows: OutboxItem[] = [];
  const sent: number[] = [];
  let hear: () => void = () => undefined;
  let asked = 0;
  const write = (): void => {
    const seq = rows.length + 1;
    const id = newId(systemClock, systemRandom);
    rows.push({ seq, kind: "delivered", id, createdAtMs: 1, body: JSON.stringify({ id, revision: 1 }) });
    hear();
  };
  write();
  const forwarder = startForwarding({
    ...{ exchange: exchangeThatTakesAll(sent), timers: systemTimers, random: systemRandom, logger: silentLogger },
    briefs: { prepare: () => Promise.resolve(null) },
    outbox: {
      epoch: "e",
      rows: async (after) => {
        asked += 1;
        const found = rows.filter(({ seq }) => seq > after);
        await new Promise((resolve) => setImmediate(resolve));
        // The journal has looked, and its answer is on the way.
        if (asked === 2) write();
        return found;
      },
      lastSeq: () => rows.length,
      forwarded: () => Promise.resolve(),
      onWritten: (listener) => {
        hear = listener;
        return () => undefined;
      },
    },
    pace: { startMsMax: 0 },
  });
  await expect.poll(() => sent, { timeout: 2_000 }).toEqual([1, 2]);
  await expect.poll(() => forwarder.isDelivered()).toBe(true);
  await forwarder.close();
});

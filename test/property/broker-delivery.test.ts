import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DeliveryWindow, type SentRevision } from "../../edge-agent/broker/delivery-window.ts";
import { type Revision } from "../../edge-agent/service.ts";

const revisionOf = (n: number): Revision => ({
  device: "camera-1",
  decision: { id: `id-${n}`, revision: 1 } as Revision["decision"],
  encoding: "json",
  transport: "mqtt",
});

type Step =
  "decide" | "read" | "acknowledge" | "answer" | "clear" | "reconnect" | "clog" | "flow" | "tick" | "fail-fetch";
const steps = fc.array(
  fc.constantFrom<Step[]>(
    "read",
    "decide",
    "decide",
    "decide",
    "acknowledge",
    "acknowledge",
    "answer",
    "clear",
    "reconnect",
    "clog",
    "flow",
    "tick",
    "fail-fetch",
  ),
  { maxLength: 120 },
);

interface Fetch {
  resolve(rows: readonly Revision[]): void;
  reject(error: Error): void;
  readonly limit: number;
  rows: readonly Revision[] | null;
}

/** A journal that clears rows late, a peer that acknowledges when it likes, connections that end at any moment. */
class World {
  readonly windowMax = 4;
  readonly rows: Revision[] = [];
  readonly cleared: string[] = [];
  readonly sentEver = new Set<string>();
  onWire: { packetId: number; id: string }[] = [];
  fetches: Fetch[] = [];
  toClear: string[] = [];
  clogged = false;
  readonly faults: string[] = [];
  decided = 0;
  window = this.#open(new Map());

  #open(resumed: ReadonlyMap<number, SentRevision>): DeliveryWindow {
    const acknowledgedHere = new Set<string>();
    const window = new DeliveryWindow(
      {
        send: (revision, packetId, dup) => {
          const { id } = revision.decision;
          if (this.onWire.some((sent) => sent.id === id)) this.faults.push(`${id} is in flight twice`);
          if (this.onWire.some((sent) => sent.packetId === packetId))
            this.faults.push(`packet id ${packetId} is used twice`);
          if (acknowledgedHere.has(id)) this.faults.push(`${id} was acknowledged on this connection`);
          if (dup !== (resumed.get(packetId)?.id === id)) this.faults.push("a repeat is not marked, or marked wrongly");
          this.onWire.push({ packetId, id });
          this.sentEver.add(id);
          if (this.onWire.length > this.windowMax) this.faults.push("the window is too large");
        },
        undelivered: (limit) =>
          new Promise((resolve, reject) => void this.fetches.push({ resolve, reject, limit, rows: null })),
        delivered: (id) => {
          acknowledgedHere.add(id);
          this.toClear.push(id);
        },
        clogged: () => this.clogged,
      },
      this.windowMax,
      resumed,
    );
    window.subscribed(1);
    return window;
  }

  step(step: Step): void {
    if (step === "decide") {
      const revision = revisionOf(this.decided++);
      this.rows.push(revision);
      this.window.offer(revision);
    } else if (step === "acknowledge") {
      const sent = this.onWire.shift();
      if (sent && this.window.acknowledge(sent.packetId)?.id !== sent.id)
        this.faults.push("the PUBACK found another row");
    } else if (step === "answer") {
      const fetch = this.fetches.shift();
      fetch?.resolve(fetch.rows ?? this.rows.slice(0, fetch.limit));
    } else if (step === "read") {
      // The journal has read, and its answer is on its way.
      for (const fetch of this.fetches) fetch.rows ??= this.rows.slice(0, fetch.limit);
    } else if (step === "fail-fetch") this.fetches.shift()?.reject(new Error("the journal is busy"));
    else if (step === "clear") {
      for (const id of this.toClear.splice(0)) {
        const at = this.rows.findIndex(({ decision }) => decision.id === id);
        if (at >= 0) this.rows.splice(at, 1);
      }
    } else if (step === "reconnect") {
      this.window.close();
      this.onWire = [];
      this.window = this.#open(new Map(this.window.inflight()));
    } else if (step === "clog") this.clogged = true;
    else if (step === "flow") {
      this.clogged = false;
      this.window.pump();
    } else this.window.pump();
  }
}

describe("the delivery window", () => {
  test("each revision is delivered, in flight once at most, and never again on a connection that acknowledged it", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const world = new World();
        for (const step of script) {
          world.step(step);
          await Promise.resolve();
          await Promise.resolve();
        }
        // Then the peer acknowledges everything and the journal catches up.
        world.step("flow");
        for (let i = 0; i < 4 * (world.decided + 4) && (world.rows.length > 0 || i < 4); i += 1) {
          for (const step of ["clear", "answer", "acknowledge", "clear", "tick"] as const) {
            world.step(step);
            await Promise.resolve();
            await Promise.resolve();
          }
        }
        expect(world.faults).toEqual([]);
        expect(world.rows).toEqual([]);
        expect(world.sentEver.size).toBe(world.decided);
      }),
      { numRuns: 300 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { systemTimers } from "../../protocol/platform/clock.node.ts";
import { Batcher, type BatcherOptions } from "../../models/runtimes/batcher.ts";

const options = (given: Partial<BatcherOptions<number, number>>): BatcherOptions<number, number> => ({
  batchMax: 4,
  inFlightMax: 1,
  waitMs: 0,
  queueRowsMax: 1000,
  timers: systemTimers,
  run: (rows) => Promise.resolve(rows.map((row) => row * 10)),
  overload: () => -1,
  ...given,
});

describe("the batcher", () => {
  it("keeps order, bounds every batch and the batches under way, and answers each row once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 3 }),
        async (turns, batchMax, inFlightMax) => {
          let inFlight = 0;
          const ran: number[] = [];
          const run = async (rows: readonly number[]): Promise<readonly number[]> => {
            inFlight += 1;
            expect(inFlight).toBeLessThanOrEqual(inFlightMax);
            expect(rows.length).toBeLessThanOrEqual(batchMax);
            ran.push(...rows);
            for (let turn = rows[0] ?? 0; turn % 4 !== 0; turn += 1) await Promise.resolve();
            inFlight -= 1;
            return rows.map((row) => row * 10);
          };
          const batcher = new Batcher<number, number>(options({ batchMax, inFlightMax, run }));
          const answers: Promise<number>[] = [];
          for (const [row, pause] of turns.entries()) {
            answers.push(batcher.submit(row));
            for (let turn = 0; turn < pause; turn += 1) await Promise.resolve();
          }
          expect(await Promise.all(answers)).toEqual(turns.map((_, row) => row * 10));
          expect(ran).toEqual(turns.map((_, row) => row));
          await batcher.drained();
          expect(batcher.waiting).toBe(0);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("gathers what arrives while a batch runs", async () => {
    const sizes: number[] = [];
    let finish = (): void => undefined;
    const run = async (rows: readonly number[]): Promise<readonly number[]> => {
      sizes.push(rows.length);
      if (sizes.length === 1) await new Promise<void>((done) => (finish = done));
      return rows;
    };
    const batcher = new Batcher<number, number>(options({ batchMax: 32, run }));
    const first = batcher.submit(0);
    await new Promise((done) => setTimeout(done, 1));
    const rest = Array.from({ length: 10 }, (_, row) => batcher.submit(row));
    finish();
    await Promise.all([first, ...rest]);
    expect(sizes).toEqual([1, 10]);
  });

  it("sheds beyond its queue and takes rows again afterwards", async () => {
    const batcher = new Batcher<number, number>(options({ queueRowsMax: 3 }));
    const answers = await Promise.all([1, 2, 3, 4, 5].map((row) => batcher.submit(row)));
    expect(answers).toEqual([10, 20, 30, -1, -1]);
    expect(await batcher.submit(6)).toBe(60);
  });

  it("bounds the bytes that wait and the bytes of a batch, and always lets one row through", async () => {
    const mebibyte = 1024 * 1024;
    const sizes: number[] = [];
    const run = (rows: readonly number[]): Promise<readonly number[]> => {
      sizes.push(rows.length);
      return Promise.resolve(rows);
    };
    const batcher = new Batcher<number, number>(options({ batchMax: 100, run, bytesOf: (row) => row * mebibyte }));
    const answers = await Promise.all([200, 20, 10, 10, 8, 8, 8].map((row) => batcher.submit(row)));
    expect(answers).toEqual([200, 20, 10, 10, 8, 8, -1]);
    expect(sizes).toEqual([1, 2, 3]);
    expect(await batcher.submit(1000)).toBe(1000);
  });

  it("waits for a fuller batch only as long as it was told, and not at all once the batch is full", async () => {
    const sizes: number[] = [];
    const run = (rows: readonly number[]): Promise<readonly number[]> => {
      sizes.push(rows.length);
      return Promise.resolve(rows);
    };
    const batcher = new Batcher<number, number>(options({ batchMax: 2, waitMs: 20, run }));
    const began = performance.now();
    const early = batcher.submit(1);
    await new Promise((done) => setTimeout(done, 2));
    await Promise.all([early, batcher.submit(2)]);
    expect(performance.now() - began).toBeLessThan(19);
    await batcher.submit(3);
    expect(performance.now() - began).toBeGreaterThan(19);
    expect(sizes).toEqual([2, 1]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { Batcher, type BatcherOptions } from "../../models/runtimes/batcher.ts";
import { fakeClock } from "../../testing/index.ts";

const options = (given: Partial<BatcherOptions<number, number>>): BatcherOptions<number, number> => ({
  batchMax: 4,
  inFlightMax: 1,
  waitMs: 0,
  queueRowsMax: 1000,
  clock: systemClock,
  timers: systemTimers,
  run: (rows) => Promise.resolve(rows.map((row) => row * 10)),
  overload: () => -1,
  timeout: () => -2,
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
    const clock = fakeClock();
    const sizes: number[] = [];
    const run = (rows: readonly number[]): Promise<readonly number[]> => {
      sizes.push(rows.length);
      return Promise.resolve(rows);
    };
    const batcher = new Batcher<number, number>(options({ batchMax: 2, waitMs: 20, run, clock, timers: clock }));
    const early = batcher.submit(1);
    clock.advance(2);
    await Promise.all([early, batcher.submit(2)]);
    const late = batcher.submit(3);
    clock.advance(19);
    expect(sizes).toEqual([2]);
    clock.advance(1);
    expect(await late).toBe(3);
    expect(sizes).toEqual([2, 1]);
  });
});

/** A model that takes so long for every batch, whatever is in it, and answers a row with ten times itself. */
function slowModel(batchMs: number, given: Partial<BatcherOptions<number, number>> = {}) {
  const clock = fakeClock();
  const ran: number[] = [];
  const run = async (rows: readonly number[]): Promise<readonly number[]> => {
    ran.push(...rows);
    await new Promise<void>((done) => void clock.after(batchMs, done));
    return rows.map((row) => row * 10);
  };
  const batcher = new Batcher<number, number>(options({ batchMax: 4, clock, timers: clock, run, ...given }));
  /** Lets time pass in small steps, so that what falls due is done before the next step. */
  const pass = async (ms: number): Promise<void> => {
    for (let step = 0; step < ms; step += 1) {
      clock.advance(1);
      for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
    }
  };
  return { batcher, clock, ran, pass };
}

describe("the batcher under more than it can run in time", () => {
  it("refuses at once what stands behind more than can be run within its patience", async () => {
    const { batcher, pass } = slowModel(10);
    const first = batcher.submit(0, 100);
    await pass(11);
    expect(await first).toBe(0);
    // 10 ms a batch of four, and a quarter more for what an expectation does not know: a hundred hold eight batches.
    const answers = Array.from({ length: 60 }, (_, row) => batcher.submit(row, 100));
    const early = await Promise.all(answers.map((answer) => Promise.race([answer, Promise.resolve(null)])));
    expect(early.filter((answer) => answer === -1)).toHaveLength(28);
    expect(early.slice(32).every((answer) => answer === -1)).toBe(true);
    await pass(85);
    expect(await Promise.all(answers.slice(0, 32))).toEqual(Array.from({ length: 32 }, (_, row) => row * 10));
  });

  it("takes a patient row where it refuses an impatient one", async () => {
    const { batcher, pass } = slowModel(10);
    void batcher.submit(0);
    await pass(11);
    const crowd = Array.from({ length: 8 }, (_, row) => batcher.submit(row));
    expect(await batcher.submit(100, 20)).toBe(-1);
    const patient = batcher.submit(101, 60);
    await pass(60);
    await Promise.all(crowd);
    expect(await patient).toBe(1010);
  });

  it("passes over what would come too late, by `timeout` where the time is up, and runs what can be in time", async () => {
    // Nothing is known of the model before its first answer, so everything is let in.
    const { batcher, ran, pass } = slowModel(50);
    const first = batcher.submit(1, 1000);
    await pass(1);
    const over = batcher.submit(2, 30);
    const short = batcher.submit(3, 80);
    const long = batcher.submit(4, 1000);
    await pass(120);
    expect(await Promise.all([first, over, short, long])).toEqual([10, -2, -1, 40]);
    expect(ran).toEqual([1, 4]);
    expect(batcher.waiting).toBe(0);
  });

  it("tries a row where nothing runs, although none is expected in time: an expectation that is wrong is put right", async () => {
    const clock = fakeClock();
    let batchMs = 1000;
    const run = async (rows: readonly number[]): Promise<readonly number[]> => {
      const tookMs = batchMs;
      batchMs = 1;
      await new Promise<void>((done) => void clock.after(tookMs, done));
      return rows;
    };
    const batcher = new Batcher<number, number>(options({ clock, timers: clock, run }));
    const settle = async (ms: number): Promise<void> => {
      for (let step = 0; step < ms; step += 1) {
        clock.advance(1);
        for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
      }
    };
    void batcher.submit(0);
    await settle(1001);
    const answers: number[] = [];
    for (let row = 1; row <= 100; row += 1) {
      for (const one of [batcher.submit(row, 20), batcher.submit(row, 20)]) void one.then((out) => answers.push(out));
      await settle(3);
    }
    expect(answers.slice(0, 20).filter((answer) => answer === -1).length).toBeGreaterThan(5);
    expect(answers.slice(-20).every((answer) => answer > 0)).toBe(true);
  });

  it("answers everybody, nobody late but by a refusal, and loses none of what the model can do", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ rows: fc.integer({ min: 0, max: 12 }), withinMs: fc.integer({ min: 0, max: 200 }) }), {
          minLength: 60,
          maxLength: 80,
        }),
        fc.integer({ min: 1, max: 2 }),
        async (arrivals, inFlightMax) => {
          const { batcher, clock, pass, ran } = slowModel(8, { inFlightMax });
          const open: Promise<void>[] = [];
          let useful = 0;
          for (const { rows, withinMs } of arrivals) {
            for (let row = 1; row <= rows; row += 1) {
              const byMs = clock.monotonicMs() + withinMs;
              const answered = batcher.submit(row, withinMs).then((out) => {
                if (out > 0 && clock.monotonicMs() <= byMs) useful += 1;
              });
              open.push(answered);
            }
            await pass(2);
          }
          await pass(300);
          await Promise.all(open);
          await batcher.drained();
          expect(batcher.waiting).toBe(0);
          // What ran too late: at most what was begun before anything was known, and single tries.
          expect(ran.length - useful).toBeLessThanOrEqual(Math.max(12, ran.length / 4));
        },
      ),
      { numRuns: 40 },
    );
  });

  it("keeps the model at its capacity of useful answers at many times what it can do", async () => {
    const { batcher, clock, pass } = slowModel(10, { batchMax: 4, inFlightMax: 2, queueRowsMax: 2048 });
    let useful = 0;
    let late = 0;
    // Ten rows a millisecond, where 0.8 can be run (two batches of four at once, 10 ms each), for two seconds.
    for (let ms = 0; ms < 2000; ms += 1) {
      for (let row = 1; row <= 10; row += 1) {
        const byMs = clock.monotonicMs() + 200;
        void batcher.submit(row, 200).then((out) => {
          if (out < 0) return;
          if (clock.monotonicMs() <= byMs) useful += 1;
          else late += 1;
        });
      }
      await pass(1);
    }
    expect(late).toBeLessThan(50);
    expect(useful).toBeGreaterThan(0.9 * 0.8 * 2000);
    // Once nobody asks any more it is free again within the patience of the last.
    await pass(200);
    expect(batcher.waiting).toBe(0);
    const alone = batcher.submit(7, 200);
    await pass(11);
    expect(await alone).toBe(70);
  });
});

import { describe, expect, it } from "vitest";
import { ReviewClocks } from "../../edge-agent/review-clocks.ts";
import { VirtualTime } from "../support/virtual-time.ts";

describe("the clocks of cases that wait for a person", () => {
  it("expire what is due, once, and try again where the expiry failed", async () => {
    const time = new VirtualTime();
    const expired: string[] = [];
    const clocks = new ReviewClocks(time, time, (id) => {
      expired.push(id);
      return expired.length === 1 ? Promise.reject(new Error("the disk is full")) : Promise.resolve();
    });
    clocks.start("a", 1000);
    clocks.start("b", 60_000);
    await time.run(2000);
    expect(expired).toEqual(["a"]);
    await time.run(10_000);
    expect(expired).toEqual(["a", "a"]);
    expect(clocks.size).toBe(1);
    clocks.close();
  });

  it("that are closed while an expiry runs leave no timer behind: the process can end", async () => {
    let timers = 0;
    const time = new VirtualTime();
    const counting = {
      after: (delayMs: number, task: () => void) => {
        timers += 1;
        return time.after(delayMs, task);
      },
    };
    let done: () => void = () => undefined;
    const clocks = new ReviewClocks(time, counting, () => new Promise<void>((resolve) => (done = resolve)));
    clocks.start("a", 100);
    clocks.start("b", 100);
    await time.run(300);
    clocks.close();
    const before = timers;
    done();
    await time.run(1000);
    expect(timers).toBe(before);
  });
});

import { describe, expect, it } from "vitest";
import { randomPool } from "../../protocol/index.ts";
import { systemRandom } from "../../protocol/platform/clock.node.ts";

/** Counts up, so that every byte says where in the stream it was. */
function counted() {
  let next = 0;
  let fills = 0;
  const pages: Uint8Array[] = [];
  const bytes = randomPool((page) => {
    fills += 1;
    pages.push(page);
    for (let i = 0; i < page.byteLength; i += 1) page[i] = (next += 1) % 251;
  });
  return { bytes, pages, fills: () => fills };
}

describe("the pool of random bytes", () => {
  it("hands every byte out once, and fills a page for many", () => {
    const { bytes, fills } = counted();
    const seen = Array.from({ length: 200 }, () => [...bytes(16)]).flat();
    expect(seen).toEqual(Array.from({ length: 3200 }, (_, i) => (i + 1) % 251));
    expect(fills()).toBe(2);
  });

  it("wipes what it has handed out, and hands out copies", () => {
    const { bytes, pages } = counted();
    const first = bytes(16);
    expect([...(pages[0]?.subarray(0, 16) ?? [])]).toEqual(Array.from({ length: 16 }, () => 0));
    bytes(16);
    expect(first[0]).toBe(1);
  });

  it("gives keys bytes of their own", () => {
    const { bytes, pages } = counted();
    bytes(16);
    expect(bytes(64)).toBe(pages[1]);
  });

  it("never repeats an id of the system's randomness", () => {
    const ids = Array.from({ length: 1000 }, () => Buffer.from(systemRandom.bytes(16)).toString("hex"));
    expect(new Set(ids).size).toBe(1000);
  });
});

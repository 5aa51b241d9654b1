import fc from "fast-check";
import { z } from "zod";
import { describe, expect, test } from "vitest";
import { clientAddress } from "../../cloud-sync/hub/api/client-address.ts";
import { publicRoute, type HubRoute } from "../../cloud-sync/hub/api/hub-route.ts";
import { csvLine } from "../../cloud-sync/hub/api/csv.ts";
import { fewAtOnce } from "../../cloud-sync/hub/api/few-at-once.ts";
import { checkChanging, checkReading } from "../../cloud-sync/hub/api/origin-guard.ts";
import { listCursor, pageOf } from "../../cloud-sync/hub/api/pages.ts";
import { createPlaces } from "../../cloud-sync/hub/api/places.ts";
import { proxyList } from "../../cloud-sync/hub/api/proxies.node.ts";
import { referencePage } from "../../cloud-sync/hub/api/reference-page.ts";
import { openApiDocument } from "../../cloud-sync/hub/api/openapi.ts";
import { together } from "../../cloud-sync/hub/api/together.ts";
import { createTokenBuckets } from "../../cloud-sync/hub/api/token-bucket.ts";
import { HoldpointError } from "../../protocol/index.ts";
import { testExchange } from "../support/hub-exchange.ts";

const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

describe("a call that a browser makes", () => {
  const plain = { isOwnHost: (host: string) => host === "192.168.0.7", publicOrigin: null };
  const behindTls = { ...plain, publicOrigin: "https://hub.example" };
  const host = "192.168.0.7:8790";
  const own = { host, origin: `http://${host}`, "sec-fetch-site": "same-origin", "content-type": "application/json" };

  test.for([
    ["of the page itself", plain, own, true],
    ["without Sec-Fetch-Site, as older browsers do", plain, { ...own, "sec-fetch-site": undefined }, true],
    ["of another site", plain, { ...own, origin: "https://evil.example", "sec-fetch-site": "cross-site" }, false],
    [
      "of another port of this machine",
      plain,
      { ...own, origin: "http://192.168.0.7:1", "sec-fetch-site": "same-site" },
      false,
    ],
    ["of a sandboxed frame", plain, { ...own, origin: "null" }, false],
    ["that does not say where it comes from", plain, { ...own, origin: undefined }, false],
    [
      "of a page that was rebound to this address",
      plain,
      { ...own, host: "evil.example:8790", origin: "http://evil.example:8790" },
      false,
    ],
    ["of a form", plain, { ...own, "content-type": "text/plain" }, false],
    ["under the public name", behindTls, { ...own, host: "hub.example", origin: "https://hub.example" }, true],
    [
      "under the public name, with the name that a proxy puts in",
      behindTls,
      { ...own, origin: "https://hub.example" },
      true,
    ],
    [
      "under the public name in plain HTTP",
      behindTls,
      { ...own, host: "hub.example", origin: "http://hub.example" },
      false,
    ],
    [
      "of a sister of the public name",
      behindTls,
      { ...own, host: "hub.example", origin: "https://x.hub.example" },
      false,
    ],
  ] as const)("%s", ([, guard, headers, isTaken]) => {
    const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
    const check = (): void => checkChanging(testExchange(given as Record<string, string>), guard, true);
    if (isTaken) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: "HP_FORBIDDEN" }) as Error);
  });

  test("by a link on another site may open a page, and a frame or picture there reads nothing", () => {
    expect(() => checkReading(testExchange({ host, ...link }), plain)).not.toThrow();
    for (const more of [{ "sec-fetch-dest": "iframe" }, { "sec-fetch-mode": "no-cors" }, { host: "evil.example" }]) {
      expect(() => checkReading(testExchange({ host, ...link, ...more }), plain)).toThrow();
    }
  });
});

describe("the address of a caller", () => {
  const isProxy = proxyList(["10.0.0.0/8", "2001:db8::1"]);
  const address = (forwarded: string, remote: string) =>
    clientAddress(testExchange({ "x-forwarded-for": forwarded }, remote), isProxy);

  test("is the peer's own, whatever it writes, where it is no proxy of ours", () => {
    expect(address("1.1.1.1", "192.0.2.9")).toBe("192.0.2.9");
  });
  test("is the last that is no proxy, not what the caller wrote before it", () => {
    expect(address("1.1.1.1, 192.0.2.9", "10.1.2.3")).toBe("192.0.2.9");
    expect(address("1.1.1.1, 192.0.2.9, 10.9.9.9", "::ffff:10.1.2.3")).toBe("192.0.2.9");
    expect(address("", "10.1.2.3")).toBe("10.1.2.3");
    expect(address("192.0.2.9", "2001:db8::1")).toBe("192.0.2.9");
  });
  test("a proxy that is no address is refused, and a network whose length was forgotten is not every address", () => {
    const noLength = ["10.0.0.0/", "10.0.0.0/ ", "10.0.0.0/0x8", "10.0.0.0/8/8"];
    for (const text of ["proxy.example", "10.0.0.0/33", "10.0.0.0/x", "", ...noLength]) {
      expect(() => proxyList([text])).toThrow(expect.objectContaining({ code: "HP_USAGE" }) as Error);
    }
  });
});

describe("a token bucket", () => {
  test("never gives more than its burst and its rate, and says exactly when there is one again", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 200 }), (steps) => {
        let nowMs = 0;
        const buckets = createTokenBuckets({
          ...{ clock: { monotonicMs: () => nowMs }, burst: 5, perSecond: 2, keysMax: 10, of: "calls" },
        });
        let taken = 0;
        for (const step of steps) {
          nowMs += step;
          try {
            buckets.take("a");
            taken += 1;
          } catch (cause) {
            const { retryAfterMs = 0 } = cause as { retryAfterMs?: number };
            expect(retryAfterMs).toBeGreaterThan(0);
            nowMs += retryAfterMs;
            expect(() => buckets.take("a")).not.toThrow();
            taken += 1;
          }
          expect(taken).toBeLessThanOrEqual(5 + (nowMs / 1000) * 2 + 1e-6);
        }
      }),
    );
  });
});

describe("CSV", () => {
  test("no cell begins like a formula, and every text comes back with at most an apostrophe before it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const line = csvLine([text]);
        const cell = line.slice(0, -2);
        const plain = cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
        expect(plain).not.toMatch(/^\s*[=+\-@\t\r＝＋－＠]/u);
        expect([text, `'${text}`]).toContain(plain);
      }),
    );
  });
  test("formulas are shown, quotes doubled, numbers left alone", () => {
    expect(csvLine(["=1+1", "+49", "-x", "@a", "\tx", " =2", 'a"b', "a,b", -5, null, true])).toBe(
      `'=1+1,'+49,'-x,'@a,'\tx,' =2,"a""b","a,b",-5,,true\r\n`,
    );
  });
});

test("a page has a cursor exactly where there is more", () => {
  expect(pageOf(["a", "b", "c"], 2, (item) => item)).toEqual({ items: ["a", "b"], cursor: "b" });
  expect(pageOf(["a", "b"], 2, (item) => item)).toEqual({ items: ["a", "b"], cursor: null });
  expect(pageOf([], 2, String)).toEqual({ items: [], cursor: null });
});

test("the document says with which statuses and bodies an operation answers", () => {
  const of = (more: object): HubRoute =>
    publicRoute({
      ...{ method: "GET", path: "/v1/x", operation: { id: "x", summary: "X", tag: "x" }, reply: z.undefined() },
      handle: () => Promise.resolve(undefined),
      ...more,
    });
  const operation = (more: object) => openApiDocument([of(more)], "1").paths["/v1/x"]?.["get"];
  expect(operation({})?.responses).toMatchObject({ "204": { description: "Done" } });
  expect(operation({ statuses: [303] })?.responses).not.toHaveProperty("204");
  const both = operation({ reply: z.strictObject({ ready: z.boolean() }), statuses: [200, 503] })?.responses;
  expect(both?.["503"]).toEqual(both?.["200"]);
  expect(operation({ body: "bytes" })).not.toHaveProperty("requestBody");
  const foreign = operation({ refusal: () => ({ status: 400, headers: {}, body: "" }) })?.responses;
  expect(foreign?.["default"]).toEqual({ $ref: "#/components/responses/ForeignRefusal" });
  expect(referencePage(openApiDocument([of({})], "1"))).toContain("Answer: 204, without a body.");
});

test("a cursor is known by the list that gave it, whatever its place is", () => {
  const cursors = listCursor("people", z.tuple([z.string(), z.number()]));
  const cursor = cursors.write(["gnp.exe ä?&+/=", 7]);
  expect(cursor).toMatch(/^[\w-]+$/);
  expect(cursors.read(cursor)).toEqual(["gnp.exe ä?&+/=", 7]);
  expect([cursors.read(undefined), cursors.read(null)]).toEqual([null, null]);
  const others = listCursor("tokens", z.tuple([z.string(), z.number()])).write(["gnp.exe", 7]);
  for (const none of ["", "7", "nonsense", others, cursor.slice(1), `${cursor}A`]) {
    expect(() => cursors.read(none)).toThrow(expect.objectContaining({ code: "HP_SCHEMA" }));
  }
});

test("the reference page shows script in a summary as text", () => {
  const html = referencePage(
    openApiDocument(
      [
        {
          ...{ method: "GET", path: "/x/:id", access: "public", reply: { contentType: "text/plain" } },
          operation: { id: "x", summary: "<script>alert(1)</script> `<b>`", tag: "a&b" },
          handle: () => Promise.resolve(""),
        },
      ],
      "1",
    ),
  );
  expect(html).not.toContain("<script");
  expect(html).toContain("&lt;script&gt;");
  expect(html).toContain("<code>&lt;b&gt;</code>");
});

describe("work that is done a few at a time", () => {
  test("goes in its order, never more at once than its bound, and is refused where too much waits", async () => {
    const inTurn = fewAtOnce({ atOnceMax: 2, waitingMax: 3, tooMany: "too much", retryAfterMs: 7 });
    const ends: (() => void)[] = [];
    const begun: number[] = [];
    const start = (n: number): Promise<number> =>
      inTurn(async () => {
        begun.push(n);
        await new Promise<void>((resolve) => void ends.push(resolve));
        if (n === 1) throw new Error("of its own");
        return n;
      });
    const all = [0, 1, 2, 3, 4, 5].map((n) => start(n).catch((cause: unknown) => cause));
    expect(begun).toEqual([0, 1]);
    expect(await all[5]).toMatchObject({ code: "HP_BUSY", retryAfterMs: 7 });
    for (let done = 0; done < 5; done += 1) {
      ends[done]?.();
      await new Promise((resolve) => setImmediate(resolve));
      expect(begun.length - done - 1).toBeLessThanOrEqual(2);
    }
    expect(begun).toEqual([0, 1, 2, 3, 4]);
    expect(await Promise.all(all.slice(0, 5))).toEqual([0, new Error("of its own"), 2, 3, 4]);
  });
});

describe("work that is done in common", () => {
  const shared = { itemsMax: 3, keyOf: (item: string) => item.slice(0, 1), isEverybodys: () => false };

  test("goes at once where nobody is before it, and what comes meanwhile goes together, two of one key apart", async () => {
    const batches: (readonly string[])[] = [];
    const run = together<string, string>({
      ...shared,
      run: async (items) => {
        batches.push(items);
        await new Promise((resolve) => setImmediate(resolve));
        return items.map((item) => item.toUpperCase());
      },
    });
    const all = ["a1", "b1", "a2", "a3", "c1", "d1"].map((item) => run(item));
    expect(batches).toEqual([["a1"]]);
    expect(await Promise.all(all)).toEqual(["A1", "B1", "A2", "A3", "C1", "D1"]);
    expect(batches).toEqual([["a1"], ["b1", "a2", "c1"], ["a3", "d1"]]);
    expect(await run("later")).toBe("LATER");
  });

  test("several batches run at a time, never two of one key, and none is heavier than it may be unless it is one", async () => {
    const begun: (readonly string[])[] = [];
    const ends: (() => void)[] = [];
    const run = together<string, string>({
      ...{ ...shared, weightOf: (item) => Number(item.slice(1)), batchesMax: 2 },
      run: async (items) => {
        begun.push(items);
        await new Promise<void>((resolve) => void ends.push(resolve));
        return items;
      },
    });
    const all = ["a1", "b9", "c1", "a2", "d2", "e1", "c2"].map((item) => run(item));
    expect(begun).toEqual([["a1"], ["b9"]]);
    const end = async (): Promise<void> => {
      ends.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    };
    await end();
    expect(begun[2]).toEqual(["c1", "a2"]);
    await end();
    // c2 waits for c1, and lets others pass.
    expect(begun[3]).toEqual(["d2", "e1"]);
    await end();
    expect(begun[4]).toEqual(["c2"]);
    while (ends.length > 0) await end();
    expect(await Promise.all(all)).toEqual(["a1", "b9", "c1", "a2", "d2", "e1", "c2"]);
  });

  test("one at fault fails alone; what is everybody's fails for all, once", async () => {
    let runs = 0;
    let isGone = false;
    const run = together<string, string>({
      ...shared,
      isEverybodys: () => isGone,
      run: async (items) => {
        runs += 1;
        await Promise.resolve();
        if (isGone || items.includes("bad")) throw new Error("no");
        return items;
      },
    });
    const fates = (items: readonly string[]) =>
      Promise.all(items.map((item) => run(item).catch((cause: unknown) => (cause as Error).message)));
    expect(await fates(["first", "good", "bad", "kind"])).toEqual(["first", "good", "no", "kind"]);
    expect(runs).toBe(1 + 1 + 3);
    isGone = true;
    expect(await fates(["first", "good", "bad", "kind"])).toEqual(["no", "no", "no", "no"]);
    expect(runs).toBe(5 + 2);
  });
});

describe("places for the calls of one operation", () => {
  test("are given until there is none, and again when one is left", () => {
    const enter = createPlaces(2);
    const leave = enter();
    enter();
    expect(() => enter()).toThrow(expect.objectContaining({ code: "HP_BUSY", retryAfterMs: 3_000 }));
    leave();
    enter();
    expect(() => enter()).toThrow(HoldpointError);
  });
});

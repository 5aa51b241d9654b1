import { request as httpRequest } from "node:http";
import { inflateSync } from "node:zlib";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RunningReview } from "../../edge-agent/review/listener.node.ts";
import { encodePng } from "../../edge-agent/review/png-encoder.node.ts";
import { type HeldCases, type Input, type ReviewSession } from "../../protocol/index.ts";
import { createFakeSource, heldCase, type FakeSource } from "../browser/review-cases.ts";
import { buildReviewPage, openRoom } from "../browser/review-room.ts";

const pixels: Input = {
  kind: "pixels",
  width: 3,
  height: 2,
  channels: 3,
  data: Uint8Array.from({ length: 18 }, (_, i) => i * 14),
};

describe("the review listener", () => {
  let source: FakeSource;
  let room: RunningReview;
  let origin: string;
  beforeAll(buildReviewPage);
  beforeEach(async () => {
    source = createFakeSource();
    room = await openRoom(source);
    origin = new URL(room.url).origin;
  });
  afterEach(() => room.close());

  const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${origin}/v1/review${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", origin, ...headers },
    });
  const pair = async (name = "Maja"): Promise<string> => {
    const response = await post("/pair", { pin: room.pairing().pin, name });
    expect(response.status).toBe(200);
    return (response.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  };
  const code = async (response: Response): Promise<unknown> => ((await response.json()) as { code: string }).code;

  it("serves the page under a strict policy, its assets for ever, and nothing outside", async () => {
    const page = await fetch(`${origin}/review`);
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    const html = await page.text();
    expect(html).not.toMatch(/<script(?![^>]*src=)|<style|style=|https?:/);
    for (const [, path] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      const asset = await fetch(`${origin}${path ?? ""}`);
      expect(asset.status).toBe(200);
      expect(asset.headers.get("cache-control")).toContain("immutable");
      expect(asset.headers.get("x-content-type-options")).toBe("nosniff");
    }
    expect((await fetch(`${origin}/assets/..%2f..%2fpackage.json`)).status).toBe(404);
    expect((await fetch(origin, { redirect: "manual" })).headers.get("location")).toBe("/review");
  });

  it("keeps the session in a cookie that no script and no other site can use", async () => {
    const response = await post("/pair", { pin: room.pairing().pin, name: "  Maja\u0007 " });
    const cookie = response.headers.get("set-cookie") ?? "";
    expect(cookie).toMatch(/HttpOnly; SameSite=Strict; Max-Age=43200/);
    expect(((await response.json()) as ReviewSession).reviewer).toBe("Maja");
    expect(response.headers.get("cache-control")).toBe("private, no-store");
  });

  it("uses a PIN up, and makes a new one after five wrong tries", async () => {
    const { pin } = room.pairing();
    await pair();
    expect(room.pairing().pin).not.toBe(pin);
    expect(await code(await post("/pair", { pin, name: "Again" }))).toBe("HP_PIN");
    const wrong = room.pairing().pin === "000000" ? "111111" : "000000";
    const before = room.pairing().pin;
    for (let i = 0; i < 4; i += 1) await post("/pair", { pin: wrong, name: "Guess" });
    expect(room.pairing().pin).not.toBe(before);
    for (let i = 0; i < 5; i += 1) await post("/pair", { pin: wrong, name: "Guess" });
    const limited = await post("/pair", { pin: room.pairing().pin, name: "Guess" });
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(500);
  });

  it("does not let a stranger's wrong code use up the PIN", async () => {
    const { pin } = room.pairing();
    for (let i = 0; i < 6; i += 1) {
      expect(await code(await post("/pair", { pin, name: "Stranger", code: "00".repeat(16) }))).toBe("HP_PIN");
    }
    expect(room.pairing().pin).toBe(pin);
    const codeOfQr = new URL(room.pairing().url).hash.slice(1);
    expect((await post("/pair", { pin, name: "Maja", code: codeOfQr })).status).toBe(200);
  });

  it.each(["/next", "/leave", "/cases/x/submit", "/cases/x/undo", "/cases/x/heartbeat", "/cases/x/release"])(
    "asks for a session on %s",
    async (path) => {
      expect(await code(await post(path, {}))).toBe("HP_UNAUTHORIZED");
      expect(await code(await post(path, {}, { cookie: "holdpoint_review=00.00" }))).toBe("HP_UNAUTHORIZED");
    },
  );

  it.each(["/session", "/queue", "/stream", "/tasks/product_identification/labels", "/cases/x/picture"])(
    "asks for a session on %s as well",
    async (path) => {
      expect((await fetch(`${origin}/v1/review${path}`)).status).toBe(401);
    },
  );

  it("refuses calls from another site, from a foreign name, and ones that do not say where they come from", async () => {
    const cookie = await pair();
    expect(await code(await post("/next", {}, { cookie, origin: "http://evil.example" }))).toBe("HP_FORBIDDEN");
    expect(await code(await post("/next", {}, { cookie, origin: "null" }))).toBe("HP_FORBIDDEN");
    expect(await code(await post("/next", {}, { cookie, "content-type": "text/plain" }))).toBe("HP_FORBIDDEN");
    const bare = await fetch(`${origin}/v1/review/next`, {
      method: "POST",
      headers: { cookie, "content-type": "application/json" },
    });
    expect(await code(bare)).toBe("HP_FORBIDDEN");
    // DNS rebinding: the name is the attacker's, the address is ours.
    expect(await statusUnderName(room.port, "evil.example", cookie)).toBe(403);
    expect(await statusUnderName(room.port, "localhost", cookie)).toBe(200);
  });

  it("refuses what does not fit, and a body that is too large", async () => {
    const cookie = await pair();
    expect(await code(await post("/cases/x/submit", { answer: 1 }, { cookie }))).toBe("HP_SCHEMA");
    expect(await code(await post("/cases/x/submit", { pad: "x".repeat(20_000) }, { cookie }))).toBe("HP_TOO_LARGE");
    expect(await code(await post("/pair", { pin: "1", name: "" }))).toBe("HP_SCHEMA");
  });

  it("gives pixels as a PNG that holds the same pixels, to their reviewer alone", async () => {
    source.hold(heldCase({ n: 1, suggestions: [["Kiwi", 0.5]] }, pixels), pixels);
    const [cookie, other] = [await pair(), await pair("Ben")];
    const { cases } = (await (await post("/next", {}, { cookie })).json()) as HeldCases;
    const url = `${origin}${cases[0]?.pictureUrl ?? ""}`;
    const picture = await fetch(url, { headers: { cookie } });
    expect(picture.headers.get("content-type")).toBe("image/png");
    expect(picture.headers.get("x-content-type-options")).toBe("nosniff");
    expect(picture.headers.get("cache-control")).toBe("private, no-store");
    expect(picture.headers.get("content-security-policy")).toContain("sandbox");
    const bytes = new Uint8Array(await picture.arrayBuffer());
    expect(bytes).toEqual(new Uint8Array(await encodePng(pixels)));
    expect(pngPixels(bytes)).toEqual(pixels.data);
    expect((await fetch(url, { headers: { cookie: other } })).status).toBe(409);
  });

  it("never sends bytes that are no picture, whatever the device called them", async () => {
    const html = new TextEncoder().encode("<script>alert(1)</script>");
    const input: Input = { kind: "image", encoding: "png", data: html };
    source.hold(heldCase({ n: 1, suggestions: [["Kiwi", 0.5]] }, input), input);
    const cookie = await pair();
    const { cases } = (await (await post("/next", {}, { cookie })).json()) as HeldCases;
    expect((await fetch(`${origin}${cases[0]?.pictureUrl ?? ""}`, { headers: { cookie } })).status).toBe(404);
  });

  it("keeps sessions over a restart with the same secret, and ends them with another", async () => {
    const cookie = await pair();
    const session = async (one: RunningReview): Promise<number> =>
      (await fetch(`${new URL(one.url).origin}/v1/review/session`, { headers: { cookie } })).status;
    expect(await session(room)).toBe(200);
    const strange = await openRoom(source);
    expect(await session(strange)).toBe(401);
    await strange.close();
    const secret = new Uint8Array(32).fill(7);
    const first = await openRoom(source, { secret });
    const pin = first.pairing().pin;
    const at = new URL(first.url).origin;
    const paired = await fetch(`${at}/v1/review/pair`, {
      method: "POST",
      body: JSON.stringify({ pin, name: "Maja" }),
      headers: { "content-type": "application/json", origin: at },
    });
    const kept = (paired.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
    await first.close();
    const second = await openRoom(source, { secret });
    const again = await fetch(`${new URL(second.url).origin}/v1/review/session`, { headers: { cookie: kept } });
    expect(again.status).toBe(200);
    await second.close();
  });

  it("ends a session on leaving", async () => {
    const cookie = await pair();
    await post("/leave", {}, { cookie });
    expect(await code(await post("/next", {}, { cookie }))).toBe("HP_UNAUTHORIZED");
  });

  it("tells the queue's state over the stream as it changes", async () => {
    const cookie = await pair();
    const ended = new AbortController();
    const stream = await fetch(`${origin}/v1/review/stream`, { headers: { cookie }, signal: ended.signal });
    expect(stream.headers.get("content-type")).toBe("text/event-stream");
    let text = "";
    const decoder = new TextDecoder();
    setTimeout(
      () => source.hold(heldCase({ n: 1 }, { kind: "entity", entity: "e" }), { kind: "entity", entity: "e" }),
      50,
    );
    for await (const chunk of stream.body ?? []) {
      text += decoder.decode(chunk);
      if (text.includes('"waiting":1')) break;
    }
    expect(text).toContain('event: queue\ndata: {"kind":"queue"');
    ended.abort();
  });

  it("shows a QR code of the page's address, for the terminal and as SVG", () => {
    const { url, qrText, qrSvg, pin } = room.pairing();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/review#[0-9a-f]{32}$/);
    expect(pin).toMatch(/^\d{6}$/);
    expect(qrText.split("\n").length).toBeGreaterThan(14);
    expect(qrSvg).toMatch(/^<svg/);
  });
});

function statusUnderName(port: number, host: string, cookie: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { host: `${host}:${port}`, cookie };
    const call = httpRequest({ host: "127.0.0.1", port, path: "/v1/review/queue", headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.on("error", reject);
    call.end();
  });
}

/** The pixels of a PNG whose rows have no filter. */
function pngPixels(png: Uint8Array): Uint8Array {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const width = view.getUint32(16);
  const height = view.getUint32(20);
  const at = Buffer.from(png).indexOf("IDAT");
  const rows = inflateSync(png.subarray(at + 4, at + 4 + view.getUint32(at - 4)));
  const stride = rows.byteLength / height;
  const lines = Array.from({ length: height }, (_, y) => [...rows.subarray(y * stride + 1, (y + 1) * stride)]);
  expect(stride).toBe(width * 3 + 1);
  return Uint8Array.from(lines.flat());
}

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTls } from "node:https";
import { createServer as createSocket, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { createExchange, type ExchangeOptions } from "../../cloud-sync/edge/exchange.node.ts";
import { hubOrigin } from "../../cloud-sync/edge/hub-address.ts";
import { type HubAnswer } from "../../cloud-sync/edge/hub-port.ts";
import { HoldpointError, problemReply } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createSigningKey } from "../../protocol/platform/signing.node.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

const reply = z.strictObject({ fine: z.boolean() });

async function ask(
  origin: string,
  more: Partial<ExchangeOptions> & { readonly deadlineMs?: number } = {},
): Promise<HubAnswer<{ fine: boolean }>> {
  const { deadlineMs = 3000, ...options } = more;
  const key = createSigningKey();
  const shared = { clock: systemClock, timers: systemTimers, random: systemRandom, hasher: nodeHasher };
  const exchange = createExchange({ ...shared, origin, ...options });
  exchange.signer = { keyId: "agent", sign: (bytes) => key.sign(bytes) };
  closers.push(() => exchange.close());
  return exchange.call({ name: "feed", method: "GET", path: "/v1/feed", reply, deadlineMs });
}

async function askServer(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  deadlineMs?: number,
): Promise<HubAnswer<{ fine: boolean }>> {
  const port = await listen(createServer(handle));
  return ask(`http://127.0.0.1:${port}`, deadlineMs === undefined ? {} : { deadlineMs });
}

const json = { "content-type": "application/json" };

describe("what stands between a store and its hub", () => {
  test("a hub's answer is taken", async () => {
    expect(await askServer((_, to) => to.writeHead(200, json).end('{"fine":true}'))).toEqual({
      ok: true,
      value: { fine: true },
    });
  });

  const named = async (
    outcome: string,
    code: string,
    handle: (request: IncomingMessage, response: ServerResponse) => void,
    deadlineMs?: number,
  ): Promise<string> => {
    const answer = await askServer(handle, deadlineMs);
    if (answer.ok) throw new Error("it was taken");
    expect(answer).toMatchObject({ outcome, error: { code } });
    return answer.error.message;
  };

  test("a captive portal's page with status 200 is nobody's answer", async () => {
    const message = await named("foreign", "HP_NOT_HUB", (_, to) => {
      to.writeHead(200, { "content-type": "text/html" }).end("<h1>Welcome to MallNet</h1>");
    });
    expect(message).toContain("text/html");
    await named("foreign", "HP_NOT_HUB", (_, to) => to.writeHead(200, json).end("<h1>Welcome</h1>"));
    await named("foreign", "HP_NOT_HUB", (_, to) => to.writeHead(200, json).end('{"logged_in":false}'));
    await named("foreign", "HP_NOT_HUB", (_, to) => to.writeHead(200, json).end('{"fine":true,"__proto__":{}}'));
    await named("foreign", "HP_NOT_HUB", (_, to) => to.writeHead(511, { "content-type": "text/html" }).end("log in"));
  });

  test("a redirect is not followed", async () => {
    let asked = 0;
    const message = await named("redirect", "HP_NOT_HUB", (_, to) => {
      asked += 1;
      to.writeHead(302, { location: "http://portal.example/login" }).end();
    });
    expect(message).toContain("http://portal.example/login");
    expect(asked).toBe(1);
  });

  test("a gzip bomb is not opened", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const before = process.memoryUsage().rss;
    await named("compressed", "HP_NOT_HUB", (_, to) => {
      to.writeHead(200, { ...json, "content-encoding": "gzip" }).end(bomb);
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(48 * 1024 * 1024);
  });

  test("an answer without an end is cut at its bound", async () => {
    await named("too_long", "HP_NOT_HUB", (_, to) => {
      to.writeHead(200, json);
      const chunk = Buffer.alloc(256 * 1024, 0x20);
      const more = (): void => {
        if (!to.destroyed) to.write(chunk, () => setImmediate(more));
      };
      more();
    });
  });

  test("an endless drip ends with the deadline of the whole call", async () => {
    const started = Date.now();
    const message = await named(
      "stalled",
      "HP_TIMEOUT",
      (_, to) => {
        to.writeHead(200, json);
        const drip = setInterval(() => to.write(" "), 20);
        to.on("close", () => clearInterval(drip));
      },
      400,
    );
    expect(message).toContain("did not end");
    expect(Date.now() - started).toBeLessThan(10_000);
  });

  test("a connection that is open and silent ends with the deadline, and so does one that never sends headers", async () => {
    expect(await named("timeout", "HP_TIMEOUT", () => undefined, 300)).toContain("no answer");
    const port = await listen(createSocket(() => undefined));
    expect(await ask(`http://127.0.0.1:${port}`, { deadlineMs: 300 })).toMatchObject({ outcome: "timeout" });
  });

  test("a port that nobody listens on, and a peer that hangs up, are named", async () => {
    const port = await listen(createSocket((socket) => socket.destroy()));
    expect(await ask(`http://127.0.0.1:${port}`)).toMatchObject({
      outcome: "unreachable",
      error: { code: "HP_UNREACHABLE" },
    });
    const refused = await ask("http://127.0.0.1:1");
    expect(refused).toMatchObject({ outcome: "unreachable" });
    if (!refused.ok) expect(refused.error.message).toContain("ECONNREFUSED");
  });

  test("what speaks another protocol is no hub", async () => {
    const port = await listen(createSocket((socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n")));
    expect(await ask(`http://127.0.0.1:${port}`)).toMatchObject({ outcome: "foreign", error: { code: "HP_NOT_HUB" } });
    const plain = await listen(createServer((_, to) => to.end("{}")));
    expect(await ask(`https://127.0.0.1:${plain}`)).toMatchObject({
      outcome: "foreign",
      error: { code: "HP_NOT_HUB" },
    });
  });

  test("a certificate that nobody vouches for is refused; the same one is taken where it is named", async () => {
    const dir = mkdtempSync(join(tmpdir(), "holdpoint-edge-tls-"));
    closers.push(() => rmSync(dir, { recursive: true, force: true }));
    const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
    const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
    const pair = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert];
    execFileSync("openssl", ["req", "-x509", ...pair, "-days", "2", ...subject], { stdio: "ignore" });
    const pem = readFileSync(cert, "utf8");
    const server = createTls({ key: readFileSync(key), cert: pem }, (_, to) =>
      to.writeHead(200, json).end('{"fine":true}'),
    );
    const port = await listen(server);
    const strange = await ask(`https://127.0.0.1:${port}`);
    expect(strange).toMatchObject({ outcome: "certificate", error: { code: "HP_CERTIFICATE" } });
    expect(await ask(`https://127.0.0.1:${port}`, { ca: pem })).toEqual({ ok: true, value: { fine: true } });
    // The right authority for another name.
    const elsewhere = await ask(`https://localhost:${port}`, { ca: pem });
    expect(elsewhere).toMatchObject({ outcome: "certificate" });
  });

  test("what a proxy says for the hub is understood: wait, be smaller, be slower", async () => {
    const wait = await askServer((_, to) => to.writeHead(503, { "retry-after": "7" }).end("upstream"));
    expect(wait).toMatchObject({ outcome: "unreachable", error: { code: "HP_UNREACHABLE", retryAfterMs: 7000 } });
    await named("refused", "HP_TOO_LARGE", (_, to) =>
      to.writeHead(413, { "content-type": "text/html" }).end("<h1>413"),
    );
    await named("refused", "HP_RATE", (_, to) => to.writeHead(429).end());
  });

  test("the hub's own refusal keeps its code, its words and its time", async () => {
    const { body, headers } = problemReply(new HoldpointError("HP_BUSY", "full", { retryAfterMs: 4000 }));
    const answer = await askServer((_, to) => to.writeHead(503, headers).end(body));
    expect(answer).toMatchObject({
      outcome: "refused",
      error: { code: "HP_BUSY", message: "full", retryAfterMs: 4000 },
    });
  });

  test("a hub that failed is asked again after its time, by an agent that knows the code and by one that does not", async () => {
    const failed = problemReply(HoldpointError.told(new TypeError("a bug")));
    const known = await askServer((_, to) => to.writeHead(failed.status, failed.headers).end(failed.body));
    expect(known).toMatchObject({
      outcome: "refused",
      error: { code: "HP_INTERNAL", retry: "backoff", retryAfterMs: 1000 },
    });
    const later = String(failed.body).replaceAll("HP_INTERNAL", "HP_LATER");
    const unknown = await askServer((_, to) =>
      to.writeHead(failed.status, { ...failed.headers, "content-length": Buffer.byteLength(later) }).end(later),
    );
    expect(unknown).toMatchObject({ outcome: "refused", error: { retry: "backoff", retryAfterMs: 1000 } });
  });

  test("a box with a wrong clock takes the hub's time from its refusal and signs again", async () => {
    const hubMs = Date.now() - 5 * 365 * 86_400_000;
    const seen: number[] = [];
    const answer = await askServer((request, to) => {
      const createdS = Number(/created=(\d+)/.exec(String(request.headers["signature-input"]))?.[1]);
      seen.push(createdS);
      to.sendDate = false;
      const date = { date: new Date(hubMs).toUTCString() };
      if (Math.abs(createdS * 1000 - hubMs) < 300_000) to.writeHead(200, { ...json, ...date }).end('{"fine":true}');
      else {
        const problem = problemReply(new HoldpointError("HP_CLOCK", "years off"));
        to.writeHead(401, { ...problem.headers, ...date }).end(problem.body);
      }
    });
    expect(answer).toEqual({ ok: true, value: { fine: true } });
    expect(seen).toHaveLength(2);
  });
});

describe("the hub's address", () => {
  test("plain HTTP is for this machine, unless somebody says so", () => {
    expect(hubOrigin("https://hub.example.com")).toBe("https://hub.example.com");
    expect(hubOrigin("http://127.0.0.1:8790/")).toBe("http://127.0.0.1:8790");
    expect(hubOrigin("http://hub.local:8790", true)).toBe("http://hub.local:8790");
    const refused = [
      "http://hub.local",
      "http://127.0.0.1.evil.example",
      "ftp://hub",
      "hub",
      "https://a:b@hub",
      "https://hub/x",
    ];
    for (const text of refused)
      expect(() => hubOrigin(text), text).toThrow(expect.objectContaining({ code: "HP_USAGE" }));
  });
});

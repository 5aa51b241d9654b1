import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createWebhookSender } from "../../cloud-sync/hub/webhooks/webhook-sender.node.ts";
import { callHub, enrolAgent } from "../support/hub-agent.ts";
import { escalation, heldDecision, revisionOf } from "../support/hub-items.ts";
import { overBothDatabases, type StartedHub, type StartHub } from "../support/hub-start.ts";

interface Heard {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly json: { readonly type: string; readonly data: Record<string, unknown> };
}

/** Somebody's program that is told. */
class Receiver {
  readonly heard: Heard[] = [];
  answer: (response: ServerResponse, heard: Heard) => void = (response) => response.end();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const heard = { headers: request.headers, body, json: JSON.parse(body) as Heard["json"] };
        this.heard.push(heard);
        this.answer(response, heard);
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

overBothDatabases("webhooks", webhookSuite);

function webhookSuite(start: StartHub): void {
  let started: StartedHub;
  let receiver: Receiver;
  let url: string;
  beforeAll(async () => {
    started = await start({ allowedWebhookHosts: ["127.0.0.1"] });
  });
  afterAll(() => started.hub.close());
  beforeEach(async () => {
    receiver = new Receiver();
    url = await receiver.listen();
  });
  afterEach(() => receiver.close());

  const call = (method: string, path: string, body?: unknown) =>
    callHub(started.hub.url, started.token, method, path, body);
  const make = async (events: readonly string[], stores: readonly string[] | null = null) => {
    const made = await call("POST", "/v1/webhooks", { url, events, stores });
    expect(made.status).toBe(200);
    return made.json as { id: string; secret: string };
  };
  let revision = 0;
  const change = async () => {
    const body = { text: `thresholds: { shelf: 0.${revision + 1} }`, revision, why: "test" };
    expect(await call("PUT", "/v1/config/layers/region/hooks", body)).toMatchObject({ status: 200 });
    revision += 1;
  };
  const deliveries = async (id: string) =>
    (await call("GET", `/v1/webhooks/${id}/deliveries`)).json["items"] as Record<string, unknown>[];

  test("what happens is told once, signed, to those who asked for it", async () => {
    const { id, secret } = await make(["config.changed"]);
    const other = await make(["case.opened"]);
    await change();
    await expect.poll(() => receiver.heard.length, { timeout: 5000 }).toBe(1);
    const [heard] = receiver.heard;
    expect(heard?.json).toMatchObject({
      type: "config.changed",
      data: { layer: "region", scope: "hooks", by: "admin" },
    });
    const signed = `${String(heard?.headers["webhook-id"])}.${String(heard?.headers["webhook-timestamp"])}.${heard?.body ?? ""}`;
    const key = Buffer.from(secret.slice("whsec_".length), "base64");
    const expected = Buffer.from(`v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
    expect(timingSafeEqual(expected, Buffer.from(String(heard?.headers["webhook-signature"])))).toBe(true);
    await expect.poll(async () => (await deliveries(id))[0]).toMatchObject({ state: "sent", lastStatus: 200 });
    expect(await deliveries(other.id)).toEqual([]);
    expect(JSON.stringify((await call("GET", "/v1/webhooks")).json)).not.toContain(secret);
    for (const made of [id, other.id]) await call("DELETE", `/v1/webhooks/${made}`);
  });

  test("cases of the stores that it was made for are told, without the model's answer", async () => {
    const { id } = await make(["case.opened", "case.final"], ["store_w"]);
    const [own, foreign] = [
      await enrolAgent(started.hub.url, started.token, "store_w"),
      await enrolAgent(started.hub.url, started.token, "store_x"),
    ];
    const decision = heldDecision();
    const ingest = { v: 1, epoch: "e", from: 1, lastSeq: 1 };
    await foreign.call("POST", "/v1/ingest", { ...ingest, items: [escalation(1)] });
    const items = [escalation(1, decision), revisionOf(2, decision, "Pink-Lady")];
    await own.call("POST", "/v1/ingest", { ...ingest, lastSeq: 2, items });
    await expect.poll(() => receiver.heard.length, { timeout: 5000 }).toBe(2);
    const byType = new Map(receiver.heard.map(({ json }) => [json.type, json.data]));
    expect(byType.get("case.opened")).toMatchObject({ store: "store_w", decisionId: decision.id });
    expect(byType.get("case.final")).toMatchObject({
      decisionId: decision.id,
      label: "Pink-Lady",
      decidedBy: "reviewer",
    });
    expect(JSON.stringify(byType.get("case.opened"))).not.toContain("Royal-Gala");
    await call("DELETE", `/v1/webhooks/${id}`);
  });

  test("a receiver that fails is tried again later, and a redirect is not followed", async () => {
    const { id } = await make(["config.changed"]);
    receiver.answer = (response) => response.writeHead(307, { location: "http://127.0.0.1:1/" }).end();
    await change();
    await expect.poll(async () => (await deliveries(id))[0]?.["attempts"], { timeout: 5000 }).toBe(1);
    const [tried] = await deliveries(id);
    expect(tried).toMatchObject({ state: "waiting", lastStatus: 307 });
    expect(Number(tried?.["dueMs"])).toBeGreaterThan(Date.now() + 3000);
    expect(receiver.heard).toHaveLength(1);
    await call("DELETE", `/v1/webhooks/${id}`);
  });

  test("410 ends the webhook; a dead letter is seen and can be sent again", async () => {
    const { id } = await make(["config.changed"]);
    receiver.answer = (response) => response.writeHead(410).end();
    await change();
    await expect.poll(async () => (await deliveries(id))[0]?.["state"], { timeout: 5000 }).toBe("dead");
    expect((await call("GET", "/v1/webhooks")).json).toMatchObject({
      items: [{ id, off: "gone", dead: 1, waiting: 0 }],
    });
    await change();
    expect(await deliveries(id)).toHaveLength(1);
    const path = `/v1/webhooks/${id}/deliveries/${String((await deliveries(id))[0]?.["id"])}/retry`;
    expect(await call("POST", path)).toMatchObject({ status: 204 });
    // The webhook is off: the letter is dead again without anybody having been called.
    await expect.poll(async () => (await deliveries(id))[0], { timeout: 5000 }).toMatchObject({ state: "dead" });
    expect(receiver.heard).toHaveLength(1);
    await call("DELETE", `/v1/webhooks/${id}`);
  });

  test("a webhook that is not there has no list of deliveries, as it has nothing to delete or to send again", async () => {
    for (const [method, path] of [
      ["GET", "/v1/webhooks/nothing/deliveries"],
      ["POST", "/v1/webhooks/nothing/deliveries/nothing/retry"],
      ["DELETE", "/v1/webhooks/nothing"],
    ] as const) {
      expect([path, await call(method, path)]).toMatchObject([path, { status: 404, json: { code: "HP_NOT_FOUND" } }]);
    }
  });

  test("an address inside is refused when the webhook is made", async () => {
    for (const bad of ["https://10.0.0.1/", "https://169.254.169.254/latest", "https://[::1]/", "http://8.8.8.8/"]) {
      const made = await call("POST", "/v1/webhooks", { url: bad, events: ["case.opened"] });
      expect([bad, made.status, made.json["code"]]).toEqual([bad, 403, "HP_FORBIDDEN"]);
    }
    const unknown = await call("POST", "/v1/webhooks", { url, events: ["case.everything"] });
    expect(unknown).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });
  });

  test("a name that has no address is a mistake in the url, which waiting does not mend", async () => {
    // No resolver asks the network for a label that is longer than any may be (RFC 1035, 2.3.4).
    const nowhere = `https://${"a".repeat(64)}.example/`;
    const made = await call("POST", "/v1/webhooks", { url: nowhere, events: ["case.opened"] });
    expect(made).toMatchObject({ status: 400, json: { code: "HP_SCHEMA", retry: "never" } });
    expect(made.json["message"]).toMatch(/^url: the name a+\.example has no address/);
  });
}

describe("one attempt", () => {
  const post = { headers: {}, body: "{}", signal: new AbortController().signal };

  test("a name that pointed to a public address and points inside now is not called", async () => {
    const receiver = new Receiver();
    const url = new URL(await receiver.listen());
    const answers = [["8.8.8.8"], ["127.0.0.1"]];
    const sender = createWebhookSender({
      allow: [],
      deadlineMs: 500,
      resolve: () => Promise.resolve((answers.shift() ?? []).map((address) => ({ address }))),
    });
    const named = `https://rebinding.example:${url.port}/hook`;
    await sender.check(named);
    expect(await sender.send({ ...post, url: named })).toMatchObject({ kind: "failed" });
    expect(receiver.heard).toEqual([]);
    await receiver.close();
  });

  test("a name is asked once: the call goes to the address that was checked", async () => {
    const receiver = new Receiver();
    const url = new URL(await receiver.listen());
    let asked = 0;
    const sender = createWebhookSender({
      allow: ["127.0.0.1"],
      resolve: () => {
        asked += 1;
        return Promise.resolve([{ address: "127.0.0.1" }]);
      },
    });
    const result = await sender.send({ ...post, url: `http://name.example:${url.port}/hook` });
    expect(result).toMatchObject({ kind: "answered", status: 200 });
    expect(asked).toBe(1);
    expect(receiver.heard[0]?.headers.host).toBe(`name.example:${url.port}`);
    await receiver.close();
  });

  test("a receiver that drips, or answers without end, ends at the deadline or is cut off", async () => {
    const receiver = new Receiver();
    const url = await receiver.listen();
    const sender = createWebhookSender({ allow: ["127.0.0.1"], deadlineMs: 300 });
    receiver.answer = () => undefined;
    expect(await sender.send({ ...post, url })).toEqual({ kind: "failed", reason: "no answer within 300 ms" });
    let closed = false;
    receiver.answer = (response) => {
      response.on("close", () => (closed = true));
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(65_536), more);
      };
      more();
    };
    expect(await sender.send({ ...post, url })).toMatchObject({ kind: "answered", status: 200 });
    await expect.poll(() => closed).toBe(true);
    await receiver.close();
  });
});

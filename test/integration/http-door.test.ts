import { createServer, type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { decodeMessage, encodeMessage, HoldpointError, type Decision } from "../../protocol/index.ts";
import { openHttp, type HttpDoorUnderTest } from "../support/door-http.ts";
import { pause, requestOf, until } from "../support/door-mqtt.ts";

let door: HttpDoorUnderTest;
afterEach(async () => {
  await door.close();
});

const idOf = (n: number): string => requestOf(n).id;
const problemOf = async (response: Response): Promise<Record<string, unknown>> => {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  return (await response.json()) as Record<string, unknown>;
};

describe("POST /v1/decisions", () => {
  test("without wait it is 202 once the request is durable", async () => {
    door = await openHttp();
    let commit: () => void = () => undefined;
    door.service.commit = () => new Promise((resolve) => (commit = resolve));
    let answered = false;
    const answer = door.post("/v1/decisions", requestOf(1)).finally(() => (answered = true));
    await until(() => door.service.submitted.length === 1);
    await pause(30);
    expect(answered).toBe(false);
    commit();
    const response = await answer;
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ id: idOf(1), status: "processing" });
  });

  test("with wait it is 200 with the decision, provisional or not", async () => {
    door = await openHttp();
    door.service.verdict = "escalate";
    const response = await door.post("/v1/decisions?wait=2000", requestOf(1));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ id: idOf(1), revision: 1, status: "pending" });
  });

  test("a decision that does not come within wait is 202", async () => {
    door = await openHttp();
    door.service.decides = false;
    const startMs = performance.now();
    const response = await door.post("/v1/decisions?wait=100", requestOf(1));
    expect(response.status).toBe(202);
    expect(performance.now() - startMs).toBeGreaterThan(95);
  });

  test("the same request again gives the same decision, another body is 409", async () => {
    door = await openHttp();
    const first = await (await door.post("/v1/decisions?wait=2000", requestOf(1))).text();
    expect(await (await door.post("/v1/decisions", { ...requestOf(1), at: 99 })).text()).toBe(first);
    const other = await door.post("/v1/decisions", requestOf(1, { task: "cart_verification" }));
    expect(other.status).toBe(409);
    expect(await problemOf(other)).toMatchObject({ code: "HP_CONFLICT", id: idOf(1), status: 409 });
  });

  test("MessagePack is taken, and given where Accept names it", async () => {
    door = await openHttp();
    const headers = { "content-type": "application/msgpack", accept: "application/msgpack" };
    const response = await door.post("/v1/decisions?wait=2000", encodeMessage(requestOf(1), "msgpack"), headers);
    expect(response.headers.get("content-type")).toBe("application/msgpack");
    const decoded = decodeMessage(new Uint8Array(await response.arrayBuffer()));
    expect(decoded).toMatchObject({ ok: true, value: { encoding: "msgpack", value: { id: idOf(1) } } });
  });

  test.each([
    ["a wrong schema", { ...requestOf(1), extra: 1 }, 400, "HP_SCHEMA"],
    ["another version", { ...requestOf(1), v: 2 }, 400, "HP_VERSION"],
    ["an unknown task", requestOf(1, { task: "unknown" }), 404, "HP_UNKNOWN_TASK"],
    ["no object", [1], 400, "HP_ENCODING"],
  ])("%s is a problem with its code, and the next request is served", async (_name, body, status, code) => {
    door = await openHttp();
    const response = await door.post("/v1/decisions", body);
    expect(response.status).toBe(status);
    expect(await problemOf(response)).toMatchObject({ code, status, hint: expect.any(String) as string });
    expect(door.metrics.refusals).toEqual([`http ${code}`]);
    expect((await door.post("/v1/decisions", requestOf(2))).status).toBe(202);
    expect(door.metrics.acks).toBe(1);
  });

  test("a transient refusal is 503 with Retry-After", async () => {
    door = await openHttp();
    door.service.refuseWith = new HoldpointError("HP_DISK_FULL", "the disk is full");
    const response = await door.post("/v1/decisions", requestOf(1));
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await problemOf(response)).toMatchObject({ code: "HP_DISK_FULL", retry: "backoff", retryAfterMs: 1000 });
  });

  test.each([[null], ["camera-2"], ["camera-1.x"]])("who is not a device (%s) is 401", async (device) => {
    door = await openHttp();
    const response = await door.call("/v1/decisions", { method: "POST", body: "{}", device });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toContain("Bearer");
    expect(await problemOf(response)).toMatchObject({ code: "HP_UNAUTHORIZED" });
    expect(door.metrics.refusals).toEqual(["http HP_UNAUTHORIZED"]);
  });

  test("a secret that was given with the device's name twice is understood", async () => {
    door = await openHttp();
    expect((await door.call("/v1/decisions", { device: "camera-1.camera-1" })).status).toBe(200);
  });
});

describe("GET /v1/decisions", () => {
  test("with wait it waits until the decision is final", async () => {
    door = await openHttp();
    door.service.verdict = "escalate";
    await door.post("/v1/decisions?wait=2000", requestOf(1));
    const final = door.call(`/v1/decisions/${idOf(1)}?wait=5000`);
    await until(() => door.service.waiting === 1);
    door.service.decide(idOf(1));
    expect(await (await final).json()).toMatchObject({ revision: 2, status: "final", decidedBy: "reviewer" });
  });

  test("when the time is out it gives what there is", async () => {
    door = await openHttp();
    door.service.verdict = "escalate";
    await door.post("/v1/decisions?wait=2000", requestOf(1));
    expect(await (await door.call(`/v1/decisions/${idOf(1)}?wait=50`)).json()).toMatchObject({ status: "pending" });
    door.service.decides = false;
    await door.post("/v1/decisions", requestOf(2));
    expect((await door.call(`/v1/decisions/${idOf(2)}?wait=50`)).status).toBe(202);
  });

  test("what is unknown, or another device's, is 404 at once", async () => {
    door = await openHttp();
    await door.post("/v1/decisions?wait=2000", requestOf(1));
    const startMs = performance.now();
    for (const path of [`/v1/decisions/${idOf(9)}?wait=5000`, "/v1/decisions/none"]) {
      expect((await door.call(path)).status).toBe(404);
    }
    const foreign = await door.call(`/v1/decisions/${idOf(1)}?wait=5000`, { device: "till-1" });
    expect(await problemOf(foreign)).toMatchObject({ code: "HP_NOT_FOUND" });
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  test("a list is the device's own, and its query is checked", async () => {
    door = await openHttp();
    await door.post("/v1/decisions?wait=2000", requestOf(1));
    const page = (await (await door.call("/v1/decisions?task=product_identification&limit=5")).json()) as {
      decisions: Decision[];
    };
    expect(page.decisions.map(({ id }) => id)).toEqual([idOf(1)]);
    expect(await (await door.call("/v1/decisions", { device: "till-1" })).json()).toEqual({
      decisions: [],
      cursor: null,
    });
    for (const query of [
      "limit=0",
      "limit=501",
      "limit=x",
      "verdict=maybe",
      "since=-1",
      "colour=red",
      "task=a/b",
      "cursor=",
      "cursor=x",
      "cursor=-1",
      "cursor=7up",
      "wait=x",
    ]) {
      expect([query, (await door.call(`/v1/decisions?${query}`)).status]).toEqual([query, 400]);
    }
  });

  test("a caller that goes away leaves no waiter, and waiters are bounded", async () => {
    door = await openHttp({ limits: { waitersMax: 2 } });
    door.service.decides = false;
    await door.post("/v1/decisions", requestOf(1));
    const leaving = new AbortController();
    const waits = [1, 2].map(() =>
      door.call(`/v1/decisions/${idOf(1)}?wait=60000`, { signal: leaving.signal }).catch(() => null),
    );
    await until(() => door.service.waiting === 2);
    const refusedBy = await door.call(`/v1/decisions/${idOf(1)}?wait=60000`);
    expect(await problemOf(refusedBy)).toMatchObject({ code: "HP_BUSY", status: 503 });
    // A POST is durable whether or not there is room to wait.
    expect((await door.post("/v1/decisions?wait=60000", requestOf(2))).status).toBe(202);
    leaving.abort();
    await Promise.all(waits);
    // At once, and not when their time is out.
    const leftMs = performance.now();
    await until(() => door.service.waiting === 0);
    expect(performance.now() - leftMs).toBeLessThan(1_500);
    const next = door.call(`/v1/decisions/${idOf(1)}?wait=5000`);
    await until(() => door.service.waiting === 1);
    door.service.decide(idOf(1));
    expect((await next).status).toBe(200);
  });
});

describe("outcomes, events and state", () => {
  test("an outcome takes its id from the path", async () => {
    door = await openHttp();
    const path = `/v1/decisions/${idOf(1)}/outcome`;
    expect(await (await door.post(path, { correct: true, source: "pos" })).json()).toEqual({
      id: idOf(1),
      status: "recorded",
    });
    expect((await door.post(path, { id: idOf(2), correct: true, source: "pos" })).status).toBe(400);
    expect((await door.post(path, { source: "pos" })).status).toBe(400);
    expect(door.service.outcomes).toEqual([idOf(1)]);
  });

  test("an event is recorded", async () => {
    door = await openHttp();
    const event = { v: 1, id: idOf(1), entity: "201", at: 1, values: { clicks: 2 } };
    expect(await (await door.post("/v1/events", event)).json()).toEqual({ id: idOf(1), status: "recorded" });
    expect(door.service.events).toEqual([idOf(1)]);
  });

  test.each([
    ["ready", 200],
    ["degraded", 200],
    ["starting", 503],
    ["draining", 503],
  ] as const)("an agent that is %s answers /readyz with %i and its reasons", async (state, status) => {
    door = await openHttp();
    door.service.state = state;
    const response = await door.call("/readyz", { device: null });
    expect(response.status).toBe(status);
    const { reasons } = (await response.json()) as { reasons: unknown[] };
    expect(reasons).toHaveLength(state === "ready" ? 0 : 1);
    expect((await door.call("/healthz", { device: null })).status).toBe(200);
    expect(await (await door.call("/v1/status", { device: null })).json()).toMatchObject({ state });
    const metrics = await (await door.call("/metrics", { device: null })).text();
    expect(metrics).toContain(`holdpoint_state{state="${state}"} 1`);
  });
});

describe("what a human-review backend is asked (POST /decision)", () => {
  test("a case is taken, and completed once it is final", async () => {
    door = await openHttp();
    door.service.verdict = "escalate";
    const response = await door.post("/decision/product_identification", { weight: 12, block: "F" });
    const { task_id: id, status } = (await response.json()) as { task_id: string; status: string };
    expect(status).toBe("processing");
    await until(() => door.service.rows.length === 1);
    const pending = { task_id: id, status: "processing", decision: null, automated: null, confidence: null };
    expect(await (await door.call(`/decision/${id}`)).json()).toEqual(pending);
    door.service.decide(id);
    const completed = { task_id: id, status: "completed", decision: "Oat-Milk", automated: false, confidence: 0.97 };
    expect(await (await door.call(`/decision/${id}`)).json()).toEqual(completed);
    expect((await door.call("/decision/none")).status).toBe(404);
  });

  test("the same Idempotency-Key is the same task, whatever restarts in between; another body is 409", async () => {
    door = await openHttp();
    const ask = (body: unknown, key: string): Promise<Response> =>
      door.post("/decision/product_identification", body, { "idempotency-key": key });
    const [a, b, c] = await Promise.all([ask({ w: 1 }, "k1"), ask({ w: 1 }, "k1"), ask({ w: 1 }, "k2")]);
    const [idA, idB, idC] = await Promise.all(
      [a, b, c].map(async (answer) => ((await answer.json()) as { task_id: string }).task_id),
    );
    expect(idA).toBe(idB);
    expect(idC).not.toBe(idA);
    expect((await ask({ w: 2 }, "k1")).status).toBe(409);
    expect((await ask({ w: 2 }, "x".repeat(256))).status).toBe(400);
    const service = door.service;
    await door.close();
    door = await openHttp({ service });
    expect(((await (await ask({ w: 1 }, "k1")).json()) as { task_id: string }).task_id).toBe(idA);
  });

  test("without a key it is at least once", async () => {
    door = await openHttp();
    const ids = await Promise.all(
      [1, 2].map(async () => (await door.post("/decision/product_identification", { w: 1 })).text()),
    );
    expect(ids[0]).not.toBe(ids[1]);
  });

  test("a caller on this machine without a secret is served only where that is set", async () => {
    door = await openHttp();
    const open = { method: "POST", body: '{"w":1}', device: null };
    expect((await door.call("/decision/product_identification", open)).status).toBe(401);
    await door.close();
    door = await openHttp({ localDevice: "till-1" });
    expect((await door.call("/decision/product_identification", open)).status).toBe(200);
    expect(door.service.submitted[0]?.device).toBe("till-1");
    expect((await door.call("/v1/decisions", { ...open, body: JSON.stringify(requestOf(1)) })).status).toBe(401);
  });
});

describe("entity decisions (POST /decide)", () => {
  test.each([
    ["allow", "accept", "allow"],
    ["Block", "accept", "block"],
    ["strange", "accept", "throttle"],
    ["allow", "escalate", "throttle"],
    [null, "abstain", "throttle"],
  ] as const)("label %s with verdict %s is the action %s", async (label, verdict, action) => {
    door = await openHttp();
    door.service.label = label;
    door.service.verdict = verdict;
    const answer: unknown = await (await door.post("/decide", { entity: 201, values: { clicks: 3 } })).json();
    expect(answer).toMatchObject({ entity: "201", action, label, verdict });
  });

  test("without values it asks on what is known; an outcome names the decision", async () => {
    door = await openHttp();
    const { id } = (await (await door.post("/decide", { entity_id: "201" })).json()) as { id: string };
    expect(decodeMessage(door.service.submitted[0]?.bytes ?? new Uint8Array())).toMatchObject({
      value: { value: { task: "entity_risk", input: { kind: "entity", entity: "201" } } },
    });
    expect((await door.post("/outcome", { id, outcome: "chargeback" })).status).toBe(200);
    expect(door.service.outcomes).toEqual([id]);
    expect((await door.post("/outcome", { id })).status).toBe(400);
    expect((await door.post("/decide", {})).status).toBe(400);
    expect((await door.post("/decide", { entity: "1", entity_id: "1" })).status).toBe(400);
  });
});

describe("hostile peers", () => {
  test("a path that is not there is 404, a method that is not allowed is 405", async () => {
    door = await openHttp();
    for (const path of ["/", "/v1/decisions/a/b/c", "/v1/decisions/%ff", "/%2e%2e/etc", "/constructor"]) {
      expect([path, (await door.call(path)).status]).toEqual([path, 404]);
    }
    const response = await door.call("/v1/events");
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
  });

  test("a body that is too large is 413, declared or chunked, and the door stays open", async () => {
    door = await openHttp({ limits: { bodyBytesMax: 100_000 } });
    expect((await door.post("/v1/decisions", new Uint8Array(100_001))).status).toBe(413);
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(60_000)) });
    const chunked = door.call("/v1/decisions", { method: "POST", body: endless, duplex: "half" } as RequestInit);
    expect(
      await chunked.then(
        (response) => response.status,
        () => "closed",
      ),
    ).toBeOneOf([413, "closed"]);
    expect((await door.post("/v1/decisions", requestOf(1))).status).toBe(202);
    expect(door.metrics.refusals).toContain("http HP_TOO_LARGE");
  });

  test("a bug is told as one, to be tried again; its words stay in the log", async () => {
    door = await openHttp();
    door.service.failWith = new TypeError("cannot read /etc/secret");
    const response = await door.post("/v1/decisions", requestOf(1));
    expect([response.status, response.headers.get("retry-after")]).toEqual([500, "1"]);
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ code: "HP_INTERNAL", status: 500, retry: "backoff" });
    expect(JSON.stringify(problem)).not.toContain("secret");
    expect(door.metrics.refusals).toEqual(["http HP_INTERNAL"]);
    door.service.failWith = null;
    expect((await door.post("/v1/decisions", requestOf(1))).status).toBe(202);
  });

  test("bodies of all callers together are bounded", async () => {
    door = await openHttp({ limits: { bodiesBytesMax: 150_000 } });
    let commit: () => void = () => undefined;
    door.service.commit = () => new Promise((resolve) => (commit = resolve));
    const data = Buffer.alloc(75_000, 1).toString("base64") as never;
    const input = { kind: "image" as const, encoding: "jpeg" as const, data };
    const held = door.post("/v1/decisions", requestOf(1, { input }));
    await until(() => door.service.submitted.length === 1);
    const second = await door.post("/v1/decisions", requestOf(2, { input }));
    expect(await problemOf(second)).toMatchObject({ code: "HP_BUSY" });
    commit();
    expect((await held).status).toBe(202);
    door.service.commit = () => Promise.resolve();
    expect((await door.post("/v1/decisions", requestOf(3, { input }))).status).toBe(202);
  });

  test("a peer that drips its headers or its body is closed", async () => {
    door = await openHttp({ limits: { requestTimeoutMs: 300 } });
    const heads = [
      "POST /v1/decisions HTTP/1.1\r\nhost: x\r\n",
      "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer camera-1.secret\r\ncontent-length: 1000\r\n\r\n{",
    ];
    for (const head of heads) {
      const socket = connect(door.port, "127.0.0.1", () => socket.write(head));
      socket.on("error", () => undefined);
      const drip = setInterval(() => socket.writable && socket.write("a"), 50);
      let answer = "";
      socket.setEncoding("utf8").on("data", (chunk: string) => (answer += chunk));
      await new Promise((resolve) => void socket.once("close", resolve));
      clearInterval(drip);
      expect(answer).toMatch(/^HTTP\/1\.1 408 .*"status":408,.*"code":"HP_TIMEOUT"/s);
    }
    expect(door.metrics.refusals).toEqual(["http HP_TIMEOUT", "http HP_TIMEOUT"]);
    expect(door.service.events).toEqual([]);
  });

  test("a port in use is HP_PORT", async () => {
    door = await openHttp();
    const taken = createServer();
    await new Promise<void>((resolve) => void taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(openHttp({ port })).rejects.toMatchObject({ code: "HP_PORT" });
    taken.close();
  });
});

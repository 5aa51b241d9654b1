import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  encodeMessage,
  errorCatalogue,
  limits,
  type ErrorBody,
  type ErrorCode,
  type Reason,
} from "../../protocol/index.ts";
import {
  freshId,
  requestOf,
  sidesConfig,
  startHostileAgent,
  storeId,
  type HostileAgent,
  type HostileDevice,
} from "../fixtures/hostile/hostile-agent.ts";
import { until } from "../support/door-mqtt.ts";
import { pair, temporaryFolder, writeModel } from "../support/models-fixtures.ts";

/**
 * One agent, its real journal and a real model. Every message that it must not take is sent through both doors; each time
 * the sender is told a code and what to do, the refusal is counted, and the next good request is decided.
 */

const folder = temporaryFolder();
let hostile: HostileAgent;
let camera: HostileDevice;

beforeAll(async () => {
  hostile = await startHostileAgent(sidesConfig(writeModel(folder.path, "sides")));
  camera = await hostile.device("camera-1");
});
afterAll(async () => {
  await hostile.close();
  folder.remove();
});

const json = (value: unknown): Uint8Array => encodeMessage(value, "json");
const msgpack = (value: unknown): Uint8Array => encodeMessage(value, "msgpack");
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const floats = (...values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const doubles = (...values: readonly number[]): Uint8Array => new Uint8Array(Float64Array.from(values).buffer);
const good = (): Record<string, unknown> => ({ ...requestOf() });
const features = (values: unknown): unknown => ({ ...good(), input: { kind: "features", values } });
const items = (item: object): unknown => ({
  ...good(),
  input: { kind: "items", items: [{ label: "Banana", count: 1, ...item }] },
});
/** JSON of a good request with text put in before its end. */
const jsonWith = (tail: string): Uint8Array => text(`${Buffer.from(json(good())).toString().slice(0, -1)},${tail}}`);
/** A MessagePack map of one key whose value is written by hand. */
const mapOf = (key: string, value: readonly number[]): Uint8Array =>
  Uint8Array.from([0x81, 0xa0 | key.length, ...text(key), ...value]);

const messages: readonly (readonly [name: string, bytes: () => Uint8Array, code: ErrorCode])[] = [
  ["a wrong schema", () => json({ ...good(), at: "yesterday" }), "HP_SCHEMA"],
  ["a request without input", () => json({ ...good(), input: undefined }), "HP_SCHEMA"],
  ["an id that is no UUID", () => json({ ...good(), id: "1" }), "HP_SCHEMA"],
  ["another version", () => json({ ...good(), v: 2 }), "HP_VERSION"],
  ["a version that is text", () => json({ ...good(), v: "1" }), "HP_VERSION"],
  ["an unknown task", () => json({ ...good(), task: "unheard_of" }), "HP_UNKNOWN_TASK"],
  ["a task named like a method", () => json({ ...good(), task: "constructor" }), "HP_UNKNOWN_TASK"],
  ["an unknown key", () => json({ ...good(), colour: "red" }), "HP_SCHEMA"],
  ["an unknown key in the input", () => json({ ...good(), input: { ...pair(1, 0), colour: 1 } }), "HP_SCHEMA"],
  ["an unknown kind of input", () => json({ ...good(), input: { kind: "sound" } }), "HP_SCHEMA"],
  ["data that is not base64", () => json({ ...good(), input: { ...pair(1, 0), data: "§" } }), "HP_SCHEMA"],
  [
    "data that does not fill its shape",
    () => msgpack({ ...good(), input: { ...pair(1, 0), shape: [9, 9] } }),
    "HP_SCHEMA",
  ],
  [
    "a shape of 10^48 numbers",
    () => msgpack({ ...good(), input: { ...pair(1, 0), shape: Array(8).fill(1e6) } }),
    "HP_SCHEMA",
  ],
  ["no data", () => msgpack({ ...good(), input: { ...pair(1, 0), data: new Uint8Array(0) } }), "HP_SCHEMA"],
  ["NaN in a tensor", () => json({ ...good(), input: pair(NaN, 0) }), "HP_NOT_FINITE"],
  ["an infinity in a tensor", () => msgpack({ ...good(), input: pair(0, -Infinity) }), "HP_NOT_FINITE"],
  [
    "NaN in a sequence",
    () => msgpack({ ...good(), input: { kind: "sequence", channels: ["x"], hertz: 30, data: floats(1, NaN) } }),
    "HP_NOT_FINITE",
  ],
  ["NaN among features", () => msgpack(features({ weight: NaN })), "HP_NOT_FINITE"],
  [
    "1e999 among features",
    () => text(JSON.stringify(features({ weight: 7 })).replace("7}", "1e999}")),
    "HP_NOT_FINITE",
  ],
  ["NaN in the context", () => msgpack({ ...good(), context: { weight: NaN } }), "HP_NOT_FINITE"],
  ["NaN as a JSON word", () => text(JSON.stringify(features({ weight: 7 })).replace("7}", "NaN}")), "HP_ENCODING"],
  ["a confidence of 1.5", () => json(items({ confidence: 1.5 })), "HP_SCHEMA"],
  ["a confidence of -0.1", () => msgpack(items({ confidence: -0.1 })), "HP_SCHEMA"],
  ["a confidence that is NaN", () => msgpack(items({ confidence: NaN })), "HP_NOT_FINITE"],
  ["`__proto__` in JSON", () => jsonWith('"__proto__":{"v":1}'), "HP_SCHEMA"],
  ["`__proto__` escaped", () => jsonWith('"\\u005f_proto__":{"v":1}'), "HP_SCHEMA"],
  ["`__proto__` in MessagePack", () => mapOf("__proto__", [0x80]), "HP_SCHEMA"],
  ["a key twice in JSON", () => jsonWith('"task":"people_only"'), "HP_SCHEMA"],
  ["a key twice in MessagePack", () => Uint8Array.from([0x82, 0xa1, 0x76, 1, 0xa1, 0x76, 1]), "HP_SCHEMA"],
  ["arrays nested 5,000 deep in JSON", () => jsonWith(`"context":${"[".repeat(5000)}${"]".repeat(5000)}`), "HP_SCHEMA"],
  [
    "maps nested 5,000 deep in JSON",
    () => jsonWith(`"context":${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`),
    "HP_SCHEMA",
  ],
  [
    "maps nested 5,000 deep in MessagePack",
    () => mapOf("a", [...Array<number[]>(5000).fill([0x81, 0xa1, 0x61]).flat(), 1]),
    "HP_SCHEMA",
  ],
  ["arrays nested 5,000 deep in MessagePack", () => mapOf("a", [...Array<number>(5000).fill(0x91), 1]), "HP_SCHEMA"],
  ["a MessagePack record extension", () => mapOf("a", [0xd4, 0x72, 0x40]), "HP_SCHEMA"],
  ["a MessagePack timestamp", () => mapOf("a", [0xd6, 0xff, 0, 0, 0, 1]), "HP_SCHEMA"],
  ["a MessagePack error object", () => mapOf("a", [0xc7, 3, 0x65, 0x93, 1, 1]), "HP_SCHEMA"],
  [
    "a MessagePack map that claims four billion keys",
    () => Uint8Array.from([0xdf, 255, 255, 255, 255, 0xa1, 0x76, 1]),
    "HP_ENCODING",
  ],
  ["MessagePack cut short", () => msgpack(good()).subarray(0, 40), "HP_ENCODING"],
  ["bytes behind the message", () => Uint8Array.from([...msgpack(good()), 1]), "HP_ENCODING"],
  ["JSON cut short", () => json(good()).subarray(0, 40), "HP_ENCODING"],
  ["bytes that are no UTF-8", () => Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "HP_ENCODING"],
  ["an empty body", () => new Uint8Array(0), "HP_ENCODING"],
  ["a JSON array", () => text("[1]"), "HP_ENCODING"],
  ["XML", () => text('<svg xmlns="http://www.w3.org/2000/svg"/>'), "HP_ENCODING"],
  ["a message of 12 MiB and a byte", () => Buffer.alloc(limits.messageBytesMax + 1, 0x7b), "HP_TOO_LARGE"],
];

/** Code, hint and retry are the catalogue's, and the message says something. */
function expectClear(body: ErrorBody, code: ErrorCode): void {
  expect(body.code).toBe(code);
  expect(body.retry).toBe(errorCatalogue[code].retry);
  expect(body.hint.length).toBeGreaterThan(10);
  expect(body.message.length).toBeGreaterThan(10);
  expect(body.message.length).toBeLessThan(400);
}

const countOf = (door: "mqtt" | "http", code: ErrorCode): Promise<number> =>
  hostile.metric("holdpoint_refused_total", { door, code });

async function servesBoth(): Promise<void> {
  const accepted = { verdict: "accept", answer: { label: "left" }, reasons: ["confident"] };
  expect(await camera.decide(requestOf())).toMatchObject(accepted);
  expect(await hostile.decide(requestOf())).toMatchObject(accepted);
}

/** Sends the same bytes through both doors. */
async function refusedByBoth(channel: string, path: string, bytes: Uint8Array, code: ErrorCode): Promise<void> {
  const before = [await countOf("mqtt", code), await countOf("http", code)];
  const told = await camera.refused(channel, bytes);
  expectClear(told, code);
  const response = await hostile.post(path, bytes);
  expect(response.status).toBe(errorCatalogue[code].status);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = (await response.json()) as ErrorBody;
  expectClear(problem, code);
  expect(problem.id).toBe(told.id);
  expect([await countOf("mqtt", code), await countOf("http", code)]).toEqual(before.map((count) => count + 1));
}

describe("a request that does not fit", () => {
  it.each(messages)("%s is refused at both doors, counted, and the next one is served", async (_name, bytes, code) => {
    await refusedByBoth("request", "/v1/decisions", bytes(), code);
    await servesBoth();
  });
});

describe("an event or an outcome that does not fit", () => {
  const event = (): object => ({ v: 1, id: freshId(), entity: "201", at: 1, values: { clicks: 2 } });

  it.each<readonly [string, () => Uint8Array, ErrorCode]>([
    ["an event with NaN", () => msgpack({ ...event(), values: { clicks: NaN } }), "HP_NOT_FINITE"],
    ["an event of another version", () => json({ ...event(), v: 7 }), "HP_VERSION"],
    ["an event with an unknown key", () => json({ ...event(), colour: 1 }), "HP_SCHEMA"],
    ["an event that is empty", () => new Uint8Array(0), "HP_ENCODING"],
  ])("%s is refused at both doors, counted, and the next request is served", async (_name, bytes, code) => {
    await refusedByBoth("event", "/v1/events", bytes(), code);
    await servesBoth();
  });

  it.each<readonly [string, (id: string) => object, ErrorCode]>([
    ["an outcome of an unknown decision", () => ({ correct: true }), "HP_NOT_FOUND"],
    ["an outcome that says nothing", () => ({}), "HP_SCHEMA"],
    ["an outcome with an unknown key", () => ({ correct: true, colour: 1 }), "HP_SCHEMA"],
  ])("%s is refused at both doors, counted, and the next request is served", async (_name, more, code) => {
    const id = freshId();
    const outcome = json({ id, at: 1, source: "pos", ...more(id) });
    await refusedByBoth("outcome", `/v1/decisions/${id}/outcome`, outcome, code);
    await servesBoth();
  });
});

describe("the same id again", () => {
  const conflict = async (send: () => Promise<ErrorBody>, door: "mqtt" | "http", id: string): Promise<void> => {
    const before = await countOf(door, "HP_CONFLICT");
    const told = await send();
    expectClear(told, "HP_CONFLICT");
    expect(told.id).toBe(id);
    expect(await countOf(door, "HP_CONFLICT")).toBe(before + 1);
  };
  const overHttp = async (body: Uint8Array, device?: string): Promise<ErrorBody> => {
    const response = await hostile.post("/v1/decisions", body, device);
    expect(response.status).toBe(409);
    return (await response.json()) as ErrorBody;
  };

  it("with another body is refused at either door, whichever door the first one took", async () => {
    for (const first of [camera.decide, hostile.decide]) {
      const request = requestOf();
      const decision = await first(request);
      const other = { ...request, input: pair(0, 2) };
      await conflict(() => camera.refused("request", json(other)), "mqtt", request.id);
      await conflict(() => overHttp(msgpack(other)), "http", request.id);
      // What was decided stays, and the same body is the same answer by both roads.
      expect(await hostile.decide(request)).toEqual(decision);
      expect(await hostile.decide({ ...request, at: 5, deadlineMs: 9000 })).toEqual(decision);
    }
    await servesBoth();
  });

  it("from another device is refused, with another body and with the same one, and tells nothing of the first", async () => {
    const till = await hostile.device("till-1");
    const request = requestOf();
    await camera.decide(request);
    for (const body of [request, { ...request, input: pair(0, 2) }]) {
      await conflict(() => till.refused("request", json(body)), "mqtt", request.id);
      await conflict(() => overHttp(json(body), "till-1"), "http", request.id);
    }
    expect(till.decisions).toEqual([]);
    expect(await till.decide(requestOf())).toMatchObject({ verdict: "accept" });
  });
});

describe("an input that the model cannot take is a verdict, not a refusal", () => {
  it.each<readonly [string, Parameters<typeof requestOf>[1], Reason]>([
    ["another kind", { kind: "entity", entity: "7" }, "bad_input"],
    ["another shape", { kind: "tensor", dtype: "float32", shape: [1, 3], data: floats(1, 2, 3) }, "bad_input"],
    [
      "a number that float32 cannot hold",
      { kind: "tensor", dtype: "float64", shape: [1, 2], data: doubles(1e300, 0) },
      "not_finite",
    ],
    ["a picture", { kind: "pixels", width: 1, height: 1, channels: 3, data: new Uint8Array(3) }, "bad_input"],
  ])("%s goes to people with its reason, is counted, and the next one is served", async (_name, input, reason) => {
    const reasons = (): Promise<number> => hostile.metric("holdpoint_reasons_total", { task: "sides", reason });
    const before = await reasons();
    for (const decide of [camera.decide, hostile.decide]) {
      expect(await decide(requestOf({}, input))).toMatchObject({
        ...{ verdict: "escalate", status: "pending", answer: null, confidence: 0 },
        reasons: [reason],
      });
    }
    expect(await reasons()).toBe(before + 2);
    await servesBoth();
  });
});

describe("a topic of somebody else", () => {
  it.each([
    `holdpoint/v1/${storeId}/till-1/request`,
    `holdpoint/v1/${storeId}/till-1/decision`,
    `holdpoint/v1/${storeId}/camera-1/decision`,
    `holdpoint/v1/${storeId}/agents/box-1/status`,
    "holdpoint/v1/store_2/camera-1/request",
    "$SYS/broker/uptime",
    "weather",
  ])("publishing on %s is told, counted, dropped, and the next request is served", async (topic) => {
    const till = await hostile.device("till-1");
    const before = [await countOf("mqtt", "HP_FORBIDDEN"), await hostile.metric("holdpoint_journal_received")];
    const told = await camera.refused(topic, json(requestOf()));
    expectClear(told, "HP_FORBIDDEN");
    expect(told.message).toContain(topic);
    expect([await countOf("mqtt", "HP_FORBIDDEN"), await hostile.metric("holdpoint_journal_received")]).toEqual([
      (before[0] ?? 0) + 1,
      before[1],
    ]);
    expect([till.errors, till.decisions]).toEqual([[], []]);
    till.client.end(true);
    await servesBoth();
  });

  it.each(["#", "+/#", "$SYS/#", `holdpoint/v1/${storeId}/+/decision`, `holdpoint/v1/${storeId}/till-1/decision`])(
    "subscribing to %s is 0x80, told on the error topic, counted, and the next request is served",
    async (filter) => {
      const before = [await countOf("mqtt", "HP_FORBIDDEN"), camera.errors.length];
      await expect(camera.client.subscribeAsync(filter, { qos: 1 })).rejects.toThrow(/128|Unspecified/);
      await until(() => camera.errors.length > (before[1] ?? 0));
      const told = camera.errors.at(-1) as ErrorBody;
      expectClear(told, "HP_FORBIDDEN");
      expect(told.message).toContain(filter);
      expect(await countOf("mqtt", "HP_FORBIDDEN")).toBe((before[0] ?? 0) + 1);
      await servesBoth();
    },
  );

  it("another device's decision is not found, whether it is there or not", async () => {
    const request = requestOf();
    await camera.decide(request);
    const before = await countOf("http", "HP_NOT_FOUND");
    const url = `${hostile.agent.http?.url ?? ""}/v1/decisions/${request.id}`;
    const headers = { authorization: `Bearer ${hostile.secrets["till-1"] ?? ""}` };
    const response = await fetch(url, { headers });
    expect(response.status).toBe(404);
    expectClear((await response.json()) as ErrorBody, "HP_NOT_FOUND");
    expect(await countOf("http", "HP_NOT_FOUND")).toBe(before + 1);
  });
});

describe("who says nothing or the wrong thing of itself", () => {
  it("a wrong secret is 401 and CONNACK 4, counted, and the next request is served", async () => {
    const before = [await countOf("mqtt", "HP_UNAUTHORIZED"), await countOf("http", "HP_UNAUTHORIZED")];
    const headers = { authorization: "Bearer camera-1.wrong" };
    const response = await hostile.post("/v1/decisions", json(good()), "camera-1", headers);
    expect(response.status).toBe(401);
    expectClear((await response.json()) as ErrorBody, "HP_UNAUTHORIZED");
    await expect(hostile.device("camera-9")).rejects.toMatchObject({ code: 4 });
    expect([await countOf("mqtt", "HP_UNAUTHORIZED"), await countOf("http", "HP_UNAUTHORIZED")]).toEqual(
      before.map((count) => count + 1),
    );
    await servesBoth();
  });
});

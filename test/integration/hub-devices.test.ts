import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningHub } from "../../cloud-sync/hub/hub.node.ts";
import { type IngestItem } from "../../protocol/index.ts";
import { createSigningKey } from "../../protocol/platform/signing.node.ts";
import { callHub, enrolAgent, signingAgent, type TestAgent } from "../support/hub-agent.ts";
import { escalation, heldDecision, revisionOf } from "../support/hub-items.ts";
import { overBothDatabases, type StartHub } from "../support/hub-start.ts";

function devicesSide(start: StartHub): void {
  let hub: RunningHub;
  let token: string;
  let agent: TestAgent;
  beforeAll(async () => {
    ({ hub, token } = await start());
    agent = await enrolAgent(hub.url, token, "store_1");
  });
  afterAll(() => hub.close());

  const ingest = (
    items: readonly unknown[],
    from: number,
    more: Readonly<Record<string, unknown>> = {},
    msgpack = false,
  ) =>
    agent.call(
      "POST",
      "/v1/ingest",
      { v: 1, epoch: "e1", from, items, lastSeq: from + items.length - 1, ...more },
      { msgpack },
    );

  test("a token enrols one box, once", async () => {
    const made = await callHub(hub.url, token, "POST", "/v1/fleet/tokens", { store: "store_2", agent: "b" });
    const enrol = (store: string) =>
      callHub(hub.url, token, "POST", "/v1/enrol", {
        ...{
          v: 1,
          token: made.json["token"],
          publicKey: createSigningKey().publicKey,
          agent: "b",
          store,
          software: "t",
        },
      });
    expect(await enrol("store_9")).toMatchObject({ status: 403, json: { code: "HP_TOKEN" } });
    const both = await Promise.all([enrol("store_2"), enrol("store_2")]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 403]);
    expect(both.find(({ status }) => status === 403)?.json).toMatchObject({ code: "HP_TOKEN" });
  });

  test("a box whose enrolment was answered into the void asks again with the same key, and is the same agent", async () => {
    const made = await callHub(hub.url, token, "POST", "/v1/fleet/tokens", { store: "store_2", agent: "c" });
    const { publicKey } = createSigningKey();
    const enrol = (key: string) => {
      const body = { v: 1, token: made.json["token"], publicKey: key, agent: "c", store: "store_2", software: "t" };
      return callHub(hub.url, token, "POST", "/v1/enrol", body);
    };
    const first = await enrol(publicKey);
    expect(await enrol(publicKey)).toMatchObject({ status: 200, json: { agentId: first.json["agentId"], agent: "c" } });
    expect(await enrol(createSigningKey().publicKey)).toMatchObject({ status: 403, json: { code: "HP_TOKEN" } });
  });

  test("a call is good once, with the right key, at about the right time", async () => {
    const beat = "/v1/feed";
    const stranger = signingAgent(hub.url, agent.agentId, createSigningKey());
    expect(await stranger.call("GET", beat)).toMatchObject({ status: 401, json: { code: "HP_UNAUTHORIZED" } });
    const nonce = "used-only-once";
    expect(await agent.call("GET", beat, undefined, { nonce })).toMatchObject({ status: 200 });
    expect(await agent.call("GET", beat, undefined, { nonce })).toMatchObject({ status: 401 });
    const late = await agent.call("GET", beat, undefined, { nowMs: Date.now() - 10 * 365 * 86_400_000 });
    expect(late).toMatchObject({ status: 401, json: { code: "HP_CLOCK" } });
  });

  test("rows are taken in order; a repeat changes nothing and a gap is asked for", async () => {
    const [one, two, three] = [escalation(1), escalation(2), escalation(3)];
    expect(await ingest([one, two], 1)).toMatchObject({ status: 200, json: { watermark: 2, refused: [] } });
    expect(await ingest([one, two, three], 1)).toMatchObject({ json: { watermark: 3, refused: [] } });
    expect(await ingest([escalation(9)], 9)).toMatchObject({ json: { watermark: 3, refused: [] } });
    expect(await ingest([{ ...one, seq: 5 }], 4)).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });
  });

  test("the same id with another body is set aside, counted as received, and the first one stands", async () => {
    const decision = heldDecision();
    const answer = await ingest([escalation(4, decision), escalation(5, { ...decision, confidence: 0.1 })], 4);
    expect(answer.json).toMatchObject({ watermark: 5, refused: [{ seq: 5, code: "HP_CONFLICT" }] });
  });

  test("a row that is no JSON, or of another decision, is set aside and the rest is taken", async () => {
    const broken = { ...escalation(6), body: "{" };
    const other = { ...escalation(7), body: escalation(7).body };
    const answer = await ingest([broken, other, escalation(8)], 6);
    expect(answer.json).toMatchObject({
      watermark: 8,
      refused: [
        { seq: 6, code: "HP_ENCODING" },
        { seq: 7, code: "HP_SCHEMA" },
      ],
    });
  });

  test("calls that come at once and overlap leave every row applied once", async () => {
    const items = Array.from({ length: 20 }, (_, index) => escalation(9 + index));
    const answers = await Promise.all([
      ingest(items, 9),
      ingest(items.slice(0, 10), 9),
      ingest(items.slice(0, 15), 9),
      ingest(items, 9),
    ]);
    expect(Math.max(...answers.map(({ json }) => Number(json["watermark"])))).toBe(28);
    expect((await ingest(items, 9)).json).toMatchObject({ watermark: 28, refused: [] });
  });

  test("calls of many agents that wait together are each answered for themselves, whatever one of them sends", async () => {
    const agents = await Promise.all(
      Array.from({ length: 12 }, (_, index) => enrolAgent(hub.url, token, "store_8", `crowd-${index}`)),
    );
    const shared = heldDecision();
    const rowsOf = (index: number): readonly IngestItem[] => {
      const decision = heldDecision();
      const plain = [escalation(2), escalation(3), escalation(4)];
      switch (index % 4) {
        case 0:
          return [escalation(1), revisionOf(2, decision, "x"), escalation(3), { ...escalation(4), body: "{" }];
        // One id with three bodies, from three boxes of the store: the first one stands.
        case 1:
          return [escalation(1, { ...shared, confidence: index / 100 }), ...plain];
        case 2:
          return [escalation(1, decision), revisionOf(2, decision, "Pink-Lady"), ...plain.slice(1)];
        default:
          return [escalation(1), ...plain];
      }
    };
    const answers = await Promise.all(
      agents.map((one, index) => {
        // Before one call lies a gap.
        const from = index === 3 ? 7 : 1;
        const items = rowsOf(index).map((row) => ({ ...row, seq: row.seq + from - 1 }));
        return one.call("POST", "/v1/ingest", { v: 1, epoch: "e", from, items, lastSeq: from + 3 });
      }),
    );
    expect(answers.map(({ json }) => json["watermark"])).toEqual([4, 4, 4, 0, ...Array<number>(8).fill(4)]);
    const refused = answers.map(({ json }) => (json["refused"] as { code: string }[]).map(({ code }) => code));
    const ofKind = (kind: number): readonly string[] => refused.filter((_, index) => index % 4 === kind).flat();
    expect(ofKind(0)).toEqual(Array(3).fill("HP_ENCODING"));
    expect(ofKind(1)).toEqual(Array(2).fill("HP_CONFLICT"));
    expect([...ofKind(2), ...ofKind(3)]).toEqual([]);
    const found = await callHub(hub.url, token, "GET", "/v1/cases?store=store_8&limit=100");
    const cases = found.json["items"] as { finalLabel: string | null }[];
    // Two cases of each of the first kind, three and the shared one, three, and four of those without the gap.
    expect(cases).toHaveLength(3 * 2 + (3 * 3 + 1) + 3 * 3 + 2 * 4);
    expect(cases.filter(({ finalLabel }) => finalLabel === "Pink-Lady")).toHaveLength(3);
  });

  test("a picture comes in parts, goes on where it broke off, and is refused where its digest does not fit", async () => {
    const picture = crypto.getRandomValues(new Uint8Array(1000));
    const item = escalation(29, heldDecision(), picture);
    const sha256 = item.brief?.picture?.sha256 ?? "";
    const taken = await ingest([item], 29);
    expect(taken.json["wanted"]).toEqual([{ id: item.id, sha256, offset: 0 }]);
    const put = (from: number, to: number, bytes = picture.subarray(from, to)) =>
      agent.call("PUT", `/v1/blobs/${item.id}/${sha256}`, bytes, {
        headers: { "content-range": `bytes ${from}-${to - 1}/1000` },
      });
    expect(await put(0, 400)).toMatchObject({ status: 202, json: { offset: 400, complete: false } });
    expect(await put(700, 1000)).toMatchObject({ json: { offset: 400 } });
    // An empty part would stand where the next one is to go.
    expect(await put(400, 400)).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });
    expect(await put(400, 1000, new Uint8Array(600))).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });
    expect(await put(0, 400)).toMatchObject({ json: { offset: 400, complete: false } });
    expect(await put(400, 1000)).toMatchObject({ status: 201, json: { complete: true } });
    expect(await put(0, 400)).toMatchObject({ status: 201, json: { complete: true } });
  });

  test("a small picture comes along with its case", async () => {
    const picture = crypto.getRandomValues(new Uint8Array(500));
    const item = escalation(30, heldDecision(), picture);
    const pictures = [{ id: item.id, sha256: item.brief?.picture?.sha256, data: picture }];
    expect((await ingest([item], 30, { pictures }, true)).json).toMatchObject({ watermark: 30, wanted: [] });
  });

  test("many pictures of one call are kept as they came, and one whose bytes are not its own is asked for again", async () => {
    const other = await enrolAgent(hub.url, token, "store_5");
    const all = Array.from({ length: 40 }, () => crypto.getRandomValues(new Uint8Array(12_288)));
    const items = all.map((bytes, index) => escalation(index + 1, heldDecision(), bytes));
    const pictures = items.map((item, index) => {
      return { id: item.id, sha256: item.brief?.picture?.sha256, data: index === 7 ? all[8] : all[index] };
    });
    const body = { v: 1, epoch: "e1", from: 1, items, lastSeq: items.length, pictures };
    const taken = await other.call("POST", "/v1/ingest", body, { msgpack: true });
    const wrong = { id: items[7]?.id, sha256: items[7]?.brief?.picture?.sha256, offset: 0 };
    expect(taken.json).toEqual({ watermark: 40, refused: [], wanted: [wrong] });
    for (const index of [0, 6, 8, 39]) {
      const found = await callHub(hub.url, token, "GET", `/v1/cases?search=${items[index]?.id}`);
      const [{ id }] = found.json["items"] as [{ id: string }];
      const headers = { authorization: `Bearer ${token}` };
      const shown = await fetch(`${hub.url}/v1/cases/${id}/picture`, { headers });
      expect(new Uint8Array(await shown.arrayBuffer())).toEqual(all[index]);
    }
    // The same call again: everything is known, and still only one picture is lacking.
    const again = await other.call("POST", "/v1/ingest", body, { msgpack: true });
    expect(again.json).toEqual({ watermark: 40, refused: [], wanted: [wrong] });
  });

  test("another store's agent can neither send nor complete a case of this one", async () => {
    const foreign = await enrolAgent(hub.url, token, "store_3");
    const item = escalation(31, heldDecision(), new Uint8Array([1, 2, 3]));
    await ingest([item], 31);
    const sha256 = item.brief?.picture?.sha256 ?? "";
    const answer = await foreign.call("PUT", `/v1/blobs/${item.id}/${sha256}`, new Uint8Array([1, 2, 3]), {
      headers: { "content-range": "bytes 0-2/3" },
    });
    expect(answer).toMatchObject({ status: 404, json: { code: "HP_NOT_FOUND" } });
  });

  test("a final revision closes the case and an outcome of an unknown decision is kept", async () => {
    const decision = heldDecision();
    const outcome = { id: heldDecision().id, label: "x", source: "pos", at: 1 };
    const answer = await ingest(
      [
        escalation(32, decision),
        revisionOf(33, decision, "Pink-Lady"),
        { seq: 34, kind: "outcome", id: outcome.id, createdAtMs: 1, body: JSON.stringify({ id: outcome.id, outcome }) },
      ],
      32,
    );
    expect(answer.json).toMatchObject({ watermark: 34, refused: [] });
  });

  test("an outcome that no database keeps is set aside, and those behind it are taken", async () => {
    const other = await enrolAgent(hub.url, token, "store_1", "box-nul");
    const outcome = (seq: number, label: string) => {
      const { id } = heldDecision();
      const body = JSON.stringify({ id, outcome: { id, label, source: "pos", at: 1 } });
      return { seq, kind: "outcome", id, createdAtMs: 1, body };
    };
    const items = [outcome(1, "Ki\u0000wi"), outcome(2, "Kiwi")];
    const answer = await other.call("POST", "/v1/ingest", { v: 1, epoch: "e9", from: 1, items, lastSeq: 2 });
    expect(answer).toMatchObject({ status: 200, json: { watermark: 2, refused: [{ seq: 1, code: "HP_SCHEMA" }] } });
  });

  test("so is a case of a model whose label has it, and one that only looks like it is taken", async () => {
    const other = await enrolAgent(hub.url, token, "store_1", "box-nul-2");
    const labelled = (seq: number, label: string) => escalation(seq, { ...heldDecision(), answer: { label } });
    const items = ["\u0000", "\\u0000", "\\\u0000", "Kiwi"].map((label, at) => labelled(at + 1, label));
    const answer = await other.call("POST", "/v1/ingest", { v: 1, epoch: "e1", from: 1, items, lastSeq: 4 });
    expect(answer).toMatchObject({ status: 200, json: { watermark: 4 } });
    expect(answer.json["refused"]).toMatchObject([
      { seq: 1, code: "HP_SCHEMA" },
      { seq: 3, code: "HP_SCHEMA" },
    ]);
  });

  test("numbers that an agent's journal has no more are not waited for, and only as many as it says", async () => {
    const other = await enrolAgent(hub.url, token, "store_1", "box-2");
    const send = (from: number, skipped: number) =>
      other.call("POST", "/v1/ingest", { v: 1, epoch: "e2", from, items: [escalation(from)], lastSeq: from, skipped });
    expect((await send(41, 39)).json).toMatchObject({ watermark: 0 });
    expect((await send(41, 40)).json).toMatchObject({ watermark: 41, refused: [] });
    expect((await send(43, 0)).json).toMatchObject({ watermark: 41 });
    const empty = { v: 1, epoch: "e2", from: 50, items: [], lastSeq: 49, skipped: 8 };
    expect((await other.call("POST", "/v1/ingest", empty)).json).toMatchObject({ watermark: 49 });
  });

  test("a feed without news answers when its wait is over", async () => {
    const started = Date.now();
    const answer = await agent.call("GET", "/v1/feed?wait=300");
    expect(answer).toMatchObject({ status: 200, json: { items: [] } });
    expect(Date.now() - started).toBeGreaterThanOrEqual(295);
    expect(await agent.call("GET", "/v1/feed?cursor=nonsense.x")).toMatchObject({ status: 400 });
  });

  test("an agent that runs wild is told to wait, and another one is not", async () => {
    const wild = await enrolAgent(hub.url, token, "store_7", "wild");
    let refused: Awaited<ReturnType<TestAgent["call"]>> | undefined;
    for (let round = 0; round < 60 && refused === undefined; round += 1) {
      const answers = await Promise.all(Array.from({ length: 100 }, () => wild.call("GET", "/v1/feed?wait=0")));
      refused = answers.find(({ status }) => status === 429);
    }
    expect(refused?.json).toMatchObject({ code: "HP_RATE", retry: "backoff" });
    expect(await agent.call("GET", "/v1/feed?wait=0")).toMatchObject({ status: 200 });
  });
}

overBothDatabases("the devices' side of a hub", devicesSide);

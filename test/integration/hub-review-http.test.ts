import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningHub } from "../../cloud-sync/hub/hub.node.ts";
import { type ReviewCase } from "../../protocol/index.ts";
import { callHub, enrolAgent, type TestAgent, type TestAnswer } from "../support/hub-agent.ts";
import { escalation, heldDecision, revisionOf } from "../support/hub-items.ts";
import { overBothDatabases, type StartHub } from "../support/hub-start.ts";

function reviewCalls(start: StartHub): void {
  let hub: RunningHub;
  let admin = "";
  let agent: TestAgent;
  const tokens: Record<string, string> = {};
  const jpeg = new Uint8Array([255, 216, 255, 224, 1, 2, 3]);
  let seq = 0;

  beforeAll(async () => {
    ({ hub, token: admin } = await start());
    agent = await enrolAgent(hub.url, admin, "store_1");
    for (const [name, roles, stores] of [
      ["anna", ["reviewer"], ["store_1"]],
      ["lena", ["lead"], null],
      ["far", ["lead"], ["store_9"]],
    ] as const) {
      const made = await callHub(hub.url, admin, "POST", "/v1/tokens", { name, roles, stores });
      tokens[name] = String(made.json["token"]);
    }
  });
  afterAll(() => hub.close());

  const call = (who: string, method: string, path: string, body?: unknown): Promise<TestAnswer> =>
    callHub(hub.url, tokens[who] ?? admin, method, path, body);
  const hold = async (): Promise<string> => {
    seq += 1;
    const item = escalation(seq, heldDecision(), jpeg);
    const pictures = [{ id: item.id, sha256: item.brief?.picture?.sha256, data: jpeg }];
    const body = { v: 1, epoch: "e1", from: seq, items: [item], lastSeq: seq, pictures };
    expect(await agent.call("POST", "/v1/ingest", body, { msgpack: true })).toMatchObject({ status: 200 });
    return item.id;
  };
  const next = async (who: string): Promise<ReviewCase | undefined> => {
    const answer = await call(who, "POST", "/v1/review/next", { store: "store_1" });
    expect(answer.status).toBe(200);
    return (answer.json["cases"] as ReviewCase[])[0];
  };
  const submit = (who: string, held: ReviewCase | undefined, reviewId: string) =>
    call(who, "POST", `/v1/review/cases/${held?.id}/submit`, {
      ...{ answer: { kind: "label", label: "Royal-Gala" }, generation: held?.lease?.generation, reviewId, tookMs: 900 },
    });
  const picture = (who: string, path: string) =>
    fetch(`${hub.url}${path}`, { headers: { authorization: `Bearer ${tokens[who]}` } });

  test("a held case goes to a reviewer with its picture, is answered, taken back and answered again", async () => {
    await hold();
    const held = await next("anna");
    expect(held).toMatchObject({ task: "product_identification", store: "store_1", lease: { reviewer: "anna" } });
    const shown = await picture("anna", held?.pictureUrl ?? "");
    expect(shown.headers.get("content-type")).toBe("image/jpeg");
    expect(new Uint8Array(await shown.arrayBuffer())).toEqual(jpeg);
    // Who does not hold the case sees nothing of it, a lead neither.
    expect((await picture("lena", held?.pictureUrl ?? "")).status).toBe(409);
    expect((await picture("far", held?.pictureUrl ?? "")).status).toBe(404);
    expect(await submit("anna", held, "r1")).toMatchObject({ status: 200, json: { reviewId: "r1" } });
    const undone = await call("anna", "POST", `/v1/review/cases/${held?.id}/undo`, { reviewId: "r1" });
    expect(undone.status).toBe(200);
    const [again] = undone.json["cases"] as ReviewCase[];
    expect(await submit("anna", held, "r2")).toMatchObject({ status: 409, json: { code: "HP_LEASE_LOST" } });
    expect(await submit("anna", again, "r2")).toMatchObject({ status: 200 });
  });

  test("a reviewer hands a case to a lead, who gets it and has look-alikes beside it", async () => {
    await hold();
    const held = await next("anna");
    const escalate = { generation: held?.lease?.generation };
    expect(await call("anna", "POST", `/v1/review/cases/${held?.id}/escalate`, escalate)).toMatchObject({
      status: 200,
    });
    expect(await next("far")).toBeUndefined();
    const given = await next("lena");
    expect(given?.id).not.toBe(held?.id);
    const alike = await call("lena", "GET", `/v1/review/cases/${given?.id}/look-alikes`);
    expect(alike).toMatchObject({ status: 200, json: { lookAlikes: [{ label: "Royal-Gala" }] } });
    expect(await call("anna", "GET", `/v1/review/cases/${given?.id}/look-alikes`)).toMatchObject({ status: 404 });
  });

  test("cases are a list and a story for whoever may read them, within their stores", async () => {
    const decisionId = await hold();
    expect(await call("anna", "GET", "/v1/cases")).toMatchObject({ status: 403 });
    const found = await call("lena", "GET", `/v1/cases?search=${decisionId.slice(4, 30)}&verdict=escalate`);
    const [item] = found.json["items"] as { id: string }[];
    expect(found.json["items"]).toMatchObject([
      { decisionId, state: "open", modelLabel: "Royal-Gala", picture: "kept" },
    ]);
    const story = await call("lena", "GET", `/v1/cases/${item?.id}`);
    expect(story.json).toMatchObject({ decisionId, events: [{ kind: "opened" }], answers: [] });
    expect((await picture("lena", `/v1/cases/${item?.id}/picture`)).status).toBe(200);
    expect(await call("far", "GET", `/v1/cases/${item?.id}`)).toMatchObject({ status: 404 });
    expect((await picture("far", `/v1/cases/${item?.id}/picture`)).status).toBe(404);
    expect((await call("far", "GET", "/v1/cases")).json).toEqual({ items: [], cursor: null });
  });

  test("a list is read page by page without a gap, and a search text is text and never a pattern", async () => {
    await hold();
    const seen: string[] = [];
    let cursor = "";
    for (let page = 0; page < 20; page += 1) {
      const { json } = await call("lena", "GET", `/v1/cases?limit=1${cursor === "" ? "" : `&cursor=${cursor}`}`);
      seen.push(...(json["items"] as { id: string }[]).map(({ id }) => id));
      if (typeof json["cursor"] !== "string") break;
      cursor = json["cursor"];
    }
    expect(seen).toHaveLength(seq);
    expect(seen).toEqual([...seen].sort().reverse());
    for (const hostile of ["%", "stor__1", "(a+)+$", "'; drop table cases; --", "\\"]) {
      const answer = await call("lena", "GET", `/v1/cases?search=${encodeURIComponent(hostile)}`);
      expect(answer).toMatchObject({ status: 200, json: { items: [] } });
    }
    expect(await call("lena", "GET", "/v1/cases?cursor=nonsense")).toMatchObject({ status: 400 });
  });

  test("the board, the rules and the figures are for those who may see them", async () => {
    await hold();
    const board = await call("lena", "GET", "/v1/reviews/queue?limit=200");
    const states = (board.json["items"] as { state: string; role: string }[]).map(({ state }) => state);
    expect(states).toContain("waiting");
    const rules = { reviewersNeeded: 2, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null };
    expect(await call("lena", "PUT", "/v1/reviews/rules/product_identification", rules)).toMatchObject({ status: 403 });
    const changed = await call("admin", "PUT", "/v1/reviews/rules/product_identification", rules);
    expect(changed).toMatchObject({ status: 200, json: { rules } });
    await hold();
    const after = await call("lena", "GET", "/v1/reviews/queue?state=waiting&limit=200");
    expect((after.json["items"] as { role: string }[]).map(({ role }) => role)).toContain("second");
    expect(await call("anna", "GET", "/v1/reviews/stats")).toMatchObject({ status: 403 });
    expect(await call("lena", "GET", "/v1/reviews/stats")).toMatchObject({ status: 200 });
    expect(await call("lena", "GET", "/v1/reviews/labels")).toMatchObject({ status: 200, json: { items: [] } });
    expect(await call("anna", "GET", "/v1/review/session")).toMatchObject({
      json: { store: "store_1", undoWindowMs: 10_000 },
    });
  });

  test("a lead takes a case away from who holds it, and the reviewer's answer is refused", async () => {
    const held = await next("anna");
    expect(await call("far", "POST", `/v1/reviews/queue/${held?.id}/release`)).toMatchObject({ status: 404 });
    expect(await call("lena", "POST", `/v1/reviews/queue/${held?.id}/release`)).toMatchObject({
      json: { released: true },
    });
    expect(await submit("anna", held, "r9")).toMatchObject({ status: 409, json: { code: "HP_LEASE_LOST" } });
  });

  test("the stream begins with the queue as this reviewer may work on it", async () => {
    const gone = new AbortController();
    const headers = { authorization: `Bearer ${tokens["far"]}` };
    const stream = await fetch(`${hub.url}/v1/review/stream`, { headers, signal: gone.signal });
    expect(stream.headers.get("content-type")).toBe("text/event-stream");
    const first = await stream.body?.getReader().read();
    expect(new TextDecoder().decode(first?.value as Uint8Array)).toMatch(/event: queue\ndata: .*"waiting":0/);
    gone.abort();
  });

  test("a search finds the answer and, said so, the model's first one, and no candidate that nobody took", async () => {
    const decision = heldDecision(undefined, "Braeburn-Organic");
    const items = [escalation(seq + 1, decision), revisionOf(seq + 2, decision, "Cox_Orange")];
    const suggestions = [
      { label: "Braeburn-Organic", confidence: 0.6 },
      { label: "Jonagold", confidence: 0.3 },
    ];
    const [first, second] = items;
    const view = { ...first?.brief?.view, suggestions, facts: [{ name: "answer 1", value: "Jonagold" }] };
    const sent = [{ ...first, brief: { ...first?.brief, view } }, second];
    const body = { v: 1, epoch: "e1", from: seq + 1, items: sent, lastSeq: seq + 2 };
    expect(await agent.call("POST", "/v1/ingest", body)).toMatchObject({ json: { refused: [] } });
    seq += 2;
    const found = async (search: string): Promise<unknown[]> => {
      const { json } = await call("lena", "GET", `/v1/cases?limit=200&search=${encodeURIComponent(search)}`);
      const own = json["items"] as { decisionId: string; foundIn: string }[];
      return own.filter(({ decisionId }) => decisionId === decision.id).map(({ foundIn }) => foundIn);
    };
    expect(await found("cox orange")).toEqual(["answer"]);
    expect(await found("Cox_Orange")).toEqual(["answer"]);
    expect(await found("braeburn org")).toEqual(["modelAnswer"]);
    expect(await found("jonagold")).toEqual([]);
    expect(await found(decision.id)).toEqual(["id"]);
    expect(await found("STORE_1")).toEqual(["store"]);
    expect(await found("camera-1")).toEqual(["device"]);
    // Whatever hexadecimal ids have in them by chance.
    for (const shelf of ["C2", "c2"]) expect(await found(shelf)).toEqual(["context"]);
    for (let digit = 0; digit < 16; digit += 1) expect(await found(digit.toString(16))).not.toContain("id");
    const all = await call("lena", "GET", "/v1/cases");
    expect((all.json["items"] as { foundIn: null }[])[0]?.foundIn).toBeNull();
  });

  test("a story begins with the case's coming and has the first decision beside the newest", async () => {
    const decision = heldDecision();
    const items = [escalation(seq + 1, decision), revisionOf(seq + 2, decision, "Pink-Lady")];
    const body = { v: 1, epoch: "e1", from: seq + 1, items, lastSeq: seq + 2 };
    expect(await agent.call("POST", "/v1/ingest", body)).toMatchObject({ json: { watermark: seq + 2, refused: [] } });
    seq += 2;
    const found = await call("lena", "GET", `/v1/cases?search=${decision.id}`);
    expect(found.json["items"]).toMatchObject([{ modelLabel: "Royal-Gala", confidence: 0.62, state: "final" }]);
    const [item] = found.json["items"] as { id: string }[];
    const { json } = await call("lena", "GET", `/v1/cases/${item?.id}`);
    expect(json).toMatchObject({ firstDecision: decision, decision: { revision: 2, answer: { label: "Pink-Lady" } } });
    const { events, receivedMs, dueMs } = json as { events: unknown[]; receivedMs: number; dueMs: number };
    expect(events[0]).toEqual({ kind: "opened", atMs: receivedMs, body: { kind: "escalation", dueMs } });
    expect(events).toMatchObject([{ kind: "opened" }, { kind: "revised" }]);
  });
}

overBothDatabases("review over HTTP at a hub", reviewCalls);

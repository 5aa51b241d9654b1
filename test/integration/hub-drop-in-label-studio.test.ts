import { afterAll, beforeAll, expect, test } from "vitest";
import { callHub } from "../support/hub-agent.ts";
import { openDropInPlace, reviewer, type DropInPlace } from "../support/hub-drop-in.ts";
import { overBothUrls } from "../support/hub-start.ts";

const image =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const choice = (label: string, score?: number) => ({
  ...{ from_name: "choice", to_name: "image", type: "choices", value: { choices: [label] } },
  ...(score === undefined ? {} : { score }),
});
const labelConfig = '<View><Image name="img" value="$image"/><Choices name="fruit" toName="img"></Choices></View>';

function labelStudio(open: () => Promise<DropInPlace>): void {
  let place: DropInPlace;
  let token: string;
  let reviewToken: string;
  beforeAll(async () => {
    place = await open();
    token = await place.token({ stores: ["store_1"] });
    reviewToken = await place.token({ stores: ["store_1"], role: "reviewer" });
    const task = { labels: ["Kiwi", "Lemon"], question: "Which fruit?" };
    expect((await callHub(place.url, token, "PUT", "/v1/work/tasks/fruit", task)).status).toBe(200);
  });
  afterAll(() => place.close());

  const importing = (tasks: unknown, as = token) =>
    callHub(place.url, as, "POST", "/v1/label-studio/import?task=fruit", tasks);
  const exported = async (query: string) => {
    const answer = await fetch(`${place.url}/v1/label-studio/export?task=fruit&${query}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const tasks = (await answer.json()) as {
      readonly data: Readonly<Record<string, string>>;
      readonly predictions: readonly Record<string, unknown>[];
      readonly annotations: readonly Record<string, unknown>[];
    }[];
    return { tasks, cursor: answer.headers.get("x-next-cursor") };
  };
  const call = async (path: string, authorization: string, body?: unknown) => {
    const answer = await fetch(`${place.url}/v1/label-studio/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
  };
  const annotated = (id: number, label: string | null, more: Readonly<Record<string, unknown>> = {}) => ({
    action: "ANNOTATION_CREATED",
    annotation: {
      ...{ id, result: label === null ? [] : [choice(label)], was_cancelled: label === null, lead_time: 3.5 },
      ...{ task: 100 + id, completed_by: 7 },
    },
    project: { id: 2, label_config: labelConfig },
    ...more,
  });
  const webhook = (body: unknown, as = reviewToken) => call("webhook", `Token ${as}`, body);

  test("tasks become cases with picture and suggestions, once, and what was annotated is known", async () => {
    const tasks = [
      {
        id: 1,
        data: { image, shelf: "C2" },
        predictions: [{ score: 0.4, result: [choice("Kiwi"), choice("Lemon", 0.9)] }],
      },
      { id: 2, data: { text: "a fruit" }, annotations: [{ result: [choice("Kiwi")], ground_truth: true }] },
    ];
    const first = await importing(tasks);
    expect(first).toMatchObject({
      ...{ status: 200, json: { task_count: 2, new_count: 2, annotation_count: 1, prediction_count: 1 } },
    });
    const again = await importing(tasks);
    expect(again.json).toMatchObject({ new_count: 0, ids: first.json["ids"] });
    expect(await importing([{ id: 1, data: { other: 1 } }])).toMatchObject({ status: 409 });
    expect(await importing([{ id: 3 }])).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });

    const held = await place.answerNext("Lemon", reviewer("Ana"));
    expect(held.suggestions).toEqual([
      { label: "Lemon", confidence: 0.9 },
      { label: "Kiwi", confidence: 0.4 },
    ]);
    expect(held.facts).toEqual([{ name: "shelf", value: "C2" }]);
    expect(held.pictureUrl).not.toBeNull();
    await expect(place.nextCase(reviewer("Bo"))).rejects.toThrow("nobody is asked");
  });

  test("an export is what Label Studio imports, a page at a time, and nothing of another store", async () => {
    const first = await exported("limit=1");
    const second = await exported(`limit=1&cursor=${first.cursor ?? ""}`);
    expect([first.tasks.length, second.tasks.length, second.cursor]).toEqual([1, 1, null]);
    const task = [...first.tasks, ...second.tasks].find(({ data }) => "image" in data);
    expect(task).toMatchObject({
      data: { image, shelf: "C2", question: "Which fruit?" },
      predictions: [{ score: 0.9, result: [choice("Lemon", 0.9)] }],
      annotations: [{ result: [choice("Lemon")], was_cancelled: false, lead_time: 1.5 }],
    });
    expect((await exported("pictures=none")).tasks.some(({ data }) => "image" in data)).toBe(false);
    const other = await place.token({ stores: ["store_2"] });
    const foreign = await callHub(place.url, other, "GET", "/v1/label-studio/export?task=fruit");
    expect(foreign.json).toEqual([]);
  });

  test("an annotation at Label Studio is a reviewer's answer, once for each person", async () => {
    await importing([{ id: 10, data: { name: "ten" } }]);
    const { tasks } = await exported("state=open");
    const [data] = tasks.map((task) => task.data);
    const told = annotated(1, "Kiwi", { task: { id: 101, data } });
    expect(await webhook(annotated(1, "Stone", { task: { id: 101, data } }))).toMatchObject({ status: 400 });
    expect((await webhook(told)).json).toEqual({ action: "ANNOTATION_CREATED", result: "taken" });
    expect((await webhook(told)).json).toMatchObject({ result: "known" });
    await place.store.sweeper.sweep();
    const answer = await callHub(place.url, token, "GET", `/decision/${data?.["holdpoint_case"] ?? ""}`);
    expect(answer.json).toMatchObject({ status: "completed", decision: "Kiwi", automated: false });
    const late = annotated(2, "Lemon", { task: { id: 101, data } });
    const other = { ...late, annotation: { ...late.annotation, completed_by: { id: 8 } } };
    expect((await webhook(other)).json).toMatchObject({ result: "late" });
  });

  test("a version of Label Studio that names tasks by number only has told before which case they are", async () => {
    await importing([{ id: 11, data: { name: "eleven" } }]);
    const [task] = (await exported("state=open")).tasks;
    const created = { action: "TASKS_CREATED", tasks: [{ id: 103, data: task?.data }], project: { id: 2 } };
    expect((await webhook(created)).json).toMatchObject({ result: "noted" });
    // Somebody at the hub has it before them: the answer that is there goes before the one to come.
    const held = await place.nextCase(reviewer("Cleo"));
    expect((await webhook(annotated(3, null))).json).toMatchObject({ result: "taken" });
    const refused = await place.store.submit(reviewer("Cleo"), held.id, {
      ...{ answer: { kind: "label", label: "Kiwi" }, generation: held.lease?.generation ?? 0 },
      ...{ reviewId: "r-late", tookMs: null },
    });
    expect(refused).toMatchObject({ ok: false, error: { code: "HP_LEASE_LOST" } });
    await place.store.sweeper.sweep();
    const answer = await callHub(place.url, token, "GET", `/decision/${task?.data["holdpoint_case"] ?? ""}`);
    expect(answer.json).toMatchObject({ status: "completed", decision: null });
    expect((await webhook(annotated(4, "Kiwi"))).json).toMatchObject({ result: "ignored" });
    expect((await webhook({ action: "PROJECT_UPDATED" })).json).toMatchObject({ result: "ignored" });
  });

  test("as an ML backend the hub tells what people or models have said, in the names of the labelling config", async () => {
    const basic = `Basic ${Buffer.from(`hub:${token}`).toString("base64")}`;
    expect(await call("ml/health", basic)).toMatchObject({ status: 200, json: { status: "UP" } });
    const setup = { project: "2.1", schema: labelConfig, hostname: "http://127.0.0.1:1", access_token: "x" };
    expect((await call("ml/setup", basic, setup)).json).toEqual({ model_version: "holdpoint" });
    const tasks = [
      { id: 5, data: { image } },
      { id: 6, data: { image: "https://elsewhere.example/a.jpg" } },
    ];
    const answer = await call("ml/predict", basic, { tasks, label_config: labelConfig, project: "2.1", params: {} });
    expect(answer.json["results"]).toEqual([
      {
        ...{ model_version: "holdpoint", score: 1 },
        result: [{ ...choice("Lemon", 1), from_name: "fruit", to_name: "img" }],
      },
      { model_version: "holdpoint", score: 0, result: [] },
    ]);
    const stranger = `Basic ${Buffer.from(`hub:${await place.token({ stores: ["store_2"] })}`).toString("base64")}`;
    const nothing = await call("ml/predict", stranger, { tasks: [{ data: { image } }] });
    expect(nothing.json["results"]).toMatchObject([{ result: [] }]);
  });

  test("without a token, with a wrong one or with another permission nobody is heard", async () => {
    expect((await call("ml/health", "Basic !")).status).toBe(401);
    expect((await call("ml/health", `Token hpt_${"0".repeat(64)}`)).status).toBe(401);
    expect(await webhook(annotated(9, "Kiwi"), token)).toMatchObject({ status: 403, json: { code: "HP_FORBIDDEN" } });
    expect((await callHub(place.url, reviewToken, "GET", "/v1/label-studio/export?task=fruit")).status).toBe(403);
  });
}

overBothUrls("Label Studio and a hub", (newUrl) =>
  labelStudio(async () => {
    const url = await newUrl();
    return openDropInPlace(url === undefined ? {} : { url });
  }),
);

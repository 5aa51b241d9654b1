import { afterAll, beforeAll, expect, test } from "vitest";
import { callHub, type TestAnswer } from "../support/hub-agent.ts";
import { openDropInPlace, reviewer, type DropInPlace } from "../support/hub-drop-in.ts";
import { overBothUrls } from "../support/hub-start.ts";

/** The smallest picture there is: 1 × 1. */
const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);

function decisions(open: () => Promise<DropInPlace>): void {
  let place: DropInPlace;
  let token: string;
  beforeAll(async () => {
    place = await open();
    token = await place.token({ stores: ["store_1"] });
  });
  afterAll(() => place.close());

  const post = async (
    path: string,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
    as = token,
  ): Promise<TestAnswer> => {
    const isBytes = body instanceof Uint8Array;
    const answer = await fetch(`${place.url}${path}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${as}`,
        "content-type": isBytes ? "image/png" : "application/json",
        ...headers,
      },
      body: isBytes ? Uint8Array.from(body) : JSON.stringify(body),
    });
    return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
  };
  const get = (id: unknown, as = token): Promise<TestAnswer> =>
    callHub(place.url, as, "GET", `/decision/${String(id)}`);

  test("a store system asks, people answer, and it is told their answer", async () => {
    const labels = { labels: ["ok", "damaged"], question: "Is the parcel whole?" };
    expect(await callHub(place.url, token, "PUT", "/v1/work/tasks/parcel_check", labels)).toMatchObject({
      status: 200,
    });
    const asked = await post("/decision/parcel_check", { shelf: "C2", weight: { grams: 410 }, note: "" });
    expect(asked).toMatchObject({ status: 200, json: { status: "processing" } });
    const id = asked.json["task_id"];
    expect((await get(id)).json).toEqual({
      ...{ task_id: id, status: "processing", decision: null, automated: null, confidence: null },
    });
    const held = await place.answerNext("ok");
    expect(held).toMatchObject({ task: "parcel_check", store: "store_1", question: "Is the parcel whole?" });
    expect(held.facts).toEqual([
      { name: "shelf", value: "C2" },
      { name: "weight.grams", value: "410" },
      { name: "note", value: "–" },
    ]);
    expect((await get(id)).json).toEqual({
      ...{ task_id: id, status: "completed", decision: "ok", automated: false, confidence: 1 },
    });
  });

  test("a picture may come as it is or in base64; reviewers see it", async () => {
    const both = await Promise.all([
      post("/decision/shelf_check", png),
      post("/decision/shelf_check", { image: `data:image/png;base64,${png.toString("base64")}`, shelf: "D4" }),
    ]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    for (const name of ["Bo", "Cleo"]) {
      const held = await place.nextCase(reviewer(name));
      expect(held.pictureUrl).not.toBeNull();
      const picture = await place.store.picture(reviewer(name), held.id);
      expect(picture.ok && picture.value?.bytes && Buffer.from(picture.value.bytes).equals(png)).toBe(true);
      await place.answerNext("full", reviewer(name));
    }
  });

  test("the same Idempotency-Key names the same case, with another body it is refused", async () => {
    const key = { "idempotency-key": "order-17" };
    const [one, two] = [
      await post("/decision/returns", { order: 17 }, key),
      await post("/decision/returns", { order: 17 }, key),
    ];
    expect(two.json["task_id"]).toBe(one.json["task_id"]);
    expect(await post("/decision/returns", { order: 18 }, key)).toMatchObject({ status: 409 });
    // Also when the gateway has forgotten the first call.
    await place.database.write(({ db }) => db.deleteFrom("repeats").execute());
    expect((await post("/decision/returns", { order: 17 }, key)).json["task_id"]).toBe(one.json["task_id"]);
    expect(await post("/decision/returns", { order: 18 }, key)).toMatchObject({
      ...{ status: 409, json: { code: "HP_CONFLICT" } },
    });
    await place.answerNext({ kind: "cannot_tell" });
    expect((await get(one.json["task_id"])).json).toMatchObject({ status: "completed", decision: null, confidence: 0 });
  });

  test("another store's decision is none, and work for it is refused", async () => {
    const asked = await post("/decision/returns", { order: 20 });
    const other = await place.token({ stores: ["store_2"] });
    expect(await get(asked.json["task_id"], other)).toMatchObject({ status: 404, json: { code: "HP_NOT_FOUND" } });
    expect(await post("/decision/returns?store=store_1", {}, {}, other)).toMatchObject({ status: 403 });
    const fleet = await place.token();
    expect(await post("/decision/returns", { a: 1 }, {}, fleet)).toMatchObject({
      ...{ status: 400, json: { code: "HP_SCHEMA", message: "store: say which one" } },
    });
    expect(await post("/decision/returns?store=store_9", { a: 1 }, {}, fleet)).toMatchObject({ status: 200 });
    expect((await fetch(`${place.url}/decision/returns`, { method: "POST", body: "{}" })).status).toBe(401);
  });

  test("what is no input is refused with its reason", async () => {
    const jpeg = { image: Buffer.from("not a picture").toString("base64") };
    expect(await post("/decision/returns", jpeg)).toMatchObject({ status: 422, json: { code: "HP_PICTURE" } });
    expect(await post("/decision/returns", [1])).toMatchObject({ status: 400, json: { code: "HP_ENCODING" } });
    expect(await post("/decision/a b", { a: 1 })).toMatchObject({ status: 400, json: { code: "HP_SCHEMA" } });
    const pixels = { kind: "pixels", width: 1, height: 1, channels: 1, data: "AA==" };
    expect(await post("/decision/returns", pixels)).toMatchObject({ status: 422, json: { code: "HP_INPUT" } });
    const large = new Uint8Array(9 * 1024 * 1024 + 1);
    expect((await post("/decision/returns", large)).status).toBe(413);
  });
}

overBothUrls("asking the hub's people for a decision,", (newUrl) =>
  decisions(async () => {
    const url = await newUrl();
    return openDropInPlace(url === undefined ? {} : { url });
  }),
);

import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningHub } from "../../cloud-sync/hub/hub.node.ts";
import { newId } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { callHub, enrolAgent, type TestAgent, type TestAnswer } from "../support/hub-agent.ts";
import { escalation, heldDecision } from "../support/hub-items.ts";
import { overBothDatabases, type StartHub } from "../support/hub-start.ts";

/** What is there and is not the caller's, by kind; what is not there at all has the same kind of name. */
type Names = Readonly<Record<"store" | "task" | "case" | "slot" | "decision" | "agent" | "change" | "region", string>>;

/** A call that names something. Its answer must not tell whether that is another store's or nowhere. */
const calls: readonly (readonly [method: string, path: (of: Names) => string, body?: (of: Names) => unknown])[] = [
  ["GET", (of) => `/v1/stores/${of.store}`],
  ["GET", (of) => `/v1/stores?q=${of.store}`],
  ["PUT", (of) => `/v1/stores/${of.store}`, () => ({ region: null, why: "x" })],
  ["POST", () => "/v1/fleet/tokens", (of) => ({ store: of.store, agent: "box" })],
  ["POST", (of) => `/v1/agents/${of.agent}/revoke`, () => ({ why: "x" })],
  ["POST", (of) => `/v1/agents/${of.agent}/rename`, () => ({ name: "other" })],
  ["GET", (of) => `/v1/config/layers/store/${of.store}`],
  ["PUT", (of) => `/v1/config/layers/store/${of.store}`, () => ({ text: "", why: "x", revision: 0 })],
  ["POST", () => "/v1/config/check", (of) => ({ layer: "store", scope: of.store, text: "" })],
  ["POST", () => "/v1/config/revert", (of) => ({ layer: "store", scope: of.store, to: 1, revision: 1, why: "x" })],
  ["GET", (of) => `/v1/config/history?layer=store&scope=${of.store}`],
  ["GET", (of) => `/v1/config/history/${of.change}`],
  ["GET", (of) => `/v1/cases/${of.case}`],
  ["GET", (of) => `/v1/cases/${of.case}/picture`],
  ["POST", (of) => `/v1/cases/${of.case}/erase`, () => ({ why: "x" })],
  ["GET", (of) => `/v1/cases?store=${of.store}`],
  ["GET", (of) => `/v1/cases?task=${of.task}`],
  ["GET", (of) => `/v1/cases?search=${of.decision}`],
  ["GET", (of) => `/v1/reviews/queue?store=${of.store}`],
  ["GET", (of) => `/v1/reviews/queue?task=${of.task}`],
  ["GET", (of) => `/v1/reviews/labels?store=${of.store}&task=${of.task}`],
  ["GET", (of) => `/v1/reviews/stats?task=${of.task}`],
  ["POST", (of) => `/v1/reviews/queue/${of.slot}/release`],
  ["PUT", (of) => `/v1/retention/${of.task}`, () => ({ keepMs: null })],
  [
    "PUT",
    (of) => `/v1/reviews/rules/${of.task}`,
    () => ({ reviewersNeeded: 1, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null }),
  ],
  ["POST", () => "/v1/review/next", (of) => ({ store: of.store })],
  ["POST", () => "/v1/review/next", (of) => ({ task: of.task })],
  ["GET", (of) => `/v1/review/tasks/${of.task}/labels`],
  ["GET", (of) => `/v1/review/cases/${of.slot}/picture`],
  ["POST", (of) => `/v1/review/cases/${of.slot}/heartbeat`, () => ({ generation: 1 })],
  ["POST", (of) => `/v1/review/cases/${of.slot}/release`, () => ({ generation: 1 })],
  [
    "POST",
    (of) => `/v1/review/cases/${of.slot}/submit`,
    () => ({ answer: { kind: "cannot_tell" }, generation: 1, reviewId: "r", tookMs: 1 }),
  ],
  ["POST", (of) => `/v1/review/cases/${of.slot}/undo`, () => ({ reviewId: "r" })],
  ["POST", (of) => `/v1/review/cases/${of.slot}/escalate`, () => ({ generation: 1 })],
  ["GET", (of) => `/v1/review/cases/${of.slot}/look-alikes`],
  ["GET", (of) => `/v1/review/cases/${of.slot}/look-alikes/${of.case}/picture`],
  ["GET", (of) => `/v1/gates?store=${of.store}&task=${of.task}`],
  ["GET", (of) => `/v1/gates/${of.task}`],
  ["GET", (of) => `/v1/gates/product_identification?store=${of.store}`],
  ["GET", (of) => `/v1/gates/product_identification?region=${of.region}`],
  ["POST", (of) => `/v1/gates/${of.task}/raise`, () => ({ gateThreshold: null, why: "x" })],
  [
    "POST",
    (of) => `/v1/gates/product_identification/raise?store=${of.store}`,
    () => ({ gateThreshold: null, why: "x" }),
  ],
  [
    "POST",
    (of) => `/v1/gates/product_identification/raise?region=${of.region}`,
    () => ({ gateThreshold: null, why: "x" }),
  ],
  ["GET", (of) => `/v1/gates/${of.task}/limits`],
  ["PUT", (of) => `/v1/gates/${of.task}/limits`, () => ({ limits: null })],
  ["GET", (of) => `/v1/gate-proposals?task=${of.task}`],
  ["GET", (of) => `/v1/stats/decisions?from=0&to=3600000&step=hour&store=${of.store}`],
  ["GET", (of) => `/v1/stats/decisions?from=0&to=3600000&step=hour&task=${of.task}`],
  ["GET", (of) => `/v1/label-studio/export?task=${of.task}`],
  ["GET", (of) => `/v1/label-studio/export?task=product_identification&store=${of.store}`],
  ["GET", (of) => `/decision/${of.decision}`],
  ["GET", (of) => `/decision/${of.case}`],
  ["POST", (of) => `/decision/${of.task}?store=store_1`, () => ({ weight: 1 })],
  ["POST", (of) => `/decision/product_identification?store=${of.store}`, () => ({ weight: 1 })],
  ["PUT", (of) => `/v1/work/tasks/${of.task}?store=store_1`, () => ({ labels: [], question: "x" })],
  ["PUT", (of) => `/v1/work/tasks/product_identification?store=${of.store}`, () => ({ labels: [], question: "x" })],
];

overBothDatabases("what a person may not know of", scopes);

function scopes(start: StartHub): void {
  let hub: RunningHub;
  let token: string;
  let limited: string;
  let ownCase: string;
  let foreign: readonly Names[];
  beforeAll(async () => {
    ({ hub, token } = await start());
    const [own, other] = [await enrolAgent(hub.url, token, "store_1"), await enrolAgent(hub.url, token, "store_2")];
    await hold(own, 1, "store_1", "product_identification");
    await hold(own, 2, "store_1", "cart_verification");
    await hold(other, 1, "store_2", "product_identification");
    const contract = { max_error: 0.05, delta: 0.1 };
    const text = `thresholds:\n  product_identification: ${JSON.stringify(contract)}\n`;
    await changed("PUT", "/v1/stores/store_1", { region: "south", why: "x" });
    await changed("PUT", "/v1/stores/store_2", { region: "north", why: "x" });
    for (const layer of ["region/south", "region/north", "store/store_2"]) {
      await changed("PUT", `/v1/config/layers/${layer}`, { text, why: "x", revision: 0 });
    }
    const made = await changed("POST", "/v1/tokens", {
      ...{ name: "limited", roles: ["admin"], stores: ["store_1"], tasks: ["product_identification"] },
    });
    limited = String(made["token"]);
    const cases = (await changed("GET", "/v1/cases"))["items"] as Readonly<Record<string, string>>[];
    const slots = (await changed("GET", "/v1/reviews/queue"))["items"] as Readonly<Record<string, string>>[];
    const [change] = (await changed("GET", "/v1/config/history?layer=store"))["items"] as { change: number }[];
    const namesOf = (found: Readonly<Record<string, string>>): Names => ({
      ...{ store: "store_2", task: "cart_verification", agent: other.agentId, region: "north" },
      ...{ case: found["id"] ?? "", decision: found["decisionId"] ?? "", change: String(change?.change) },
      slot: slots.find(({ caseId }) => caseId === found["id"])?.["id"] ?? "",
    });
    const isOwn = (one: Readonly<Record<string, string>>): boolean =>
      one["store"] === "store_1" && one["task"] === "product_identification";
    ownCase = cases.find(isOwn)?.["id"] ?? "";
    foreign = cases.filter((one) => !isOwn(one)).map(namesOf);
    expect([ownCase === "", foreign.length, foreign.some((of) => Object.values(of).includes(""))]).toEqual([
      false,
      2,
      false,
    ]);
  });
  afterAll(() => hub.close());

  async function hold(agent: TestAgent, seq: number, store: string, task: string): Promise<void> {
    const item = escalation(seq, { ...heldDecision(), task });
    const view = { ...item.brief?.view, store, task };
    const body = { v: 1, epoch: "e", from: seq, items: [{ ...item, brief: { ...item.brief, view } }], lastSeq: seq };
    expect(await agent.call("POST", "/v1/ingest", body)).toMatchObject({ status: 200, json: { watermark: seq } });
  }
  async function changed(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const { status, json } = await callHub(hub.url, token, method, path, body);
    expect([method, path, status, status === 200 ? null : json]).toEqual([method, path, 200, null]);
    return json;
  }

  const absent = (): Names => ({
    ...{ store: "store_x", task: "nothing_here", region: "nowhere", change: "9999" },
    ...{ case: id(), slot: id(), decision: id(), agent: id() },
  });
  const id = (): string => newId(systemClock, systemRandom);
  /** An answer without what was asked for, and without what the time of day changes in it. */
  const looks = ({ status, json }: TestAnswer, of: Names): unknown => {
    let text = JSON.stringify(json, (name, value: unknown) => (/Ms$|token|path/.test(name) ? typeof value : value));
    for (const [kind, name] of Object.entries(of)) {
      // The number of a change is in other things as well.
      if (kind !== "change") text = text.replaceAll(name, `<${kind}>`);
    }
    return [status, text];
  };

  test.for(
    calls.map((call) => [call[0], call[1](absent()).replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "<id>"), call] as const),
  )("looks like what is not there: %s %s", async ([method, , [, path, body]]) => {
    const ask = (of: Names) => callHub(hub.url, limited, method, path(of), body?.(of));
    const nowhere = absent();
    const expected = looks(await ask(nowhere), nowhere);
    for (const of of foreign) {
      expect(looks(await ask(of), of)).toEqual(expected);
    }
  });

  test("a gate that reading does not find is not found by raising it either; what it finds is not theirs alone", async () => {
    const ask = (method: string, query: string) =>
      method === "GET"
        ? callHub(hub.url, limited, method, `/v1/gates/product_identification${query}`)
        : callHub(hub.url, limited, method, `/v1/gates/product_identification/raise${query}`, {
            ...{ gateThreshold: null, why: "x" },
          });
    for (const query of ["?store=store_2", "?region=north", "?region=nowhere"]) {
      const [read, raised] = [await ask("GET", query), await ask("POST", query)];
      expect([query, read.status, raised.status, raised.json]).toEqual([query, 404, 404, read.json]);
    }
    const also = "?region=south";
    expect([(await ask("GET", also)).status, (await ask("POST", also)).json["code"]]).toEqual([200, "HP_FORBIDDEN"]);
  });

  test("and what is the person's own is found by the same calls", async () => {
    expect(await callHub(hub.url, limited, "GET", `/v1/cases/${ownCase}`)).toMatchObject({ status: 200 });
    expect(await callHub(hub.url, limited, "GET", "/v1/stores/store_1")).toMatchObject({ status: 200 });
    expect(await callHub(hub.url, limited, "GET", "/v1/gates")).toMatchObject({ status: 200 });
    const { json } = await callHub(hub.url, token, "GET", "/v1/gates/product_identification?store=store_2");
    expect(json).toMatchObject({ level: "store", scope: "store_2" });
  });
}

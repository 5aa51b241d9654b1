import { callHub, enrolAgent } from "../support/hub-agent.ts";
import { gateTask, judgingAgent, reportGroups, steepModel, until } from "../support/hub-gate.ts";
import { type HubRoomForTests } from "./hub-room.ts";

/**
 * A fleet's contract whose certificate is issued and asks more of people than they can do, and a store whose floor costs
 * reviews: what the gates' pages show.
 */
export async function seedGate(room: HubRoomForTests, store: string): Promise<void> {
  const { hub, token } = room;
  const judge = judgingAgent(await enrolAgent(hub.url, token, store, "gate-box"));
  const text = [
    `thresholds: { ${gateTask}: { max_error: 0.05, delta: 0.1 } }`,
    `tasks: { ${gateTask}: { audit_share: 0.2, review_capacity: { per_1000: 250, answer_within: 30s }, costs: { review: 0.4, wrong_accept: 5, currency: EUR } } }`,
  ].join("\n");
  const layer = await callHub(hub.url, token, "GET", "/v1/config/layers/fleet/-");
  const { revision } = layer.json as { revision: number };
  await callHub(hub.url, token, "PUT", "/v1/config/layers/fleet/-", {
    text,
    revision,
    why: "At most five wrong in 100",
  });
  const gate = async () =>
    ((await callHub(hub.url, token, "GET", "/v1/gates")).json["items"] as { state: { kind: string } | null }[])[0];
  await until(async () => ((await gate()) ? true : null), "the gate");
  await judge(steepModel(260));
  await until(async () => ((await gate())?.state?.kind === "certified" ? true : null), "the certificate");
  const floor = { text: `thresholds:\n  ${gateTask}: 0.97 # careful\n`, revision: 0, why: "Careful at first" };
  await callHub(hub.url, token, "PUT", `/v1/config/layers/store/${store}`, floor);
}

/** Coarse answers under a contract, behind a number for the fine ones: what that leaves is certified. */
export async function seedCoarseGate({ hub, token }: HubRoomForTests, store: string): Promise<string> {
  const task = "shelf_check";
  const agent = await enrolAgent(hub.url, token, store, "coarse-box");
  const text = `thresholds: { ${task}: { default: 0.9, coarse: { max_error: 0.05, delta: 0.1 } } }`;
  const layer = { text, revision: 0, why: "Groups" };
  await callHub(hub.url, token, "PUT", `/v1/config/layers/store/${store}`, layer);
  await reportGroups(agent, store, task);
  const find = async () => {
    const { json } = await callHub(hub.url, token, "GET", `/v1/gates?task=${task}`);
    return (json["items"] as { rung: string; state: { kind: string } | null }[]).find(({ rung }) => rung === "coarse");
  };
  await until(async () => ((await find()) ? true : null), "the gate of coarse answers");
  await judgingAgent(agent)(
    steepModel(260).map((one) => ({ confidence: 0.85 * one.confidence, isWrong: true, group: one.confidence, task })),
  );
  await until(async () => ((await find())?.state?.kind === "certified" ? true : null), "its certificate");
  return task;
}

/** The hub looks for proposals after each change of the config: of the floor, and of a promise that people could serve. */
export async function seedProposal({ hub, token }: HubRoomForTests): Promise<void> {
  await until(async () => {
    const { json } = await callHub(hub.url, token, "GET", "/v1/gate-proposals?state=open");
    return (json["items"] as unknown[]).length > 1 ? true : null;
  }, "the proposals");
}

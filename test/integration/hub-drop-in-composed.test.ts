import {
  DescribeHumanLoopCommand,
  SageMakerA2IRuntimeClient,
  StartHumanLoopCommand,
} from "@aws-sdk/client-sagemaker-a2i-runtime";
import { expect, test } from "vitest";
import { callHub } from "../support/hub-agent.ts";
import { overBothDatabases } from "../support/hub-start.ts";

const flowArn = "arn:aws:sagemaker:eu-central-1:111122223333:flow-definition/shelf";

overBothDatabases("drop-ins of a whole hub", (start) => {
  test("what comes in is answered through the review API and goes out again", async () => {
    const { hub, token } = await start();
    try {
      // Five seconds before the deadline an answer can no longer be taken back: it leaves at once.
      const asked = await callHub(hub.url, token, "POST", "/decision/shelf?store=store_1&deadlineMs=6000", {
        row: 4,
      });
      const id = String(asked.json["task_id"]);
      const next = await callHub(hub.url, token, "POST", "/v1/review/next", {});
      const [held] = (next.json as { cases: { id: string; lease: { generation: number } }[] }).cases;
      const answer = { answer: { kind: "label", label: "full" }, generation: held?.lease.generation };
      const path = `/v1/review/cases/${held?.id ?? ""}/submit`;
      expect(await callHub(hub.url, token, "POST", path, { ...answer, reviewId: "r1", tookMs: 10 })).toMatchObject({
        status: 200,
      });
      const poll = () => callHub(hub.url, token, "GET", `/decision/${id}`);
      await expect.poll(async () => (await poll()).json["status"], { timeout: 4_500 }).toBe("completed");
      expect((await poll()).json).toEqual({
        ...{ task_id: id, status: "completed", decision: "full", automated: false, confidence: 1 },
      });
    } finally {
      await hub.close();
    }
  }, 15_000);

  test("an AWS client is served where people and agents are", async () => {
    const { hub, token } = await start();
    try {
      const arn = encodeURIComponent(flowArn);
      const flow = { store: "store_1", task: "shelf", question: "Is the shelf full?" };
      await callHub(hub.url, token, "PUT", `/v1/a2i/flow-definitions?arn=${arn}`, flow);
      const { json } = await callHub(hub.url, token, "POST", "/v1/work-keys", { name: "A2I client" });
      const credentials = json as { accessKeyId: string; secretAccessKey: string };
      const client = new SageMakerA2IRuntimeClient({ region: "eu-central-1", endpoint: hub.url, credentials });
      const HumanLoopInput = { InputContent: "[1, 2]" };
      await client.send(
        new StartHumanLoopCommand({ HumanLoopName: "one", FlowDefinitionArn: flowArn, HumanLoopInput }),
      );
      const described = await client.send(new DescribeHumanLoopCommand({ HumanLoopName: "one" }));
      expect(described.HumanLoopStatus).toBe("InProgress");
      client.destroy();
    } finally {
      await hub.close();
    }
  });
});

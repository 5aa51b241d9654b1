import {
  ConflictException,
  DeleteHumanLoopCommand,
  DescribeHumanLoopCommand,
  ListHumanLoopsCommand,
  paginateListHumanLoops,
  ResourceNotFoundException,
  SageMakerA2IRuntimeClient,
  StartHumanLoopCommand,
  StopHumanLoopCommand,
  ValidationException,
} from "@aws-sdk/client-sagemaker-a2i-runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type PersonCaller } from "../../cloud-sync/hub/api/caller.ts";
import { eraseCase } from "../../cloud-sync/hub/privacy/case-erasure.ts";
import { callHub } from "../support/hub-agent.ts";
import { openDropInPlace, reviewer, type DropInPlace } from "../support/hub-drop-in.ts";
import { overBothUrls } from "../support/hub-start.ts";

const flowArn = "arn:aws:sagemaker:eu-central-1:111122223333:flow-definition/parcel-check";
const region = "eu-central-1";

function a2i(open: () => Promise<DropInPlace>): void {
  let place: DropInPlace;
  let token: string;
  let credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  let client: SageMakerA2IRuntimeClient;
  const clientWith = (more: Readonly<Record<string, unknown>>): SageMakerA2IRuntimeClient =>
    new SageMakerA2IRuntimeClient({ region, endpoint: place.url, credentials, maxAttempts: 1, ...more });
  const putFlow = (arn: string, body: Readonly<Record<string, unknown>>) =>
    callHub(place.url, token, "PUT", `/v1/a2i/flow-definitions?arn=${encodeURIComponent(arn)}`, body);
  const start = (name: string, input: unknown = { order: 17 }, arn = flowArn, as = client) =>
    as.send(
      new StartHumanLoopCommand({
        ...{ HumanLoopName: name, FlowDefinitionArn: arn },
        HumanLoopInput: { InputContent: JSON.stringify(input) },
        DataAttributes: { ContentClassifiers: ["FreeOfPersonallyIdentifiableInformation"] },
      }),
    );
  const newKey = async (grant: Readonly<Record<string, unknown>>) => {
    const admin = await place.token({ role: "admin" });
    const made = await callHub(place.url, admin, "POST", "/v1/work-keys", { name: "A2I client", ...grant });
    return made.json as { accessKeyId: string; secretAccessKey: string };
  };

  beforeAll(async () => {
    place = await open();
    token = await place.token();
    credentials = await newKey({ stores: ["store_1"] });
    client = clientWith({});
    const flow = {
      store: "store_1",
      task: "parcel_check",
      labels: ["ok", "damaged"],
      question: "Is the parcel whole?",
    };
    expect(await putFlow(flowArn, flow)).toMatchObject({ status: 200, json: { arn: flowArn } });
  });
  afterAll(() => {
    client.destroy();
    return place.close();
  });

  test("the AWS client starts a loop, a reviewer answers, and it reads the output as A2I writes it", async () => {
    const before = Date.now();
    const started = await start("loop-1", { order: 17, notes: ["left side", "wet"] });
    expect(started.HumanLoopArn).toBe("arn:aws:sagemaker:eu-central-1:111122223333:human-loop/loop-1");
    const running = await client.send(new DescribeHumanLoopCommand({ HumanLoopName: "loop-1" }));
    expect(running).toMatchObject({
      ...{ HumanLoopStatus: "InProgress", HumanLoopName: "loop-1", FlowDefinitionArn: flowArn },
      HumanLoopArn: started.HumanLoopArn,
    });
    expect(running.HumanLoopOutput).toBeUndefined();
    expect(running.CreationTime?.getTime()).toBeGreaterThanOrEqual(before - 1);

    const held = await place.answerNext("damaged", reviewer("Ana"));
    expect(held).toMatchObject({ task: "parcel_check", question: "Is the parcel whole?" });
    expect(held.facts).toEqual([
      { name: "order", value: "17" },
      { name: "notes.0", value: "left side" },
      { name: "notes.1", value: "wet" },
    ]);

    const ended = await client.send(new DescribeHumanLoopCommand({ HumanLoopName: "loop-1" }));
    expect(ended.HumanLoopStatus).toBe("Completed");
    const output = await fetch(ended.HumanLoopOutput?.OutputS3Uri ?? "");
    expect(output.status).toBe(200);
    const written = (await output.json()) as { readonly humanAnswers: readonly Record<string, unknown>[] };
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown;
    expect(written).toEqual({
      flowDefinitionArn: flowArn,
      humanAnswers: [
        {
          ...{ acceptanceTime: time, answerContent: { category: { label: "damaged" } }, submissionTime: time },
          ...{ timeSpentInSeconds: 1.5, workerId: "person-Ana" },
          workerMetadata: {
            identityData: { identityProviderType: "Holdpoint", issuer: place.url, sub: "person-Ana" },
          },
        },
      ],
      humanLoopName: "loop-1",
      inputContent: { order: 17, notes: ["left side", "wet"] },
    });
    const link = ended.HumanLoopOutput?.OutputS3Uri ?? "";
    expect((await fetch(link.replace("loop-1", "loop-2"))).status).toBe(403);
    expect((await fetch(link.replace(/Expires=\d+/, "Expires=7200"))).status).toBe(403);
  });

  test("the same name with the same input is the same loop, with another input a conflict", async () => {
    const both = await Promise.all([start("loop-2"), start("loop-2")]);
    expect(new Set(both.map(({ HumanLoopArn }) => HumanLoopArn)).size).toBe(1);
    await expect(start("loop-2", { order: 18 })).rejects.toBeInstanceOf(ConflictException);
  });

  test("a stopped loop asks nobody, cannot be stopped by half, and can be deleted", async () => {
    await client.send(new StopHumanLoopCommand({ HumanLoopName: "loop-2" }));
    await client.send(new StopHumanLoopCommand({ HumanLoopName: "loop-2" }));
    const stopped = await client.send(new DescribeHumanLoopCommand({ HumanLoopName: "loop-2" }));
    expect(stopped.HumanLoopStatus).toBe("Stopped");
    await expect(place.nextCase(reviewer("Bo"))).rejects.toThrow("nobody is asked");
    await expect(client.send(new StopHumanLoopCommand({ HumanLoopName: "loop-1" }))).rejects.toBeInstanceOf(
      ValidationException,
    );
    await client.send(new DeleteHumanLoopCommand({ HumanLoopName: "loop-2" }));
    await expect(client.send(new DeleteHumanLoopCommand({ HumanLoopName: "loop-2" }))).rejects.toBeInstanceOf(
      ResourceNotFoundException,
    );
  });

  test("a list comes in pages, each loop once, in either order", async () => {
    const arn = `${flowArn}-list`;
    await putFlow(arn, { store: "store_1", task: "list_check", question: "?" });
    const names = ["page-a", "page-b", "page-c", "page-d", "page-e"];
    for (const name of names) await start(name, { name }, arn);
    for (const SortOrder of ["Ascending", "Descending"] as const) {
      const listed: string[] = [];
      let pages = 0;
      for await (const page of paginateListHumanLoops({ client, pageSize: 2 }, { FlowDefinitionArn: arn, SortOrder })) {
        pages += 1;
        for (const { HumanLoopName, CreationTime } of page.HumanLoopSummaries ?? []) {
          listed.push(HumanLoopName ?? "");
          expect(CreationTime).toBeInstanceOf(Date);
        }
      }
      expect(pages).toBe(3);
      expect(listed).toEqual(SortOrder === "Ascending" ? names : names.toReversed());
    }
    const none = await client.send(
      new ListHumanLoopsCommand({ FlowDefinitionArn: arn, CreationTimeAfter: new Date(Date.now() + 60_000) }),
    );
    expect(none.HumanLoopSummaries).toEqual([]);
    await expect(
      client.send(new ListHumanLoopsCommand({ FlowDefinitionArn: arn, NextToken: "made up" })),
    ).rejects.toBeInstanceOf(ValidationException);
  });

  test("what is unknown or badly written is refused by the names that the client knows", async () => {
    await expect(client.send(new DescribeHumanLoopCommand({ HumanLoopName: "nowhere" }))).rejects.toBeInstanceOf(
      ResourceNotFoundException,
    );
    await expect(start("loop-9", {}, flowArn.replace("parcel", "nothing"))).rejects.toBeInstanceOf(
      ResourceNotFoundException,
    );
    await expect(start("Not A Name")).rejects.toBeInstanceOf(ValidationException);
    const notJson = new StartHumanLoopCommand({
      ...{ HumanLoopName: "loop-10", FlowDefinitionArn: flowArn },
      HumanLoopInput: { InputContent: '1},"x":{' },
    });
    await expect(client.send(notJson)).rejects.toBeInstanceOf(ValidationException);
  });

  test("a wrong secret, a wrong clock, another store's key and a revoked one are refused", async () => {
    const ask = (as: SageMakerA2IRuntimeClient) => as.send(new DescribeHumanLoopCommand({ HumanLoopName: "loop-1" }));
    const forged = clientWith({ credentials: { ...credentials, secretAccessKey: "guessed" } });
    await expect(ask(forged)).rejects.toMatchObject({ name: "InvalidSignatureException" });
    const late = clientWith({ systemClockOffset: -301_000 });
    await expect(ask(late)).rejects.toMatchObject({ name: "InvalidSignatureException" });
    const soon = clientWith({ systemClockOffset: -290_000 });
    expect((await ask(soon)).HumanLoopName).toBe("loop-1");
    const other = clientWith({ credentials: await newKey({ stores: ["store_2"] }) });
    await expect(ask(other)).rejects.toBeInstanceOf(ResourceNotFoundException);
    await expect(start("loop-1", { order: 1 }, flowArn, other)).rejects.toBeInstanceOf(ResourceNotFoundException);
    const gone = await newKey({ stores: ["store_1"] });
    const admin = await place.token({ role: "admin" });
    const revoked = await callHub(place.url, admin, "DELETE", `/v1/work-keys/${gone.accessKeyId}`);
    expect(revoked.json).toEqual({ revoked: true });
    await expect(ask(clientWith({ credentials: gone }))).rejects.toMatchObject({ name: "UnrecognizedClientException" });
    const bare = await fetch(`${place.url}/human-loops/loop-1`);
    expect(bare.status).toBe(403);
    expect(bare.headers.get("x-amzn-errortype")).toBe("MissingAuthenticationTokenException");
    const listed = await callHub(place.url, admin, "GET", "/v1/work-keys");
    expect(JSON.stringify(listed.json)).not.toContain(credentials.secretAccessKey);
  });

  test("what came in as a loop's input goes with its case", async () => {
    await start("loop-erased", { note: "a man in a red coat" });
    const loop = () =>
      place.database.read((db) =>
        db
          .selectFrom("a2i_loops")
          .select(["case_id", "input"])
          .where("name", "=", "loop-erased")
          .executeTakeFirstOrThrow(),
      );
    const { case_id: caseId, input } = await loop();
    expect(input).toContain("red coat");
    const lead: PersonCaller = {
      ...{ kind: "person", id: "lead", name: "Lena", roles: ["lead"], permissions: new Set(["lead"]) },
      ...{ stores: null, tasks: null, skills: [], sessionId: "s" },
    };
    const { parts, vault, listener } = place;
    expect(await eraseCase({ ...parts, vault, listener }, lead, caseId, "the shopper asked")).toMatchObject({
      erased: true,
    });
    expect((await loop()).input).not.toContain("red coat");
    expect(await client.send(new DescribeHumanLoopCommand({ HumanLoopName: "loop-erased" }))).toMatchObject({
      ...{ HumanLoopStatus: "Failed", FailureCode: "Erased" },
    });
  });

  test("Rekognition's answer starts a loop where the activation conditions hold, and only there", async () => {
    const arn = `${flowArn}-moderation`;
    const between = (ConditionParameters: Readonly<Record<string, unknown>>) => ({
      ...{ ConditionType: "ModerationLabelConfidenceCheck", ConditionParameters },
    });
    const activationConditions = {
      Conditions: [
        {
          And: [
            between({ ModerationLabelName: "Suggestive", ConfidenceLessThanEquals: 98 }),
            between({ ModerationLabelName: "Suggestive", ConfidenceGreaterThan: 50 }),
          ],
        },
      ],
    };
    const flow = { store: "store_1", task: "moderation", question: "May this be shown?" };
    expect(await putFlow(arn, { ...flow, activationConditions })).toMatchObject({ status: 200 });
    const unknown = { Conditions: [{ ConditionType: "Mood", ConditionParameters: {} }] };
    const refused = await putFlow(arn, { ...flow, activationConditions: unknown });
    expect(refused.status).toBe(400);
    expect(refused.json["message"]).toContain('ValidationException: Conditions[0]: unknown ConditionType "Mood"');
    const activate = (name: string, confidence: number) =>
      callHub(place.url, token, "POST", "/v1/a2i/activations", {
        HumanLoopConfig: { HumanLoopName: name, FlowDefinitionArn: arn },
        AiServiceResponse: { ModerationLabels: [{ Name: "Suggestive", Confidence: confidence, ParentName: "" }] },
      });
    const sure = await activate("sure", 99);
    expect(sure.json).not.toHaveProperty("HumanLoopArn");
    const unsure = await activate("unsure", 77);
    expect(unsure.json).toMatchObject({ HumanLoopActivationReasons: ["ModerationLabelConfidenceCheck"] });
    const results = JSON.parse(String(unsure.json["HumanLoopActivationConditionsEvaluationResults"])) as unknown;
    expect(results).toMatchObject({ Conditions: [{ EvaluationResult: true, And: [{ EvaluationResult: true }, {}] }] });
    const loop = await client.send(new DescribeHumanLoopCommand({ HumanLoopName: "unsure" }));
    expect(loop.HumanLoopStatus).toBe("InProgress");
    await expect(client.send(new DescribeHumanLoopCommand({ HumanLoopName: "sure" }))).rejects.toBeInstanceOf(
      ResourceNotFoundException,
    );
  });
}

overBothUrls("an AWS A2I client at a hub", (newUrl) =>
  a2i(async () => {
    const url = await newUrl();
    return openDropInPlace(url === undefined ? {} : { url });
  }),
);

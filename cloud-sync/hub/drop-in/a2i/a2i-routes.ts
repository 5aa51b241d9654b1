import { z } from "zod";
import { HoldpointError, jsonReply, newId, type Exchange, type Reply } from "../../../../protocol/index.ts";
import { personRoute, publicRoute, type HubRoute } from "../../api/hub-route.ts";
import { listCursor, pageOf, pageQuery, pageSchema } from "../../api/pages.ts";
import { createTokenBuckets } from "../../api/token-bucket.ts";
import { type DropInOptions } from "../drop-in-options.ts";
import { jsonOf } from "../json-facts.ts";
import {
  awsRefusal,
  checkedShape,
  flowArnSchema,
  listSchema,
  loopNameSchema,
  startSchema,
  stopSchema,
  timeText,
} from "./a2i-protocol.ts";
import { activate, activationSchema } from "./flow-activation.ts";
import { flowSchema, putFlow, removeFlow, type FlowSettings } from "./flow-definitions.ts";
import { deleteLoop, listLoops, loopState, startLoop, stopLoop, summaryOf } from "./human-loops.ts";
import { loopOutput } from "./loop-output.ts";
import { presign } from "./sigv4.ts";
import { signerOf, type WorkCaller } from "./work-keys.ts";

/** InputContent has up to 3 MiB, and stands in the body as a string in JSON. */
const bodyBytesMax = 7 * 1024 * 1024;
const outputGoodForS = 3_600;
const tag = "Amazon A2I";

interface AwsCall {
  readonly caller: WorkCaller;
  readonly params: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly exchange: Exchange;
}

/** The five calls of the A2I runtime and what belongs to them: an AWS client with another `endpoint` is at home here. */
export function a2iRoutes(options: DropInOptions): readonly HubRoute[] {
  const { clock, random } = options;
  const calls = createTokenBuckets({
    clock,
    of: "calls of this access key",
    burst: 200,
    perSecond: 50,
    keysMax: 10_000,
  });
  const aws = (
    spec: Pick<HubRoute, "method" | "path"> & { readonly id: string; readonly summary: string },
    handle: (call: AwsCall) => Promise<Readonly<Record<string, unknown>>>,
  ): HubRoute =>
    publicRoute({
      ...{ method: spec.method, path: spec.path, operation: { id: spec.id, summary: spec.summary, tag } },
      ...{ body: "bytes", bodyBytesMax, idempotent: true, reply: { contentType: "application/json" } },
      refusal: awsRefusal,
      handle: async ({ params, body, exchange }): Promise<Reply> => {
        const caller = await signerOf(options, exchange, body);
        calls.take(caller.keyId);
        const answer = await handle({ caller, params, body, exchange });
        return jsonReply(answer, 200, { "x-amzn-requestid": newId(clock, random), "cache-control": "no-store" });
      },
    });
  return [
    aws({ method: "POST", path: "/human-loops", id: "startHumanLoop", summary: "Start a human loop" }, (call) =>
      startLoop(options, call.caller, checkedShape(jsonOf(call.body), startSchema)),
    ),
    aws({ method: "GET", path: "/human-loops", id: "listHumanLoops", summary: "List human loops" }, (call) =>
      listLoops(options, call.caller, checkedShape(Object.fromEntries(call.exchange.query), listSchema)),
    ),
    aws(
      { method: "POST", path: "/human-loops/stop", id: "stopHumanLoop", summary: "Stop a human loop" },
      async (call) => {
        await stopLoop(options, call.caller, checkedShape(jsonOf(call.body), stopSchema).HumanLoopName);
        return {};
      },
    ),
    aws(
      { method: "GET", path: "/human-loops/:name", id: "describeHumanLoop", summary: "Describe a human loop" },
      (call) => describe(options, call),
    ),
    aws(
      { method: "DELETE", path: "/human-loops/:name", id: "deleteHumanLoop", summary: "Delete a human loop" },
      async (call) => {
        await deleteLoop(options, call.caller, nameOf(call));
        return {};
      },
    ),
    aws(
      { method: "GET", path: "/human-loops/:name/output.json", id: "humanLoopOutput", summary: "What people answered" },
      async (call) => {
        const state = await loopState(options, call.caller, nameOf(call));
        if (state.status !== "Completed") throw new HoldpointError("HP_NOT_FOUND", "The human loop has no output");
        return loopOutput(state, originOf(options, call.exchange));
      },
    ),
    ...flowRoutes(options),
  ];
}

function nameOf({ params }: AwsCall): string {
  return checkedShape({ HumanLoopName: params["name"] }, z.object({ HumanLoopName: loopNameSchema })).HumanLoopName;
}

async function describe(options: DropInOptions, call: AwsCall): Promise<Readonly<Record<string, unknown>>> {
  const state = await loopState(options, call.caller, nameOf(call));
  const { row, status, failure } = state;
  const url = new URL(`/human-loops/${row.name}/output.json`, originOf(options, call.exchange));
  const nowMs = options.clock.wallMs();
  return {
    ...{ ...summaryOf(state), HumanLoopArn: row.arn, CreationTime: timeText(row.created_ms) },
    ...(failure ? { FailureCode: failure.code } : {}),
    ...(status === "Completed"
      ? { HumanLoopOutput: { OutputS3Uri: presign(options.hasher, url, call.caller, nowMs, outputGoodForS) } }
      : {}),
  };
}

function originOf({ publicUrl }: DropInOptions, { request }: Exchange): string {
  return publicUrl ?? new URL(request.url).origin;
}

const flowCursors = listCursor("flow-definitions", z.string());
const arnQuery = z.strictObject({ arn: flowArnSchema });
const flowView = z.strictObject({
  arn: z.string(),
  store: z.string(),
  task: z.string(),
  question: z.string(),
  answerName: z.string(),
  availableForS: z.number(),
  activationConditions: z.unknown(),
  madeMs: z.number(),
  madeBy: z.string(),
});

function flowRoutes(options: DropInOptions): readonly HubRoute[] {
  const { database } = options;
  return [
    personRoute("work.write", {
      ...{ method: "PUT", path: "/v1/a2i/flow-definitions" },
      operation: { id: "putFlowDefinition", summary: "Say what the loops of a flow definition ask, and whom", tag },
      idempotent: true,
      query: arnQuery,
      body: flowSchema,
      reply: z.strictObject({ arn: z.string() }),
      handle: ({ caller, query, body }) => putFlow(options, caller, query.arn, body),
    }),
    personRoute("work.write", {
      ...{ method: "DELETE", path: "/v1/a2i/flow-definitions" },
      operation: { id: "deleteFlowDefinition", summary: "Forget a flow definition; its loops stay", tag },
      idempotent: true,
      query: arnQuery,
      reply: z.strictObject({ arn: z.string() }),
      handle: async ({ caller, query: { arn } }) => {
        await removeFlow(options, caller, arn);
        return { arn };
      },
    }),
    personRoute("work.write", {
      ...{ method: "GET", path: "/v1/a2i/flow-definitions" },
      operation: { id: "listFlowDefinitions", summary: "The flow definitions of the caller's stores", tag },
      query: pageQuery({}),
      reply: pageSchema(flowView),
      handle: async ({ caller, query: { cursor, limit } }) => {
        const after = flowCursors.read(cursor);
        const rows = await database.read((db) => {
          let all = db
            .selectFrom("a2i_flows")
            .selectAll()
            .orderBy("arn")
            .limit(limit + 1);
          if (caller.stores !== null) all = all.where("store", "in", [...caller.stores, ""]);
          if (caller.tasks !== null) all = all.where("task", "in", [...caller.tasks, ""]);
          return (after === null ? all : all.where("arn", ">", after)).execute();
        });
        const items = rows.map(({ body, made_ms: madeMs, made_by: madeBy, arn, store, task }) => {
          return { arn, store, task, ...(JSON.parse(body) as FlowSettings), madeMs, madeBy };
        });
        return pageOf(items, limit, ({ arn }) => flowCursors.write(arn));
      },
    }),
    personRoute("work.write", {
      ...{ method: "POST", path: "/v1/a2i/activations" },
      operation: {
        id: "activateHumanLoop",
        summary:
          "Hold an answer of Rekognition or Textract against the activation conditions, and start a loop where they hold",
        tag,
      },
      body: activationSchema,
      bodyBytesMax,
      reply: z.record(z.string(), z.unknown()),
      handle: ({ caller, body }) => activate(options, caller, body),
    }),
  ];
}

import { z } from "zod";
import {
  checkMessage,
  decodeMessage,
  foreignCase,
  HoldpointError,
  idOfKey,
  idPattern,
  jsonReply,
  limits,
  newId,
  pictureInput,
  type Exchange,
  type ForeignCase,
  type Reply,
} from "../../../protocol/index.ts";
import { type PersonCaller } from "../api/caller.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { importCases, type ImportParts } from "../cases/import-case.ts";
import { resultOfDecision, type CaseResult } from "./case-result.ts";
import { caseOfInput, checkedInput } from "./foreign-case.ts";
import { senderName, workStore } from "./work-scope.ts";
import { keepWorkTask, questionDefault, workTaskOf } from "./work-tasks.ts";

/** A picture of 6.7 MB in base64 fits; larger ones are sent as they are, with `Content-Type: image/…`. */
const bodyBytesMax = 9 * 1024 * 1024;
const labelsMax = 2_000;
const label = z.string().min(1).max(limits.textCharsMax);

const submitQuery = z.strictObject({
  /** May be left out where the token is for one store only. */
  store: z.string().optional(),
  /** Nobody is asked any more after so many milliseconds. */
  deadlineMs: z.coerce.number().int().min(1_000).max(limits.deadlineMsMax).optional(),
});

const taskReply = z.strictObject({
  task_id: z.string(),
  status: z.enum(["processing", "completed"]),
  decision: z.string().nullable(),
  automated: z.boolean().nullable(),
  confidence: z.number().nullable(),
});

const workTaskSchema = z.strictObject({
  /** Empty: any text may be the answer. */
  labels: z.array(label).max(labelsMax),
  question: z.string().min(1).max(limits.textCharsMax).nullable().default(null),
});

const tag = "work";

/** What a store system that already calls a human-review backend speaks (design 4.4), with people behind it. */
export function decisionRoutes(parts: ImportParts): readonly HubRoute[] {
  return [
    personRoute("work.write", {
      ...{ method: "POST", path: "/decision/:task" },
      operation: { id: "submitDecision", summary: "Ask people for a decision of this task", tag },
      query: submitQuery,
      body: "bytes",
      bodyBytesMax,
      reply: { contentType: "application/json" },
      handle: ({ caller, params, query, body, exchange }) =>
        submit(parts, { caller, task: params["task"] ?? "", query, body, exchange }),
    }),
    personRoute("work.write", {
      ...{ method: "GET", path: "/decision/:id" },
      operation: { id: "readDecision", summary: "What people have decided", tag },
      reply: taskReply,
      handle: ({ caller, params }) => poll(parts, caller, params["id"] ?? ""),
    }),
    personRoute("work.write", {
      ...{ method: "PUT", path: "/v1/work/tasks/:task" },
      operation: { id: "describeWorkTask", summary: "Say what a task asks and what its answers may be", tag },
      idempotent: true,
      query: submitQuery.pick({ store: true }),
      body: workTaskSchema,
      reply: z.strictObject({ store: z.string(), task: z.string() }),
      examples: { body: { labels: ["Royal-Gala", "Pink-Lady"], question: "Which apple is this?" } },
      handle: async ({ caller, params, query, body }) => {
        const task = params["task"] ?? "";
        const store = workStore(caller, query.store, task);
        await parts.database.write(async (trx) => {
          await keepWorkTask(parts, trx, { store, task, ...body });
          const detail = { labels: body.labels.length, question: body.question };
          const actor = `${caller.kind}:${caller.id}`;
          await parts.audit.record(trx, { actor, action: "task.described", subject: `task:${store}/${task}`, detail });
        });
        return { store, task };
      },
    }),
  ];
}

interface Submitted {
  readonly caller: PersonCaller;
  readonly task: string;
  readonly query: z.output<typeof submitQuery>;
  readonly body: Uint8Array;
  readonly exchange: Exchange;
}

async function submit(parts: ImportParts, { caller, task, query, body, exchange }: Submitted): Promise<Reply> {
  const { clock, random, hasher } = parts;
  const store = workStore(caller, query.store, task);
  const { input, context } = foreignCaseOf(exchange, body);
  const known = await parts.database.read((db) => workTaskOf({ db }, store, task));
  const key = exchange.header("idempotency-key");
  // The gateway answers a repeat of the last day; the id that is made of the key outlives that, and a crash.
  const decisionId = key === null ? newId(clock, random) : idOfKey(hasher, `${caller.id}\0${store}\0${task}`, key);
  const dueMs = query.deadlineMs === undefined ? null : Math.round(clock.wallMs()) + query.deadlineMs;
  const one = {
    ...{ decisionId, store, task, device: senderName(caller.name), extra: { source: "decision" }, dueMs },
    ...caseOfInput(hasher, { input: checkedInput(input), context }, task, known.question ?? questionDefault),
  };
  await importCases(parts, [one], async (trx, [taken]) => {
    if (taken?.isNew !== true) return;
    const actor = `${caller.kind}:${caller.id}`;
    await parts.audit.record(trx, {
      actor,
      action: "case.imported",
      subject: `case:${taken.caseId}`,
      detail: { task },
    });
  });
  return jsonReply({ task_id: decisionId, status: "processing" }, 200, { "cache-control": "no-store" });
}

function foreignCaseOf(exchange: Exchange, body: Uint8Array): ForeignCase {
  if (exchange.header("content-type")?.startsWith("image/") === true) {
    return { input: pictureInput(body), context: undefined };
  }
  const decoded = decodeMessage(body);
  if (!decoded.ok) throw decoded.error;
  const read = foreignCase(decoded.value.value);
  const context = checkMessage(read.context ?? {}, contextSchema);
  if (!context.ok) throw context.error;
  return { ...read, context: context.value };
}

const contextSchema = z
  .record(label, z.union([z.string().max(limits.textCharsMax), z.number(), z.boolean()]))
  .refine((context) => Object.keys(context).length <= limits.contextKeysMax, { error: "context: too many keys" });

async function poll(parts: ImportParts, caller: PersonCaller, id: string): Promise<z.input<typeof taskReply>> {
  const result = idPattern.test(id) ? await parts.database.read((db) => resultOfDecision({ db }, caller, id)) : null;
  if (!result) throw new HoldpointError("HP_NOT_FOUND", `there is no decision ${id.slice(0, 64)}`);
  return taskOf(result);
}

function taskOf({ decisionId, isDone, answer, confidence }: CaseResult): z.input<typeof taskReply> {
  if (!isDone) return { task_id: decisionId, status: "processing", decision: null, automated: null, confidence: null };
  const decision = answer?.kind === "label" ? answer.label : null;
  return { task_id: decisionId, status: "completed", decision, automated: false, confidence };
}

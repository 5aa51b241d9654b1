import { z } from "zod";
import { HoldpointError, jsonReply, namePattern, type Exchange, type Reply } from "../../../../protocol/index.ts";
import { inScope, type Permission, type PersonCaller } from "../../api/caller.ts";
import { personRoute, publicRoute, type HubRoute } from "../../api/hub-route.ts";
import { cursorText } from "../../api/pages.ts";
import { type DropInOptions } from "../drop-in-options.ts";
import { jsonOf } from "../json-facts.ts";
import { workStore } from "../work-scope.ts";
import { exportTasks } from "./case-tasks.ts";
import { modelVersion, predict } from "./pre-labels.ts";
import { controlDefault } from "./shapes.ts";
import { importTasks, readTasks } from "./task-import.ts";
import { labelStudioCaller } from "./token-door.ts";
import { hearWebhook } from "./webhook.ts";

const bodyBytesMax = 9 * 1024 * 1024;
/** Pictures stand in the answer: a page has few of them. */
const exportCasesMax = 50;
const tag = "Label Studio";
const name = z.string().regex(namePattern);
const control = z.string().min(1).max(128);

const exportQuery = z.strictObject({
  task: name,
  store: name.optional(),
  state: z.enum(["open", "final", "all"]).default("all"),
  pictures: z.enum(["inline", "none"]).default("inline"),
  from_name: control.default(controlDefault.fromName),
  to_name: control.default(controlDefault.toName),
  cursor: cursorText.optional(),
  limit: z.coerce.number().int().min(1).max(exportCasesMax).default(exportCasesMax),
});

export function labelStudioRoutes(options: DropInOptions): readonly HubRoute[] {
  const { database, audit } = options;
  return [
    personRoute("work.write", {
      ...{ method: "POST", path: "/v1/label-studio/import" },
      operation: { id: "importLabelStudio", summary: "Make cases of Label Studio's tasks", tag },
      query: z.strictObject({ task: name, store: name.optional() }),
      body: "bytes",
      bodyBytesMax,
      reply: { contentType: "application/json" },
      handle: async ({ caller, query: { task, store: named }, body }) => {
        const store = workStore(caller, named, task);
        return noStore(await importTasks(options, caller, { store, task, tasks: readTasks(body) }));
      },
    }),
    personRoute("cases.read", {
      ...{ method: "GET", path: "/v1/label-studio/export" },
      operation: {
        id: "exportLabelStudio",
        summary: "Cases as tasks that Label Studio imports, a page at a time",
        tag,
      },
      query: exportQuery,
      reply: { contentType: "application/json" },
      handle: async ({ caller, query }) => {
        if (!inScope(caller.tasks, query.task))
          throw new HoldpointError("HP_FORBIDDEN", "this task is not the caller's");
        const { from_name: fromName, to_name: toName, ...rest } = query;
        const page = await exportTasks(options, caller, rest, { fromName, toName });
        await database.write((trx) =>
          audit.record(trx, {
            ...{ actor: `${caller.kind}:${caller.id}`, action: "cases.exported", subject: `task:${query.task}` },
            detail: { cases: page.tasks.length, pictures: query.pictures },
          }),
        );
        return noStore(page.tasks, page.cursor === null ? {} : { "x-next-cursor": page.cursor });
      },
    }),
    fromLabelStudio(options, "review", {
      ...{ method: "POST", path: "/v1/label-studio/webhook", id: "labelStudioWebhook" },
      ...{ summary: "Take an annotation of Label Studio as a reviewer's answer" },
      handle: (caller, body) => hearWebhook(options, caller, body),
    }),
    fromLabelStudio(options, "work.write", {
      ...{ method: "GET", path: "/v1/label-studio/ml/health", id: "labelStudioHealth" },
      ...{ summary: "Whether this ML backend is there" },
      handle: () => Promise.resolve({ status: "UP", model_class: modelVersion }),
    }),
    fromLabelStudio(options, "work.write", {
      ...{ method: "POST", path: "/v1/label-studio/ml/setup", id: "labelStudioSetup" },
      ...{ summary: "Which model version this ML backend has" },
      handle: () => Promise.resolve({ model_version: modelVersion }),
    }),
    fromLabelStudio(options, "work.write", {
      ...{ method: "POST", path: "/v1/label-studio/ml/predict", id: "labelStudioPredict" },
      ...{ summary: "What the hub knows of these tasks" },
      handle: async (caller, body) => ({ results: await predict(options, caller, body), model_version: modelVersion }),
    }),
  ];
}

interface LabelStudioCall {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly handle: (caller: PersonCaller, body: unknown) => Promise<unknown>;
}

/** Public to the gateway, because the token comes in another form than a person's or program's; it is asked for here. */
function fromLabelStudio(options: DropInOptions, permission: Permission, call: LabelStudioCall): HubRoute {
  const { method, path, id, summary, handle } = call;
  return publicRoute({
    ...{ method, path, operation: { id, summary, tag }, idempotent: true },
    ...{ body: "bytes" as const, bodyBytesMax, reply: { contentType: "application/json" } },
    handle: async ({ exchange, body }: { readonly exchange: Exchange; readonly body: Uint8Array }) => {
      const caller = await labelStudioCaller(options, exchange, permission);
      return noStore(await handle(caller, method === "GET" ? null : jsonOf(body)));
    },
  });
}

function noStore(value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return jsonReply(value, 200, { "cache-control": "no-store", ...headers });
}

import { z } from "zod";
import { HoldpointError, limits, namePattern } from "../../../protocol/index.ts";
import { inScope, type Scope } from "../api/caller.ts";
import { personRoute } from "../api/hub-route.ts";
import { checkWholeHub, checkWholeTask } from "../api/whole-hub.ts";
import { type HubRoom } from "../room.ts";
import { eraseCase, type PrivacyParts } from "./case-erasure.ts";
import { edgeRetentionRoute } from "./edge-retention.ts";
import { changeRetention, everyTask, readRetention, startForgetting } from "./retention.ts";

const keepTime = { error: "must be a time from an hour to ten years" };
const keepMs = z
  .number(keepTime)
  .int(keepTime)
  .min(3_600_000, keepTime)
  .max(3650 * 86_400_000, keepTime);
const retention = z.strictObject({
  /** For tasks that are not listed. */
  everyMs: keepMs,
  tasks: z.array(z.strictObject({ task: z.string(), keepMs })),
});
const tag = "privacy";

/** Erasure on request, and forgetting when a case's time is over. */
export function privacyRoom(parts: PrivacyParts): HubRoom {
  const read = async (ofTasks: Scope): Promise<z.input<typeof retention>> => {
    const found = await parts.database.read(readRetention);
    return { ...found, tasks: found.tasks.filter(({ task }) => inScope(ofTasks, task)) };
  };
  return {
    routes: [
      // Whoever may write settings is a lead as well: one permission covers both.
      personRoute("lead", {
        ...{ method: "POST", path: "/v1/cases/:id/erase" },
        operation: { id: "eraseCase", summary: "Erase a case's picture and details, here and in its store", tag },
        body: z.strictObject({ why: z.string().trim().min(1).max(limits.textCharsMax) }),
        reply: z.strictObject({ id: z.string(), erased: z.boolean() }),
        handle: ({ caller, params, body }) => eraseCase(parts, caller, params["id"] ?? "", body.why),
      }),
      personRoute("cases.read", {
        ...{ method: "GET", path: "/v1/retention" },
        operation: { id: "readRetention", summary: "Read how long content is kept after its answer", tag },
        reply: retention,
        handle: ({ caller }) => read(caller.tasks),
      }),
      personRoute("settings.write", {
        ...{ method: "PUT", path: "/v1/retention/:task" },
        operation: {
          id: "changeRetention",
          summary: "Say how long a task's content is kept; `-` is every other task",
          tag,
        },
        body: z.strictObject({ keepMs: keepMs.nullable() }),
        reply: retention,
        handle: async ({ caller, params, body }) => {
          const { task = "" } = params;
          if (task !== everyTask && !namePattern.test(task)) throw new HoldpointError("HP_NOT_FOUND", "no such task");
          if (task === everyTask) checkWholeHub(caller, "this is of every store and task, and some are not yours");
          else checkWholeTask(caller, task);
          await changeRetention(parts, caller, { task, keepMs: body.keepMs });
          return read(caller.tasks);
        },
      }),
      edgeRetentionRoute(parts),
    ],
    start: () => startForgetting(parts),
  };
}

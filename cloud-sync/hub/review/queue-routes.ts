import { z } from "zod";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { pageOf, pageQuery, pageSchema } from "../api/pages.ts";
import { type ReviewParts } from "./review-parts.ts";
import { releaseByLead } from "./lead-release.ts";
import { labelCursors, listLabels, listOpen, listStats, openCursors, statsCursors } from "./review-lists.ts";

/** The queue board, labels and reviewers' figures, for leads and for whoever reads cases. */
const role = z.enum(["first", "second", "adjudication", "audit", "gold"]);
const name = z.string().max(200);
const openItem = z.strictObject({
  id: z.string(),
  caseId: z.string(),
  store: z.string(),
  task: z.string(),
  role,
  skill: z.string().nullable(),
  state: z.enum(["waiting", "leased", "answered"]),
  /** Who has it; null while it waits, and for those who may not see who answers what. */
  reviewer: z.string().nullable(),
  heldMs: z.number(),
  dueMs: z.number().nullable(),
});
const labelItem = z.strictObject({
  caseId: z.string(),
  store: z.string(),
  task: z.string(),
  kind: z.enum(["escalation", "audit", "import"]),
  modelLabel: z.string().nullable(),
  label: z.string(),
  source: z.enum(["review", "store", "consensus", "adjudication", "outcome"]),
  hasConflict: z.boolean(),
  atMs: z.number(),
});
const statsItem = z.strictObject({
  person: z.string(),
  name: z.string(),
  task: z.string(),
  answered: z.number(),
  cannotTell: z.number(),
  goldShown: z.number(),
  /** Share of gold cases answered rightly; null before the first. */
  goldAccuracy: z.number().nullable(),
  judged: z.number(),
  /** Share of answers that stood when others agreed on the truth; null before the first. */
  upheldShare: z.number().nullable(),
  meanTookMs: z.number().nullable(),
});

export function queueRoutes(parts: ReviewParts): readonly HubRoute[] {
  const { database } = parts;
  return [
    personRoute("cases.read", {
      method: "GET",
      path: "/v1/reviews/queue",
      operation: {
        id: "listReviewQueue",
        summary: "What waits for people and who has what, soonest first",
        tag: "review",
      },
      query: pageQuery({ store: name.optional(), task: name.optional(), state: openItem.shape.state.optional() }),
      reply: pageSchema(openItem),
      handle: async ({ caller, query }) => {
        const rows = await listOpen(database, caller, query);
        const page = pageOf(rows, query.limit, ({ queue_key, slot_id }) => openCursors.write([queue_key, slot_id]));
        const seesNames = caller.permissions.has("lead");
        return {
          ...page,
          items: page.items.map((row) => ({ ...row.item, reviewer: seesNames ? row.reviewer : null })),
        };
      },
    }),
    personRoute("cases.read", {
      method: "GET",
      path: "/v1/reviews/labels",
      operation: {
        id: "listReviewLabels",
        summary: "The best known truth of each reviewed case, newest first",
        tag: "review",
      },
      query: pageQuery({
        store: name.optional(),
        task: name.optional(),
        since: z.coerce.number().int().min(0).optional(),
      }),
      reply: pageSchema(labelItem),
      handle: async ({ caller, query }) =>
        pageOf(await listLabels(database, caller, query), query.limit, ({ atMs, caseId }) =>
          labelCursors.write([atMs, caseId]),
        ),
    }),
    personRoute("lead", {
      method: "GET",
      path: "/v1/reviews/stats",
      operation: {
        id: "listReviewerStats",
        summary: "How well and how fast each reviewer works, by task",
        tag: "review",
      },
      query: pageQuery({ task: name.optional() }),
      reply: pageSchema(statsItem),
      handle: async ({ caller, query }) =>
        pageOf(await listStats(database, caller, query), query.limit, ({ person, task }) =>
          statsCursors.write([task, person]),
        ),
    }),
    personRoute("lead", {
      method: "POST",
      path: "/v1/reviews/queue/:id/release",
      operation: {
        id: "releaseReviewersCase",
        summary: "Put a case that a reviewer holds back into the queue",
        tag: "review",
      },
      reply: z.strictObject({ released: z.boolean() }),
      handle: async ({ caller, params }) => ({ released: await releaseByLead(parts, caller, params["id"] ?? "") }),
    }),
  ];
}

import { HoldpointError } from "../../../protocol/index.ts";
import { pictureResponse } from "../../review/review-actions.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { pageSchema } from "../api/pages.ts";
import { createViewBook } from "../audit/view-book.ts";
import { type PictureVault } from "../blobs/picture-vault.ts";
import { type HubParts } from "../room.ts";
import { caseItemSchema, caseQuerySchema, listCases } from "./case-list.ts";
import { caseStory, caseStorySchema, findCase } from "./case-story.ts";

/** Cases for whoever may read them: the list, one case's story, its picture. Who looked is in the audit log. */
export interface CaseRoutesOptions extends HubParts {
  readonly vault: Pick<PictureVault, "open">;
}

export function caseRoutes(options: CaseRoutesOptions): readonly HubRoute[] {
  const { database, vault } = options;
  const book = createViewBook(options);
  return [
    personRoute("cases.read", {
      method: "GET",
      path: "/v1/cases",
      operation: { id: "listCases", summary: "Cases of your stores and tasks, newest first", tag: "cases" },
      query: caseQuerySchema,
      reply: pageSchema(caseItemSchema),
      handle: ({ caller, query }) => listCases(database, caller, query),
    }),
    personRoute("cases.read", {
      method: "GET",
      path: "/v1/cases/:id",
      operation: { id: "readCase", summary: "The whole story of one case", tag: "cases" },
      reply: caseStorySchema,
      handle: async ({ caller, params }) => {
        const row = await findCase(database, caller, params["id"] ?? "");
        await book.viewed(caller, "case", `case:${row.case_id}`);
        return caseStory(database, caller, row);
      },
    }),
    personRoute("cases.read", {
      method: "GET",
      path: "/v1/cases/:id/picture",
      operation: { id: "readCasePicture", summary: "The picture of one case", tag: "cases" },
      reply: { contentType: "image/*" },
      handle: async ({ caller, params }) => {
        const row = await findCase(database, caller, params["id"] ?? "");
        const isKept = row.picture_state === "kept" && row.picture_type !== null;
        const bytes = isKept ? await vault.open(row.case_id) : null;
        if (!bytes || row.picture_type === null) {
          throw new HoldpointError("HP_NOT_FOUND", "this case has no picture here (any more)");
        }
        await book.viewed(caller, "picture", `case:${row.case_id}`);
        return pictureResponse({ contentType: row.picture_type, bytes });
      },
    }),
  ];
}

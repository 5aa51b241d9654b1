import { z } from "zod";
import { HoldpointError, leaseReferenceSchema, reviewLimits } from "../../../protocol/index.ts";
import { pictureResponse, valueOf } from "../../review/review-actions.ts";
import { nothingReplySchema } from "../../review/review-replies.ts";
import { type Reviewer } from "../../review/review-store.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { type PictureVault } from "../blobs/picture-vault.ts";
import { isHeldBy, type HubReviewStore } from "./hub-review-store.ts";
import { confirmedPicture, lookAlikesOf } from "./look-alikes.ts";
import { type ReviewParts } from "./review-parts.ts";
import { reviewerOf } from "./reviewer-of.ts";
import { type SlotRow } from "./slots.ts";

/** What the hub's review page can do beyond the one in the store: hand a case to a lead, and compare look-alikes. */
export interface HandOverOptions extends ReviewParts {
  readonly vault: Pick<PictureVault, "open">;
  readonly store: HubReviewStore;
}

const lookAlikesSchema = z.strictObject({
  lookAlikes: z.array(
    z.strictObject({
      label: z.string(),
      pictures: z.array(z.strictObject({ caseId: z.string(), url: z.string(), confirmedAtMs: z.number() })),
    }),
  ),
});

export function handOverRoutes(options: HandOverOptions): readonly HubRoute[] {
  const { store, vault } = options;
  return [
    personRoute("review", {
      method: "POST",
      path: "/v1/review/cases/:id/escalate",
      operation: { id: "escalateCase", summary: "Hand a case to a lead instead of answering it", tag: "review" },
      body: leaseReferenceSchema,
      bodyBytesMax: reviewLimits.bodyBytesMax,
      reply: nothingReplySchema,
      handle: async ({ caller, params, body }) => {
        valueOf(await store.escalate(reviewerOf(caller), params["id"] ?? "", body.generation));
        return {};
      },
    }),
    personRoute("review", {
      method: "GET",
      path: "/v1/review/cases/:id/look-alikes",
      operation: {
        id: "readLookAlikes",
        summary: "The last confirmed pictures of each answer that is suggested for a case",
        tag: "review",
      },
      reply: lookAlikesSchema,
      handle: async ({ caller, params }) => {
        const reviewer = reviewerOf(caller);
        const slot = await heldSlot(options, reviewer, params["id"] ?? "");
        return { lookAlikes: await lookAlikesOf(options.database, reviewer, slot) };
      },
    }),
    personRoute("review", {
      method: "GET",
      path: "/v1/review/cases/:id/look-alikes/:case/picture",
      operation: {
        id: "readLookAlikePicture",
        summary: "A confirmed picture that stands beside a case which the reviewer holds",
        tag: "review",
      },
      reply: { contentType: "image/*" },
      handle: async ({ caller, params }) => {
        const reviewer = reviewerOf(caller);
        const slot = await heldSlot(options, reviewer, params["id"] ?? "");
        const found = await confirmedPicture(options.database, reviewer, slot, params["case"] ?? "");
        const bytes = found && (await vault.open(found.caseId));
        if (!found || !bytes) throw new HoldpointError("HP_NOT_FOUND", "there is no such picture beside this case");
        return pictureResponse({ contentType: found.contentType, bytes });
      },
    }),
  ];
}

/** Throws HP_NOT_FOUND where this reviewer does not hold the case: that there is one is none of their business. */
async function heldSlot(options: HandOverOptions, reviewer: Reviewer, id: string): Promise<SlotRow> {
  const row = await options.database.read((db) =>
    db.selectFrom("review_slots").selectAll().where("slot_id", "=", id).executeTakeFirst(),
  );
  if (row && isHeldBy(options, reviewer, row)) return row;
  throw new HoldpointError("HP_NOT_FOUND", `there is no case ${id} before you`);
}

import { HoldpointError } from "../../../protocol/index.ts";
import { isInReach, type PersonCaller } from "../api/caller.ts";
import { tellReviewer, type ReviewParts } from "./review-parts.ts";
import { changeSlot } from "./slot-changes.ts";
import { lockSlot, tellStory } from "./slots.ts";

/** A lead takes a case away from whoever holds it. False where nobody did. Throws HP_NOT_FOUND. */
export function releaseByLead(parts: ReviewParts, lead: PersonCaller, slotId: string): Promise<boolean> {
  return parts.database.write(async (trx) => {
    const slot = await lockSlot(parts.database, trx, slotId);
    if (!slot || !isInReach(lead, slot.row)) throw new HoldpointError("HP_NOT_FOUND", `there is no case ${slotId}`);
    const { row, state } = slot;
    if (state.kind !== "leased") return false;
    const { reviewer, generation } = state;
    await changeSlot(parts, trx, slot, { kind: "release", reviewer, generation });
    tellReviewer(trx, reviewer, { kind: "withdrawn", id: slotId, why: "lease_lost" });
    await parts.audit.record(trx, {
      actor: `${lead.kind}:${lead.id}`,
      action: "case.released",
      subject: `case:${row.case_id}`,
      detail: { holder: row.person_id },
    });
    if (row.role !== "gold") await tellStory(parts, trx, row.case_id, "released", { by: lead.name });
    return true;
  });
}

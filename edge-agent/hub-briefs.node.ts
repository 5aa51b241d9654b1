import {
  hubLimits,
  toHex,
  type CaseBrief,
  type Hasher,
  type Input,
  type Logger,
  type ReviewCase,
} from "../protocol/index.ts";
import { type CaseBriefs, type PreparedCase } from "../cloud-sync/edge/outbox-port.ts";
import { type Pipeline } from "../sdk/index.ts";
import { type Journal, type JournalCase } from "./journal/journal.ts";
import { type ReviewedTask } from "./review/case-source.ts";
import { caseView, needsBytes } from "./review/case-view.ts";
import { pictureType } from "./review/picture-type.ts";
import { encodePng } from "./review/png-encoder.node.ts";

/** A picture on its way out of the store. */
export interface OutgoingPicture {
  readonly contentType: "image/jpeg" | "image/png" | "image/webp";
  readonly bytes: Uint8Array;
}

/**
 * What may leave of a picture: itself, another one (a blurred face), or null for nothing. Called again for one picture
 * after a restart, it must give the same bytes; otherwise the hub keeps the case without its picture. What it throws
 * keeps the case, and all behind it, in the store until it no longer does.
 */
export type Redact = (
  picture: OutgoingPicture,
  of: Pick<JournalCase, "id" | "device" | "task"> & { readonly context: Readonly<Record<string, unknown>> },
) => OutgoingPicture | null | Promise<OutgoingPicture | null>;

export interface HubBriefsParts {
  readonly storeId: string;
  readonly journal: Pick<Journal, "find" | "input">;
  readonly pipeline: Pick<Pipeline, "policy">;
  readonly task: (name: string) => ReviewedTask | null;
  readonly redact: Redact | null;
  readonly hasher: Hasher;
  readonly logger: Logger;
}

/** Cases as the hub's reviewers see them: what the store's own would. */
export function createHubBriefs(parts: HubBriefsParts): CaseBriefs {
  return {
    prepare: async (id) => {
      const held = await parts.journal.find(id);
      if (!held) return null;
      const { input: header } = held.request;
      const isPicture = header.kind === "image" || header.kind === "pixels";
      const isKept = held.inputState === "kept";
      const input = isKept && (isPicture || needsBytes(header)) ? await parts.journal.input(id) : null;
      return prepared(parts, held, input);
    },
  };
}

async function prepared(parts: HubBriefsParts, held: JournalCase, input: Input | null): Promise<PreparedCase> {
  const { storeId, pipeline, task, hasher } = parts;
  const seen = caseView(held, {
    store: storeId,
    task: task(held.task),
    input: needsBytes(held.request.input) ? input : null,
    dueAtMs: null,
    lease: null,
  });
  const picture = await outgoing(parts, held, input);
  const costs = pipeline.policy(held.task)?.costs ?? null;
  const brief: CaseBrief = {
    view: briefView(seen),
    reviewLeftMs: held.reviewLeftMs,
    picture: null,
    ...(held.auditState === "evicted" ? { isEvicted: true } : {}),
    costs: costs && { review: costs.review, wrongAccept: costs.wrongAccept },
  };
  if (!picture) return { brief, picture: null };
  const bytes = Uint8Array.from(picture.bytes);
  const sha256 = toHex(hasher.sha256(bytes));
  const reference = { sha256, bytes: bytes.byteLength, contentType: picture.contentType };
  return { brief: { ...brief, picture: reference }, picture: { sha256, bytes } };
}

/** What is the hub's own to say is left out: who has the case, until when, and where its picture is. */
function briefView(seen: ReviewCase): CaseBrief["view"] {
  const view: Partial<ReviewCase> = { ...seen };
  delete view.lease;
  delete view.pictureUrl;
  delete view.dueAtMs;
  return view as CaseBrief["view"];
}

async function outgoing(
  { redact, logger }: HubBriefsParts,
  { id, device, task, request }: JournalCase,
  input: Input | null,
): Promise<OutgoingPicture | null> {
  const picture = await shown(input);
  if (!picture) return null;
  const left = redact ? await redact(picture, { id, device, task, context: request.context ?? {} }) : picture;
  if (left === null) return null;
  if (left.bytes.byteLength <= hubLimits.blobBytesMax && pictureType(left.bytes) === left.contentType) return left;
  logger.warn("picture_not_sent", { id, bytes: left.bytes.byteLength, contentType: left.contentType });
  return null;
}

async function shown(input: Input | null): Promise<OutgoingPicture | null> {
  if (input?.kind === "pixels") return { contentType: "image/png", bytes: await encodePng(input) };
  if (input?.kind !== "image") return null;
  const contentType = pictureType(input.data);
  return contentType && { contentType, bytes: input.data };
}

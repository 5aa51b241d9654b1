import { z } from "zod";
import {
  HoldpointError,
  ok,
  outboxBodies,
  outcomeSchema,
  refused,
  toHex,
  type Decision,
  type Hasher,
  type IngestItem,
  type IngestRequest,
  type Outcome,
  type Result,
  type Sample,
} from "../../../protocol/index.ts";
import { isPlainCaseBody } from "./plain-calls.ts";

/** An outbox row, read: what its text says, or why it cannot be taken. Pure. */
export type ReadItem = { readonly item: IngestItem; readonly digest: string } & (
  | { readonly kind: "case"; readonly decision: Decision; readonly sample: Sample | null }
  | { readonly kind: "revision"; readonly decision: Decision }
  | { readonly kind: "review"; readonly review: StoredReview }
  | { readonly kind: "outcome"; readonly outcome: Outcome }
  | { readonly kind: "delivered"; readonly revision: number }
  | { readonly kind: "refused"; readonly error: HoldpointError }
);

const reviewBody = z.object({
  id: z.string(),
  conflict: z.boolean(),
  review: z
    .object({ reviewId: z.string(), reviewer: z.string(), atMs: z.number(), source: z.enum(["store", "hub"]) })
    .loose(),
});
type StoredReview = z.output<typeof reviewBody>;
const outcomeBody = z.object({ id: z.string(), outcome: outcomeSchema });
const deliveredBody = z.object({ id: z.string(), revision: z.number().int() });

const encoder = new TextEncoder();

/** The rows are numbered without a gap from `from`. HP_SCHEMA otherwise: nothing of the call is taken. */
export function checkNumbers({ from, items }: IngestRequest): Result<null> {
  for (const [index, { seq }] of items.entries()) {
    if (seq !== from + index) return refused("HP_SCHEMA", `items: ${seq} stands where ${from + index} is due`);
  }
  return ok(null);
}

export function readItem(item: IngestItem, hasher: Hasher): ReadItem {
  const digest = toHex(hasher.sha256(encoder.encode(item.body)));
  const read = contentOf(item);
  return { item, digest, ...read } as ReadItem;
}

/** U+0000 as JSON writes it: the backslash before the `u` is none that an earlier one escapes. */
const nulInJson = /(?<!\\)(?:\\\\)*\\u0000/;

/** PostgreSQL keeps no text with U+0000, and one such row would stop everything that its store has to send. */
function hasNul({ body, brief }: IngestItem): boolean {
  // Most texts have none, and a plain search is quicker than the pattern.
  return (body.includes("\\u0000") && nulInJson.test(body)) || brief?.view.device.includes("\u0000") === true;
}

function contentOf(item: IngestItem): Partial<ReadItem> {
  if (hasNul(item)) {
    return { kind: "refused", error: new HoldpointError("HP_SCHEMA", "the row has the character U+0000 in a text") };
  }
  let value: unknown;
  try {
    value = JSON.parse(item.body);
  } catch (cause) {
    return { kind: "refused", error: new HoldpointError("HP_ENCODING", "the row's body is no JSON", { cause }) };
  }
  switch (item.kind) {
    case "escalation":
    case "audit":
      if (!item.brief)
        return { kind: "refused", error: new HoldpointError("HP_SCHEMA", "the case comes without its brief") };
      if (isPlainCaseBody(value) && value.id === item.id) {
        return { kind: "case", decision: value.decision, sample: value.sample ?? null };
      }
      return parsed(item, outboxBodies[item.kind], value, ({ decision, sample = null }) => {
        return { kind: "case", decision, sample };
      });
    case "revision":
      return parsed(item, outboxBodies.revision, value, ({ decision }) => ({ kind: "revision", decision }));
    case "review":
      return parsed(item, reviewBody, value, (review) => ({ kind: "review", review }));
    case "outcome":
      return parsed(item, outcomeBody, value, ({ outcome }) => ({ kind: "outcome", outcome }));
    case "delivered":
      return parsed(item, deliveredBody, value, ({ revision }) => ({ kind: "delivered", revision }));
  }
}

function parsed<T extends { readonly id: string }>(
  item: IngestItem,
  schema: z.ZodType<T>,
  value: unknown,
  make: (body: T) => Partial<ReadItem>,
): Partial<ReadItem> {
  const result = schema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    const where = issue ? `${issue.path.join(".")}: ${issue.message}` : "another shape";
    return { kind: "refused", error: new HoldpointError("HP_SCHEMA", `the row's body does not fit: ${where}`) };
  }
  if (result.data.id !== item.id) {
    return { kind: "refused", error: new HoldpointError("HP_SCHEMA", "the row's body is of another decision") };
  }
  return make(result.data);
}

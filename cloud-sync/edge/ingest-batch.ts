import {
  caseBriefSchema,
  hubLimits,
  type CaseBrief,
  type IngestItem,
  type IngestRequest,
} from "../../protocol/index.ts";
import { type CaseBriefs, type OutboxItem, type OutboxSource, type PreparedCase } from "./outbox-port.ts";

/** Pictures up to this size come along with their case; larger ones are asked for by the hub and sent in parts. */
const inlineBytesMax = 64 * 1024;
/** Cases that are made ready at a time: reading them from the journal is not what should take long. */
const preparedAtOnce = 16;

export interface IngestBatch {
  readonly request: IngestRequest;
  /** Numbers of the rows that announce a picture, by case. */
  readonly announced: ReadonlyMap<string, number>;
}

/**
 * The next rows after `after` as one call of about `bytesMax`, or null where there are none. Rows are numbered without
 * a gap; a gap before them (rows that retention dropped unsent) is declared, because the hub would wait for it for ever.
 */
export async function nextBatch(
  source: OutboxSource,
  briefs: CaseBriefs,
  after: number,
  bytesMax: number,
): Promise<IngestBatch | null> {
  const rows = withoutGap(await source.rows(after, hubLimits.ingestItemsMax));
  const [first] = rows;
  if (!first) return null;
  const items: IngestItem[] = [];
  const pictures: NonNullable<IngestRequest["pictures"]> = [];
  const announced = new Map<string, number>();
  let bytes = 0;
  fill: for (let at = 0; at < rows.length; at += preparedAtOnce) {
    const some = rows.slice(at, at + preparedAtOnce);
    const prepared = await Promise.all(some.map(async (row) => (needsBrief(row) ? briefs.prepare(row.id) : null)));
    for (const [index, row] of some.entries()) {
      const made = prepared[index] ?? null;
      // The case was pruned this very moment, and its row with it.
      if (needsBrief(row) && made === null) break fill;
      const item: IngestItem = made ? { ...row, brief: fitting(row.id, made) } : row;
      const picture = made && item.brief?.picture ? made.picture : null;
      const inline = picture !== null && picture.bytes.byteLength <= inlineBytesMax ? picture : null;
      const size = textBytes(JSON.stringify(item)) + (inline?.bytes.byteLength ?? 0);
      // The first row goes whatever its size: alone it fits, or nothing ever does.
      if (items.length > 0 && bytes + size > bytesMax) break fill;
      bytes += size;
      items.push(item);
      if (picture) announced.set(row.id, row.seq);
      if (inline && bytes <= bytesMax) pictures.push({ id: row.id, sha256: inline.sha256, data: inline.bytes });
    }
  }
  if (items.length === 0) return null;
  const { seq: from } = first;
  const request = {
    v: 1 as const,
    epoch: source.epoch,
    from,
    items,
    lastSeq: source.lastSeq(),
    skipped: from - after - 1,
  };
  return { request: { ...request, ...(pictures.length > 0 ? { pictures } : {}) }, announced };
}

function needsBrief({ kind }: OutboxItem): boolean {
  return kind === "escalation" || kind === "audit";
}

function withoutGap(rows: readonly OutboxItem[]): readonly OutboxItem[] {
  const gap = rows.findIndex(({ seq }, index) => seq !== (rows[0]?.seq ?? 0) + index);
  return gap < 0 ? rows : rows.slice(0, gap);
}

/** A brief that does not fit the wire would keep its row, and all behind it, from ever arriving: then people see less. */
function fitting(id: string, { brief }: PreparedCase): CaseBrief {
  if (caseBriefSchema.safeParse(brief).success) return brief;
  const { view } = brief;
  const bare = {
    ...view,
    context: {},
    facts: [{ name: "input", value: "cannot be shown" }],
    series: [],
    suggestions: [],
  };
  const reasons = view.reasons.slice(0, 1).map((text) => text.slice(0, 100));
  return {
    ...brief,
    view: { ...bare, id, reasons, question: view.question.slice(0, 200), explanation: null },
    costs: null,
  };
}

const encoder = new TextEncoder();

function textBytes(text: string): number {
  return encoder.encode(text).byteLength;
}

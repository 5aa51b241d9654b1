import { z } from "zod";
import { fromBase64, HoldpointError, toBase64 } from "../../../protocol/index.ts";

/** Lists come in pages: `{ items, cursor }`. The cursor of a page asks for the next one; null says that it was the last. */
const pageItemsMax = 200;
const pageItemsDefault = 50;
/** A place is as long as what its items are sorted by. */
const cursorCharsMax = 8192;

/** What every list may be asked for; the list itself knows its cursors. */
export const cursorText = z.string().max(cursorCharsMax);

const pageShape = {
  cursor: cursorText.optional(),
  limit: z.coerce.number().int().min(1).max(pageItemsMax).default(pageItemsDefault),
};

/** A query with `cursor` and `limit` beside what the list itself can be asked for. */
export function pageQuery<Shape extends z.ZodRawShape>(
  shape: Shape,
): z.ZodObject<typeof pageShape & Shape, z.core.$strict> {
  return z.strictObject({ ...pageShape, ...shape });
}

type Page<Item extends z.ZodType> = z.ZodObject<
  { items: z.ZodArray<Item>; cursor: z.ZodNullable<z.ZodString> },
  z.core.$strict
>;

export function pageSchema<Item extends z.ZodType>(item: Item): Page<Item> {
  return z.strictObject({ items: z.array(item), cursor: z.string().nullable() });
}

/** A page of rows that were asked for with one more than `limit`: that one says whether there is a next page. */
export function pageOf<Item>(
  rows: readonly Item[],
  limit: number,
  cursorOf: (item: Item) => string,
): { items: Item[]; cursor: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, cursor: rows.length > limit && last !== undefined ? cursorOf(last) : null };
}

/** The cursors of one list. */
export interface ListCursor<Place> {
  /** Of the last item of a page. */
  write(place: Place): string;
  /** Null where the list begins. Throws HP_SCHEMA for what no page of this list gave: another list's cursor as well. */
  read(cursor: string | null | undefined): Place | null;
}

/** A cursor has the list's name beside its place: a place alone, a login for instance, looks like any other text. */
export function listCursor<Place extends z.ZodType>(list: string, place: Place): ListCursor<z.output<Place>> {
  const schema = z.tuple([z.literal(list), place]);
  return {
    write: (at) => base64Url(JSON.stringify([list, at])),
    read: (cursor) => {
      if (cursor === null || cursor === undefined) return null;
      const parsed = schema.safeParse(jsonOf(cursor));
      if (!parsed.success) throw new HoldpointError("HP_SCHEMA", "cursor: is none of this list's");
      return parsed.data[1] as z.output<Place>;
    },
  };
}

function base64Url(text: string): string {
  const base64 = toBase64(new TextEncoder().encode(text));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function jsonOf(cursor: string): unknown {
  try {
    const bytes = fromBase64(cursor.replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

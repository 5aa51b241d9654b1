import { z } from "zod";

/** Lists come in pages: `{ items, cursor }`. The cursor of a page asks for the next one; null says that it was the last. */
const pageItemsMax = 200;
const pageItemsDefault = 50;

const pageShape = {
  cursor: z.string().max(512).optional(),
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

import { defaultTexts } from "./defaults.ts";
import { conditionSchema } from "./rule-schema.ts";
import { layerSchema } from "./schema.ts";
import { alternatives, keysAt, metaOf, schemasAt, type Schema } from "./schema-walk.ts";
import { z } from "zod";

/** One key of the config, as the docs and a form show it. */
export interface KeyRow {
  /** `<task>` and `<name>` stand for names that the writer chooses, `[]` for an entry of a list. */
  readonly key: string;
  readonly kind: string;
  readonly default: string;
  readonly description: string;
}

/** Every key of a store config. */
export function keyRows(): readonly KeyRow[] {
  return uniqueRows(rowsBelow(layerSchema, ""));
}

/** Every key of a rule's condition. */
export function conditionRows(): readonly KeyRow[] {
  return uniqueRows(rowsBelow(conditionSchema, "", true));
}

/** The tables of docs/config.md. */
export function keyTableMarkdown(rows: readonly KeyRow[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    line(["key", "value", "default", "meaning"]),
    line(["---", "---", "---", "---"]),
    ...rows.map((row) =>
      line([`\`${row.key}\``, row.kind, row.default === "" ? "–" : `\`${row.default}\``, row.description]),
    ),
  ].join("\n");
}

function rowsBelow(schema: Schema, prefix: string, top = false): readonly KeyRow[] {
  return alternatives(schema).flatMap((found): readonly KeyRow[] => {
    if (found instanceof z.ZodObject) {
      return keysAt(found, []).flatMap((name) => {
        const key = prefix === "" ? name : `${prefix}.${name}`;
        return schemasAt(found, [name]).flatMap((member) => rowsOf(member, key));
      });
    }
    if (found instanceof z.ZodRecord) {
      const name = prefix.includes(".") ? "<name>" : "<task>";
      return rowsOf(found.valueType, `${prefix}.${name}`);
    }
    if (found instanceof z.ZodArray && !top) return rowsBelow(found.element, `${prefix}[]`);
    return [];
  });
}

function rowsOf(schema: Schema, key: string): readonly KeyRow[] {
  const meta = metaOf(schema);
  const own =
    meta?.kind == null
      ? []
      : [{ key, kind: meta.kind, default: defaultTexts.get(key) ?? "", description: meta.description }];
  // Conditions hold conditions: their table is its own.
  const below = schema === conditionSchema || meta?.kind === "a condition" || meta?.kind === "a list of conditions";
  return below ? own : [...own, ...rowsBelow(schema, key)];
}

/** The members of a union share keys; the first description counts. */
function uniqueRows(rows: readonly KeyRow[]): readonly KeyRow[] {
  return [...new Map(rows.toReversed().map((row) => [row.key, row])).values()].toReversed();
}

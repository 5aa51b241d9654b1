import { z } from "zod";
import { type FormPair, type Inference } from "./activation.ts";

/** Answers of DetectModerationLabels and AnalyzeDocument, read as far as conditions look at them. Keys of either case. */

const blocksMax = 20_000;
const labelsMax = 1_000;

const moderation = z.object({
  moderationLabels: z.array(z.object({ name: z.string(), confidence: z.number() })).max(labelsMax),
});

const block = z.object({
  id: z.string(),
  blockType: z.string(),
  confidence: z.number().optional(),
  text: z.string().optional(),
  entityTypes: z.array(z.string()).nullish(),
  relationships: z.array(z.object({ type: z.string(), ids: z.array(z.string()) })).nullish(),
});
type Block = z.output<typeof block>;
const document = z.object({ blocks: z.array(block).max(blocksMax) });

/** The inference, or null where the answer is of neither service. */
export function readInference(response: unknown): Inference | null {
  const value = lowerCaseKeys(response);
  const labels = moderation.safeParse(value);
  if (labels.success) return { labels: labels.data.moderationLabels, forms: [] };
  const blocks = document.safeParse(value);
  return blocks.success ? { labels: [], forms: formPairs(blocks.data.blocks) } : null;
}

/** Key-value pairs: a KEY_VALUE_SET block of entity type KEY, its words, and the words of its VALUE. */
function formPairs(blocks: readonly Block[]): readonly FormPair[] {
  const byId = new Map(blocks.map((one) => [one.id, one]));
  const related = (from: Block, type: string): readonly Block[] =>
    (from.relationships ?? [])
      .filter((relation) => relation.type === type)
      .flatMap(({ ids }) => ids.flatMap((id) => byId.get(id) ?? []));
  return blocks
    .filter((one) => one.blockType === "KEY_VALUE_SET" && (one.entityTypes ?? []).includes("KEY"))
    .map((key) => {
      const isWord = ({ blockType }: Block): boolean => blockType === "WORD";
      const keyWords = related(key, "CHILD").filter(isWord);
      const valueWords = related(key, "VALUE").flatMap((value) => related(value, "CHILD").filter(isWord));
      return {
        key: keyWords.map(({ text = "" }) => text).join(" "),
        confidence: key.confidence ?? 0,
        words: [...keyWords, ...valueWords].map(({ confidence = 0 }) => confidence),
      };
    });
}

/** The services write `Blocks`, A2I's own output `blocks`. The codec has bounded depth and size before. */
function lowerCaseKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lowerCaseKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [`${key.charAt(0).toLowerCase()}${key.slice(1)}`, lowerCaseKeys(part)]),
  );
}

import { labelText } from "./wording.ts";

/** Which labels fit what was typed, best first. Every typed word must be in the label. */
export function matchingLabels(
  labels: readonly string[],
  query: string,
  max: number = searchShownMax,
): readonly string[] {
  const words = plain(query)
    .split(" ")
    .filter((word) => word !== "");
  if (words.length === 0) return labels.slice(0, max);
  return labels
    .map((label) => ({ label, rank: rankOf(plain(labelText(label)), words) }))
    .filter((entry): entry is { label: string; rank: number } => entry.rank !== null)
    .sort((a, b) => a.rank - b.rank || a.label.length - b.label.length || (a.label < b.label ? -1 : 1))
    .slice(0, max)
    .map(({ label }) => label);
}

const searchShownMax = 8;

/** 0: begins so. 1: each typed word begins a word of the label. 2: each is somewhere in it. */
function rankOf(label: string, words: readonly string[]): number | null {
  if (label.startsWith(words.join(" "))) return 0;
  const parts = label.split(" ");
  if (words.every((word) => parts.some((part) => part.startsWith(word)))) return 1;
  return words.every((word) => label.includes(word)) ? 2 : null;
}

/** Case and accents do not count: "creme" finds "Crème". */
function plain(text: string): string {
  return text
    .normalize("NFD")
    .replaceAll(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll(/[-_\s]+/g, " ")
    .trim();
}

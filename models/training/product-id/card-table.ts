export const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

/** A table with padded columns, which is how the formatter wants it. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = head.map((_, i) => Math.max(3, ...[head, ...rows].map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[], fill: string): string =>
    `| ${width.map((size, i) => (row[i] ?? "").padEnd(size, fill)).join(" | ")} |`;
  return [line(head, " "), line([], "-"), ...rows.map((row) => line(row, " "))].join("\n");
}

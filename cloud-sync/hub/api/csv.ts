/**
 * CSV (RFC 4180) that a spreadsheet may open. A text that begins like a formula gets an apostrophe before it, so that
 * what somebody wrote into a name or a label is shown and not run (OWASP, CSV injection).
 */
export type CsvCell = string | number | boolean | null;

export function csvLine(cells: readonly CsvCell[]): string {
  return `${cells.map(csvCell).join(",")}\r\n`;
}

/** The wide forms of the same characters count too: some spreadsheets read them alike. */
const formula = /^[=+\-@\t\r\n|%＝＋－＠]/u;

function csvCell(cell: CsvCell): string {
  if (cell === null) return "";
  // Numbers and truths are ours: a negative number is no formula.
  if (typeof cell !== "string") return String(cell);
  const text = formula.test(cell.trimStart()) || formula.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csvHeaders = (fileName: string): Readonly<Record<string, string>> => ({
  "content-type": "text/csv; charset=utf-8",
  "content-disposition": `attachment; filename="${fileName}"`,
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
});

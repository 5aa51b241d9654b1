/** CSV for spreadsheets (RFC 4180). Pure. */

/**
 * One file: a header and its rows. A text that a spreadsheet would take for a formula gets an apostrophe in front, which
 * spreadsheets do not show (OWASP, "CSV Injection"): names come from stores, and nobody's cell may run here.
 */
export function csvText(header: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function cell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const safe = /^\s*[=+\-@]/.test(value) || /^[\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

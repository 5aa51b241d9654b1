/** Durations and sizes as people write them in a config: `250ms`, `15m`, `2GB`. */

const durationUnits = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
] as const;

/** Decimal units as disks are sold; the binary ones are there for whoever thinks in them. */
const byteUnits = [
  ["TiB", 1024 ** 4],
  ["TB", 1000 ** 4],
  ["GiB", 1024 ** 3],
  ["GB", 1000 ** 3],
  ["MiB", 1024 ** 2],
  ["MB", 1000 ** 2],
  ["KiB", 1024],
  ["KB", 1000],
  ["B", 1],
] as const;

/** Whole milliseconds, or null where the text is no duration of at least one millisecond. */
export function parseDurationMs(text: string): number | null {
  return parseQuantity(text, durationUnits);
}

/** Whole bytes, or null where the text is no size of at least one byte. */
export function parseBytes(text: string): number | null {
  return parseQuantity(text, byteUnits);
}

/** The shortest text that `parseDurationMs` reads back as the same number. */
export function formatDuration(durationMs: number): string {
  return formatQuantity(durationMs, durationUnits);
}

/** The shortest text that `parseBytes` reads back as the same number. */
export function formatBytes(bytes: number): string {
  return formatQuantity(bytes, byteUnits);
}

type Units = readonly (readonly [string, number])[];

function parseQuantity(text: string, units: Units): number | null {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([A-Za-z]{1,3})$/.exec(text);
  const factor = units.find(([unit]) => unit === match?.[2])?.[1];
  if (factor === undefined) return null;
  const quantity = Math.round(Number(match?.[1]) * factor);
  return quantity >= 1 && Number.isSafeInteger(quantity) ? quantity : null;
}

function formatQuantity(quantity: number, units: Units): string {
  const texts = units
    .filter(([, factor]) => quantity % factor === 0)
    .map(([unit, factor]) => `${quantity / factor}${unit}`);
  return texts.reduce(
    (best, text) => (text.length < best.length ? text : best),
    `${quantity}${units.at(-1)?.[0] ?? ""}`,
  );
}

/** Numbers, times and names as the pages write them. */

/** 12 → "12", 12345 → "12,345". */
export function countText(count: number): string {
  return count.toLocaleString("en");
}

/** A duration in its two largest units: "3 d 4 h", "12 min", "8 s". Negative ones are none. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`;
}

const absolute = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const shortDay = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});

const shortSecond = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** "20 Nov 2026, 13:54:02", in the reader's own time zone. */
export function timeText(atMs: number): string {
  return absolute.format(atMs);
}

export function shortTimeText(atMs: number): string {
  return shortDay.format(atMs);
}

/** "20 Nov, 13:54:02": of what happens within a minute the second is told. */
export function shortSecondText(atMs: number): string {
  return shortSecond.format(atMs);
}

export function agoText(agoMs: number): string {
  return agoMs < 5_000 ? "just now" : `${durationText(agoMs)} ago`;
}

/** "sha256:4f2a…" of a digest that nobody reads whole. */
export function digestShort(digest: string): string {
  const [, hex = digest] = digest.split(":");
  return hex.length > 12 ? hex.slice(0, 12) : hex;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

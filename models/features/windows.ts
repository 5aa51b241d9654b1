import { type ObservedEvent, type Scalar } from "../../protocol/index.ts";
import { type WindowsFeatures } from "../feature-spec.ts";
import { type FeatureResult, type RowBuffer } from "./rows.ts";
import { writeRow } from "./write-row.ts";

/** What an entity did, as the windows read it. */
export interface EntityEvent {
  readonly atMs: number;
  readonly values: Readonly<Record<string, Scalar>>;
}

/** The state of the windows: a port, because the agent keeps it in its journal and training in a file. */
export interface EventHistory {
  /** Time that the windows end at: the wall clock in serving, the event's time in training. */
  nowMs(): number;
  /** Events of the entity later than `sinceMs`, in any order. Bounded by whoever keeps them. */
  eventsOf(entity: string, sinceMs: number): readonly EntityEvent[];
}

/** For a host that was given no history: every window holds at most the event that is being decided. */
export const noHistory: EventHistory = Object.freeze({ nowMs: () => 0, eventsOf: () => [] });

/** The longest window of the spec: what a history must keep. */
export function longestWindowMs(spec: WindowsFeatures): number {
  return Math.max(...spec.columns.map((column) => column.windowMs));
}

/**
 * One statistic of one value over one window per column, as (x − mean) / std. The windows are (now − windowMs, now]; the
 * event that is being decided counts as one that happened now. Over no events count, sum, mean, last and max are 0.
 */
export function buildWindows(
  spec: WindowsFeatures,
  entity: string,
  current: ObservedEvent["values"] | null,
  history: EventHistory,
  target: RowBuffer,
  row: number,
): FeatureResult {
  const nowMs = history.nowMs();
  const past = history.eventsOf(entity, nowMs - longestWindowMs(spec)).toSorted((a, b) => a.atMs - b.atMs);
  const events = current === null ? past : [...past, { atMs: nowMs, values: current }];
  const numbers = spec.columns.map((column) => {
    const values: number[] = [];
    for (const event of events) {
      if (event.atMs <= nowMs - column.windowMs || event.atMs > nowMs) continue;
      const value = column.value === "*" ? 1 : ownNumber(event.values, column.value);
      if (value !== null) values.push(value);
    }
    return (statisticOf(column.statistic, values) - column.mean) / column.std;
  });
  return writeRow(numbers, target, row);
}

function ownNumber(values: EntityEvent["values"], key: string): number | null {
  const value = Object.hasOwn(values, key) ? values[key] : null;
  if (typeof value === "boolean") return Number(value);
  if (typeof value === "number") return value;
  // A text has no amount; that it is there counts as one.
  return typeof value === "string" ? 1 : null;
}

function statisticOf(statistic: WindowsFeatures["columns"][number]["statistic"], values: readonly number[]): number {
  const sum = (): number => values.reduce((total, value) => total + value, 0);
  if (values.length === 0) return 0;
  switch (statistic) {
    case "count":
      return values.length;
    case "sum":
      return sum();
    case "mean":
      return sum() / values.length;
    case "last":
      return values.at(-1) ?? 0;
    case "max":
      return values.reduce((largest, value) => Math.max(largest, value), -Infinity);
  }
}

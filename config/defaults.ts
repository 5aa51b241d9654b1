import { layerSchema, type LayerInput, type LayerValues } from "./schema.ts";

/** What holds where no layer says anything, written as a config would write it: the docs show these very values. */
const task = {
  decide_within: "2s",
  review_within: "15m",
  fallback: ["human_review", "safe_action"],
  safe_action: null,
  escalations_per_hour: "none",
  review_capacity: null,
  audit_share: 0.02,
  costs: null,
  question: "Which answer is right?",
  labels: [],
  rules: [],
} as const satisfies NonNullable<NonNullable<LayerInput["tasks"]>[string]>;

const retention = {
  journal_bytes: "2GB",
  input_keep: "72h",
  unanswered_max: "14d",
} as const satisfies NonNullable<LayerInput["retention"]>;

/** What a contract has that does not state it. */
export const contractDefaults = { delta: 0.05, lapse_after: "14d", lapse_accepts: 50_000 } as const;
export const lapseAfterMsDefault = 14 * 86_400_000;

/** The defaults for these tasks, as one more layer below all others. */
export function defaultValues(tasks: readonly string[]): LayerValues {
  const each = <T>(value: T): Record<string, T> => Object.fromEntries(tasks.map((name) => [name, value]));
  return layerSchema.parse({
    models: each({ batch_size: 8 }),
    thresholds: each({ default: 0.95, coarse: null }),
    tasks: each(task),
    retention,
  });
}

/** Defaults by key, with `<task>` for a task's name, for the table in docs/config.md. */
export const defaultTexts: ReadonlyMap<string, string> = new Map([
  ["models.<task>.batch_size", "8"],
  ["thresholds.<task>", "0.95"],
  ["thresholds.<task>.default", "0.95"],
  ...["", ".default", ".classes.<name>", ".coarse"].flatMap((at) =>
    entriesOf(`thresholds.<task>${at}`, contractDefaults),
  ),
  ...entriesOf("tasks.<task>", task),
  ...entriesOf("retention", retention),
]);

function entriesOf(prefix: string, values: Readonly<Record<string, unknown>>): [string, string][] {
  return Object.entries(values)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => [`${prefix}.${name}`, Array.isArray(value) ? `[${value.join(", ")}]` : String(value)]);
}

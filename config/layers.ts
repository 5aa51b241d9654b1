import { contractDefaults, defaultValues, lapseAfterMsDefault } from "./defaults.ts";
import { mendHint, type ConfigFault } from "./fault.ts";
import { keySegments, keyText } from "./key-path.ts";
import { nearest } from "./nearest.ts";
import { type ConfigWarning, type Contract, type ModelSource } from "./policy.ts";
import { layerSchema, type ContractValues, type GateValues, type LayerValues, type ModelValues } from "./schema.ts";
import { keysAt, knows } from "./schema-walk.ts";
import { type LayerDocument } from "./store-config.ts";

/** Lowest first: a later layer's value replaces an earlier one's, key by key. */
export const layerNames = ["fleet", "region", "store", "device"] as const;
export type LayerName = (typeof layerNames)[number];

/** Where a value came from. `file` and `line` are null for a default. */
export interface Origin {
  readonly layer: LayerName | "default";
  readonly file: string | null;
  readonly line: number | null;
}

export type Segments = readonly string[];

/** One value at one key. A contract, a list, a safe action, costs, a rule list and the broker are one value each. */
export interface ConfigEntry {
  readonly segments: Segments;
  readonly value: unknown;
  readonly origin: Origin;
}

interface Lock {
  readonly segments: Segments;
  readonly origin: Origin;
}

/**
 * Layers as one: an entry per key. `mergeLayers` is associative, and the empty one is its unit: fleet, region, store
 * and device may be merged in any grouping.
 */
export interface Layered {
  readonly entries: ReadonlyMap<string, ConfigEntry>;
  readonly locks: readonly Lock[];
  /** Values that a lock of a higher layer kept out. */
  readonly ignored: readonly { readonly entry: ConfigEntry; readonly lock: Lock }[];
}

export const emptyLayered: Layered = Object.freeze({ entries: new Map(), locks: [], ignored: [] });

/**
 * The lower layer's entries go over the higher one's, but for those that the higher one has locked. Under a contract a
 * number is a floor and stands beside it; a contract given later replaces what was there, floor included.
 */
export function mergeLayers(higher: Layered, lower: Layered): Layered {
  const entries = new Map(higher.entries);
  const ignored = [...higher.ignored];
  const free = [...lower.entries].filter(([, entry]) => {
    // A lock on a value does not unmake the task that it is about; one on a whole section does.
    const locks = isDeclaration(entry) ? higher.locks.filter(({ segments }) => segments.length === 1) : higher.locks;
    const lock = locks.find(({ segments }) => covers(segments, lockable(entry.segments)));
    if (lock !== undefined && !isDeclaration(entry)) ignored.push({ entry, lock });
    return lock === undefined;
  });
  for (const [, { segments, value }] of free) {
    const number = value === null ? null : numberBeside(segments);
    if (number !== null) entries.delete(keyText(number));
  }
  for (const [key, entry] of free) entries.set(key, entry);
  return { entries, locks: [...higher.locks, ...lower.locks], ignored: [...ignored, ...lower.ignored] };
}

/** The defaults for every task that the layers name. */
export function withDefaults(layered: Layered): Layered {
  const origin: Origin = { layer: "default", file: null, line: null };
  const values = defaultValues(taskNames(layered));
  return mergeLayers(
    layeredOf(values, () => origin),
    layered,
  );
}

/** A checked file as a layer. */
export function layerOf(layer: LayerName, document: LayerDocument): Layered {
  const { file, values, placeOf } = document;
  return layeredOf(values, (path) => ({ layer, file, line: placeOf(path).line }));
}

/** Locks that name no key: they would protect nothing, silently. */
export function lockFaults({ file, values, placeOf }: LayerDocument): readonly ConfigFault[] {
  return (values.locked ?? []).flatMap((text, index) => {
    const segments = keySegments(text);
    if (segments !== null && segments[0] !== "locked" && knows(layerSchema, segments)) return [];
    const wrong = segments?.findIndex((_, at) => !knows(layerSchema, segments.slice(0, at + 1))) ?? 0;
    const known = keysAt(layerSchema, segments?.slice(0, Math.max(0, wrong)) ?? []).filter((name) => name !== "locked");
    const near = nearest(segments?.[wrong] ?? text, known) ?? "";
    const message = `no key is called ${JSON.stringify(text)}; the nearest to its wrong part is "${near}"`;
    return [{ file, ...placeOf(["locked", index]), key: `locked[${index}]`, message, hint: mendHint }];
  });
}

export function lockWarnings(layered: Layered): readonly ConfigWarning[] {
  return layered.ignored.map(({ entry, lock }) => {
    const key = keyText(lockable(entry.segments)).replace(/^(thresholds.*)\.default$/, "$1");
    return {
      key,
      code: "HP_CONFIG",
      message: `${placeText(entry.origin)}: ${key} is ignored, because ${placeText(lock.origin)} has locked ${keyText(lock.segments)}`,
      hint: "Take the key out of this layer, or ask whoever owns the higher one to unlock it.",
    };
  });
}

function placeText({ layer, file, line }: Origin): string {
  return file === null ? layer : `${file}:${line ?? 1} (${layer})`;
}

/** Every task that a layer names, sorted, so that the order of layers and keys does not show. */
export function taskNames({ entries }: Layered): readonly string[] {
  const perTask = new Set(["models", "thresholds", "tasks"]);
  const names = [...entries.values()].map(({ segments: [section = "", task] }) =>
    perTask.has(section) ? task : undefined,
  );
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

/** A task that is named without saying anything about it is an entry as well; its last segment is empty. */
function isDeclaration({ segments }: ConfigEntry): boolean {
  return segments.at(-1) === "";
}

type OriginOf = (path: readonly string[]) => Origin;

function layeredOf(values: LayerValues, originOf: OriginOf): Layered {
  const entries = new Map<string, ConfigEntry>();
  const add = (segments: Segments, value: unknown, path: Segments = segments): void => {
    entries.set(keyText(segments), { segments, value, origin: originOf(path) });
  };
  if (values.store_id !== undefined) add(["store_id"], values.store_id);
  for (const [name, value] of Object.entries(values.retention ?? {})) add(["retention", name], value);
  if (values.broker !== undefined) add(["broker"], values.broker);
  for (const [task, model] of Object.entries(values.models ?? {})) addModel(add, task, model ?? {});
  for (const [task, gate] of Object.entries(values.thresholds ?? {})) addGate(add, task, gate ?? {});
  for (const [task, keys] of Object.entries(values.tasks ?? {})) {
    add(["tasks", task, ""], true, ["tasks", task]);
    for (const [name, value] of Object.entries(keys ?? {})) {
      add(["tasks", task, name], name === "escalations_per_hour" && value === "none" ? null : value);
    }
  }
  const locks = (values.locked ?? []).map((text) => ({
    segments: lockable(keySegments(text) ?? [text]),
    origin: originOf(["locked"]),
  }));
  return { entries, locks, ignored: [] };
}

type Add = (segments: Segments, value: unknown, path?: Segments) => void;

function addModel(add: Add, task: string, values: ModelValues): void {
  const { model, model_path: path, batch_size: batchSize, max_history_frames: frames, options } = values;
  const entry = ["models", task];
  add([...entry, ""], true, entry);
  // One key for both, so that a layer that gives one of them replaces the other.
  if (model !== undefined) add([...entry, "model"], { kind: "registry", spec: model } satisfies ModelSource);
  if (path !== undefined) {
    add([...entry, "model"], { kind: "path", path } satisfies ModelSource, [...entry, "model_path"]);
  }
  if (batchSize !== undefined) add([...entry, "batch_size"], batchSize);
  if (frames !== undefined) add([...entry, "options", "max_history_frames"], frames, [...entry, "max_history_frames"]);
  for (const [name, value] of Object.entries(options ?? {})) add([...entry, "options", name], value);
}

function addGate(add: Add, task: string, values: GateValues): void {
  const entry = ["thresholds", task];
  add([...entry, ""], true, entry);
  const target = typeof values === "number" || "max_error" in values ? values : values.default;
  if (typeof target === "number") add([...entry, "number"], target, [...entry, "default"]);
  if (typeof target === "object") add([...entry, "contract"], contractOf(target), [...entry, "default"]);
  if (typeof values === "number" || "max_error" in values) return;
  for (const [label, value] of Object.entries(values.classes ?? {})) {
    const at = [...entry, "classes", label];
    if (typeof value === "number") add(at, value);
    else add([...entry, "classContracts", label], contractOf(value), at);
  }
  const { coarse } = values;
  if (coarse === undefined) return;
  // `null` takes back whatever there was, number or contract.
  if (typeof coarse !== "object" || coarse === null) add([...entry, "coarse"], coarse);
  if (coarse === null) add([...entry, "coarseContract"], null, [...entry, "coarse"]);
  else if (typeof coarse === "object") add([...entry, "coarseContract"], contractOf(coarse), [...entry, "coarse"]);
}

function contractOf(values: ContractValues): Contract {
  return {
    kind: "contract",
    maxError: values.max_error,
    delta: values.delta ?? contractDefaults.delta,
    launchLabels: values.launch_labels ?? null,
    lapseAfterMs: values.lapse_after ?? lapseAfterMsDefault,
    lapseAccepts: values.lapse_accepts ?? contractDefaults.lapse_accepts,
  };
}

/** Where the number stands that a contract at this place replaces; null for what is no contract. */
function numberBeside([section = "", task = "", part = "", label = ""]: Segments): Segments | null {
  if (section !== "thresholds") return null;
  if (part === "contract") return [section, task, "number"];
  if (part === "classContracts") return [section, task, "classes", label];
  return part === "coarseContract" ? [section, task, "coarse"] : null;
}

const contractKeys = ["max_error", "delta", "launch_labels", "lapse_after", "lapse_accepts"];

/** Keys that are two ways of saying one thing are locked as one. */
function lockable(segments: Segments): Segments {
  const [section = "", task = "", part = "", label = ""] = segments;
  if (section === "models" && part === "model_path") return [section, task, "model"];
  if (section === "models" && part === "max_history_frames") return [section, task, "options", part];
  if (section !== "thresholds") return segments;
  if (["contract", "number", "default", ...contractKeys].includes(part)) return [section, task, "default"];
  if (part === "classContracts") return [section, task, "classes", label];
  if (part === "coarseContract") return [section, task, "coarse"];
  return segments;
}

/** A lock on a key holds for all below it; a lock inside a value holds for the whole value. */
function covers(lock: Segments, segments: Segments): boolean {
  const length = Math.min(lock.length, segments.length);
  return lock.slice(0, length).every((segment, index) => segment === segments[index]);
}

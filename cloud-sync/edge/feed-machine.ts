import { backOffMs, type BackOffPace } from "./back-off.ts";

/**
 * The hub's feed at one agent: asked for, applied, remembered, asked for again. The cursor is kept durably only after
 * everything before it was applied, so a crash applies some items again (which changes nothing) and skips none. What
 * cannot be applied now (a full disk) is tried again before anything behind it is asked for.
 */
export type FeedPhase = "idle" | "polling" | "applying" | "keeping" | "resting" | "stopped";

export interface FeedState<Item> {
  readonly phase: FeedPhase;
  /** Everything up to it is applied and this is kept durably; null before the first. */
  readonly cursor: string | null;
  /** What came last and is being applied, with the cursor behind it. */
  readonly batch: { readonly cursor: string; readonly items: readonly Item[] } | null;
  readonly failures: number;
}

export type FeedEvent<Item> =
  | { readonly kind: "start"; readonly cursor: string | null }
  /** `isEarly`: empty, and long before the wait was over, as no hub answers. */
  | { readonly kind: "came"; readonly cursor: string; readonly items: readonly Item[]; readonly isEarly: boolean }
  /** `left`: what could not be applied now, in order. */
  | { readonly kind: "applied"; readonly left: readonly Item[] }
  | { readonly kind: "kept" }
  | { readonly kind: "failed"; readonly retryAfterMs: number | null }
  | { readonly kind: "rang" }
  | { readonly kind: "stop" };

export type FeedEffect<Item> =
  | { readonly kind: "poll"; readonly cursor: string | null }
  | { readonly kind: "apply"; readonly items: readonly Item[] }
  | { readonly kind: "keep"; readonly cursor: string }
  | { readonly kind: "rest"; readonly delayMs: number };

export interface FeedInputs {
  readonly uniform: number;
  readonly pace: BackOffPace;
}

export interface FeedStep<Item> {
  readonly state: FeedState<Item>;
  readonly effects: readonly FeedEffect<Item>[];
}

export function startFeed<Item>(): FeedState<Item> {
  return { phase: "idle", cursor: null, batch: null, failures: 0 };
}

export function feed<Item>(state: FeedState<Item>, event: FeedEvent<Item>, inputs: FeedInputs): FeedStep<Item> {
  if (event.kind === "stop") return { state: { ...state, phase: "stopped" }, effects: [] };
  switch (state.phase) {
    case "idle":
      return event.kind === "start" ? poll({ ...state, cursor: event.cursor }) : stay(state);
    case "polling":
      if (event.kind === "came") return came(state, event, inputs);
      return event.kind === "failed" ? failed(state, event.retryAfterMs, inputs) : stay(state);
    case "applying":
      if (event.kind !== "applied") return stay(state);
      if (event.left.length === 0) return keep(state);
      return failed({ ...state, batch: state.batch && { ...state.batch, items: event.left } }, null, inputs);
    case "keeping":
      if (event.kind === "kept")
        return poll({ ...state, cursor: state.batch?.cursor ?? state.cursor, batch: null, failures: 0 });
      return event.kind === "failed"
        ? failed({ ...state, batch: state.batch && { ...state.batch, items: [] } }, null, inputs)
        : stay(state);
    case "resting":
      return event.kind === "rang" ? goOn(state) : stay(state);
    case "stopped":
      return stay(state);
  }
}

function came<Item>(
  state: FeedState<Item>,
  { cursor, items, isEarly }: Extract<FeedEvent<Item>, { kind: "came" }>,
  inputs: FeedInputs,
): FeedStep<Item> {
  if (items.length === 0 && isEarly) return failed(state, null, inputs);
  if (items.length === 0 && cursor === state.cursor) return poll({ ...state, failures: 0 });
  const next = { ...state, batch: { cursor, items }, failures: 0 };
  return items.length === 0 ? keep(next) : apply(next);
}

/** What rested goes on where it stopped: the batch first, if there is one. */
function goOn<Item>(state: FeedState<Item>): FeedStep<Item> {
  if (!state.batch) return poll(state);
  return state.batch.items.length === 0 ? keep(state) : apply(state);
}

function failed<Item>(
  state: FeedState<Item>,
  retryAfterMs: number | null,
  { uniform, pace }: FeedInputs,
): FeedStep<Item> {
  const failures = state.failures + 1;
  const delayMs = backOffMs(failures, uniform, retryAfterMs, pace);
  return { state: { ...state, phase: "resting", failures }, effects: [{ kind: "rest", delayMs }] };
}

function stay<Item>(state: FeedState<Item>): FeedStep<Item> {
  return { state, effects: [] };
}

function poll<Item>(state: FeedState<Item>): FeedStep<Item> {
  return { state: { ...state, phase: "polling" }, effects: [{ kind: "poll", cursor: state.cursor }] };
}

function apply<Item>(state: FeedState<Item>): FeedStep<Item> {
  return { state: { ...state, phase: "applying" }, effects: [{ kind: "apply", items: state.batch?.items ?? [] }] };
}

function keep<Item>(state: FeedState<Item>): FeedStep<Item> {
  const cursor = state.batch?.cursor ?? state.cursor ?? "";
  return { state: { ...state, phase: "keeping" }, effects: [{ kind: "keep", cursor }] };
}

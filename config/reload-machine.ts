/**
 * Hot reload as a pure machine. A change settles, is read, and is applied if it is good and different; a bad one leaves
 * the last good config in force and is reported once. One read or application runs at a time; what changes meanwhile is
 * read again afterwards.
 */
export type ReloadPhase =
  | { readonly kind: "idle" }
  /** Waiting for the writer to finish; `sinceMs` is the first change. */
  | { readonly kind: "settling"; readonly sinceMs: number }
  | { readonly kind: "reading"; readonly dirty: boolean }
  | { readonly kind: "applying"; readonly dirty: boolean; readonly digest: string }
  | { readonly kind: "closed" };

export interface ReloadState {
  readonly phase: ReloadPhase;
  /** Digest of the config in force. */
  readonly digest: string;
  /** Why the files as they are now are not in force; null while they are. Its text is the degraded reason. */
  readonly problem: string | null;
}

export type ReloadEvent =
  /** Monotonic. */
  | { readonly kind: "changed"; readonly nowMs: number }
  | { readonly kind: "settled" }
  /** Read now, without waiting: somebody asks. */
  | { readonly kind: "asked" }
  | { readonly kind: "read_ok"; readonly digest: string; readonly nowMs: number }
  | { readonly kind: "read_failed"; readonly problem: string; readonly nowMs: number }
  | { readonly kind: "applied"; readonly nowMs: number }
  | { readonly kind: "apply_failed"; readonly problem: string; readonly nowMs: number }
  | { readonly kind: "close" };

export type ReloadEffect =
  /** Sends `settled` after the delay; replaces an earlier timer. */
  | { readonly kind: "settle"; readonly delayMs: number }
  | { readonly kind: "read" }
  | { readonly kind: "apply" }
  | { readonly kind: "report"; readonly problem: string }
  /** The files are good again. */
  | { readonly kind: "recover" }
  | { readonly kind: "stop" };

export interface ReloadStep {
  readonly state: ReloadState;
  readonly effects: readonly ReloadEffect[];
}

/** A writer is taken to be done when nothing changed for this long. */
export const settleMs = 50;
/** A file that never rests is read after this long nevertheless. */
export const settleMsMax = 500;

/** After an application that failed. */
export const retryMs = 5000;

export function startReload(digest: string): ReloadState {
  return { phase: { kind: "idle" }, digest, problem: null };
}

export function reload(state: ReloadState, event: ReloadEvent): ReloadStep {
  if (event.kind === "close") return close(state);
  switch (state.phase.kind) {
    case "idle":
      if (event.kind === "changed") return settle(state, event.nowMs, event.nowMs);
      return event.kind === "asked" ? read(state) : stay(state);
    case "settling":
      if (event.kind === "changed") return settle(state, state.phase.sinceMs, event.nowMs);
      return event.kind === "settled" || event.kind === "asked" ? read(state) : stay(state);
    case "reading":
      return whileReading(state, event);
    case "applying":
      return whileApplying(state, state.phase, event);
    case "closed":
      return stay(state);
  }
}

function whileReading(state: ReloadState, event: Exclude<ReloadEvent, { kind: "close" }>): ReloadStep {
  const dirty = state.phase.kind === "reading" && state.phase.dirty;
  switch (event.kind) {
    case "changed":
    case "asked":
      return stay({ ...state, phase: { kind: "reading", dirty: true } });
    case "read_ok":
      if (event.digest !== state.digest) {
        const phase: ReloadPhase = { kind: "applying", dirty, digest: event.digest };
        return { state: { ...state, phase }, effects: [{ kind: "apply" }] };
      }
      return rest({ ...state, problem: null }, dirty, event.nowMs, state.problem === null ? [] : [{ kind: "recover" }]);
    case "read_failed":
      return fail(state, event.problem, dirty, event.nowMs);
    case "settled":
    case "applied":
    case "apply_failed":
      return stay(state);
  }
}

function whileApplying(
  state: ReloadState,
  phase: ReloadPhase & { kind: "applying" },
  event: Exclude<ReloadEvent, { kind: "close" }>,
): ReloadStep {
  switch (event.kind) {
    case "changed":
    case "asked":
      return stay({ ...state, phase: { ...phase, dirty: true } });
    case "applied": {
      const next = { ...state, digest: phase.digest, problem: null };
      return rest(next, phase.dirty, event.nowMs, state.problem === null ? [] : [{ kind: "recover" }]);
    }
    case "apply_failed":
      return retry(state, event.problem, event.nowMs);
    case "settled":
    case "read_ok":
    case "read_failed":
      return stay(state);
  }
}

function fail(state: ReloadState, problem: string, dirty: boolean, nowMs: number): ReloadStep {
  const told = state.problem === problem;
  return rest({ ...state, problem }, dirty, nowMs, told ? [] : [{ kind: "report", problem }]);
}

/** The files are good, so no change of them need come: what kept the config out is tried again. */
function retry(state: ReloadState, problem: string, nowMs: number): ReloadStep {
  const { effects } = fail(state, problem, false, nowMs);
  const next: ReloadState = { ...state, problem, phase: { kind: "settling", sinceMs: nowMs } };
  return { state: next, effects: [...effects, { kind: "settle", delayMs: retryMs }] };
}

/** Done with one round; goes on to the next where something changed meanwhile. */
function rest(state: ReloadState, dirty: boolean, nowMs: number, effects: readonly ReloadEffect[]): ReloadStep {
  if (!dirty) return { state: { ...state, phase: { kind: "idle" } }, effects };
  const next = settle(state, nowMs, nowMs);
  return { state: next.state, effects: [...effects, ...next.effects] };
}

function settle(state: ReloadState, sinceMs: number, nowMs: number): ReloadStep {
  const delayMs = Math.max(0, Math.min(settleMs, sinceMs + settleMsMax - nowMs));
  return { state: { ...state, phase: { kind: "settling", sinceMs } }, effects: [{ kind: "settle", delayMs }] };
}

function read(state: ReloadState): ReloadStep {
  return { state: { ...state, phase: { kind: "reading", dirty: false } }, effects: [{ kind: "read" }] };
}

function close(state: ReloadState): ReloadStep {
  if (state.phase.kind === "closed") return stay(state);
  return { state: { ...state, phase: { kind: "closed" } }, effects: [{ kind: "stop" }] };
}

function stay(state: ReloadState): ReloadStep {
  return { state, effects: [] };
}

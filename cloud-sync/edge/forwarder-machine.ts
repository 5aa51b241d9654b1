import { backOffMs, defaultBackOff, type BackOffPace } from "./back-off.ts";

/**
 * The way of an agent's outbox to the hub. Rows go first, one call at a time and in order; a picture goes in parts, one
 * part whenever no row waits. The journal is told that rows are at the hub (and forgets them) only when their pictures
 * are there as well: so whatever is still owed after a crash is found in the journal again, and nowhere else.
 *
 * idle: not begun. sending: rows are being read and handed over. uploading: a part of a picture is. resting: something
 * failed, or the way back after an outage is being spread. drained: the hub has all that was written when we last looked.
 */
export type ForwarderPhase = "idle" | "sending" | "uploading" | "resting" | "drained" | "stopped";

/** A picture that the hub asked for. */
export interface OwedPicture {
  /** Of the row that announced it. */
  readonly seq: number;
  readonly id: string;
  readonly sha256: string;
  /** What the hub has of it. */
  readonly offset: number;
  /** It came out with another digest once and was begun anew. */
  readonly isAgain: boolean;
}

export interface ForwarderState {
  readonly phase: ForwarderPhase;
  /** Rows up to it are durable at the hub. */
  readonly watermark: number;
  /** Rows up to it are gone from the journal. */
  readonly marked: number;
  /** In the order of their rows. */
  readonly owed: readonly OwedPicture[];
  /** Calls that failed in a row. */
  readonly failures: number;
  /** Body of one call: smaller where the line is too slow for more, until everything that waits is there. */
  readonly callBytesMax: number;
  /** The largest that a proxy on the way takes. */
  readonly proxyBytesMax: number;
  /** The hub has rows of this journal that the journal has not: it was put back from a copy. Nothing is sent then. */
  readonly isBehind: boolean;
}

export type ForwarderEvent =
  | { readonly kind: "start" }
  /** Rows were written. */
  | { readonly kind: "written" }
  /** The wait is over, or has no reason any more. */
  | { readonly kind: "rang" }
  /** There is no row after the watermark. */
  | { readonly kind: "nothing" }
  /** The hub took rows. `lastSeq`: the newest that the journal has written. */
  | {
      readonly kind: "taken";
      readonly watermark: number;
      readonly wanted: readonly OwedPicture[];
      readonly lastSeq: number;
    }
  /** The hub took a part. */
  | { readonly kind: "part"; readonly offset: number; readonly isComplete: boolean }
  /** The picture came out wrong at the hub. */
  | { readonly kind: "spoiled" }
  /** This picture can never be sent: erased, evicted, or not wanted any more. */
  | { readonly kind: "dropped" }
  | {
      readonly kind: "failed";
      readonly retryAfterMs: number | null;
      readonly isTooLarge: boolean;
      /** Its time was over before it was answered. */
      readonly isSlow: boolean;
    }
  | { readonly kind: "stop" };

export type ForwarderEffect =
  | { readonly kind: "send"; readonly after: number; readonly callBytesMax: number }
  | { readonly kind: "upload"; readonly picture: OwedPicture; readonly partBytesMax: number }
  /** Tell the journal. */
  | { readonly kind: "mark"; readonly watermark: number }
  | { readonly kind: "rest"; readonly delayMs: number }
  /** Say that the journal is behind. */
  | { readonly kind: "alarm" };

export interface ForwarderPace extends BackOffPace {
  /** First wait after a start: a chain whose power came back has its boxes start at one moment. */
  readonly startMsMax: number;
  /** Wait before a backlog is sent after an outage, at random up to it. */
  readonly comebackMsMax: number;
  /** Failures in a row that make an outage. */
  readonly outageFailures: number;
  /** Pictures owed above which no further rows are sent. */
  readonly owedMax: number;
  readonly callBytesMax: number;
  /** No proxy is taken to be smaller. */
  readonly callBytesMin: number;
}

export const defaultForwarderPace: ForwarderPace = Object.freeze({
  ...defaultBackOff,
  startMsMax: 2_000,
  comebackMsMax: 15_000,
  outageFailures: 5,
  owedMax: 512,
  callBytesMax: 3_500_000,
  callBytesMin: 64 * 1024,
});

export interface ForwarderInputs {
  /** Uniform in [0, 1). */
  readonly uniform: number;
  readonly pace: ForwarderPace;
}

export interface ForwarderStep {
  readonly state: ForwarderState;
  readonly effects: readonly ForwarderEffect[];
}

export function startForwarder(pace: ForwarderPace = defaultForwarderPace): ForwarderState {
  const { callBytesMax } = pace;
  const sizes = { callBytesMax, proxyBytesMax: callBytesMax };
  return { phase: "idle", watermark: 0, marked: 0, owed: [], failures: 0, ...sizes, isBehind: false };
}

/** True when nothing of this journal is on its way or owed. */
export function isDelivered({ phase, owed, watermark }: ForwarderState, lastSeq: number): boolean {
  return phase === "drained" && owed.length === 0 && watermark >= lastSeq;
}

export function forward(state: ForwarderState, event: ForwarderEvent, inputs: ForwarderInputs): ForwarderStep {
  if (event.kind === "stop") return { state: { ...state, phase: "stopped" }, effects: [] };
  switch (state.phase) {
    case "idle":
      return event.kind === "start" ? rest(state, inputs.uniform * inputs.pace.startMsMax) : stay(state);
    case "drained":
      return event.kind === "written" ? send(state) : stay(state);
    case "resting":
      return event.kind === "rang" ? send(state) : stay(state);
    case "sending":
      return sending(state, event, inputs);
    case "uploading":
      return uploading(state, event, inputs);
    case "stopped":
      return stay(state);
  }
}

function sending(state: ForwarderState, event: ForwarderEvent, inputs: ForwarderInputs): ForwarderStep {
  switch (event.kind) {
    case "taken":
      return taken(state, event, inputs);
    case "nothing":
      return state.owed.length > 0 ? upload(state) : drained(state);
    case "failed":
      return failed(state, event, inputs);
    default:
      return stay(state);
  }
}

function drained(state: ForwarderState): ForwarderStep {
  return { state: { ...state, phase: "drained", callBytesMax: state.proxyBytesMax }, effects: [] };
}

function taken(
  state: ForwarderState,
  { watermark, wanted, lastSeq }: Extract<ForwarderEvent, { kind: "taken" }>,
  inputs: ForwarderInputs,
): ForwarderStep {
  if (watermark > lastSeq) {
    const behind = { ...state, isBehind: true, failures: state.failures + 1 };
    return after([{ kind: "alarm" }], rest(behind, backOffMs(behind.failures, inputs.uniform, null, inputs.pace)));
  }
  // No step on: a gap that the hub asks for, or a hub that was put back from a copy. From there, and not at once.
  if (watermark <= state.watermark) return failed({ ...state, watermark }, noStep, inputs);
  const known = new Set(state.owed.map(({ id }) => id));
  const owed = [...state.owed, ...wanted.filter(({ id }) => !known.has(id))];
  // A line that was too slow may be quicker now; halved at once, the size comes back step by step.
  const callBytesMax = Math.min(state.proxyBytesMax, state.callBytesMax + inputs.pace.callBytesMin);
  const next = { ...state, watermark, owed, failures: 0, callBytesMax };
  const marked = mark(next);
  const hasBacklog = lastSeq > watermark;
  if (state.failures >= inputs.pace.outageFailures && hasBacklog) {
    return after(marked.effects, rest(marked.state, inputs.uniform * inputs.pace.comebackMsMax));
  }
  return after(marked.effects, owed.length >= inputs.pace.owedMax ? upload(marked.state) : send(marked.state));
}

function uploading(state: ForwarderState, event: ForwarderEvent, inputs: ForwarderInputs): ForwarderStep {
  const [picture, ...others] = state.owed;
  if (!picture) return event.kind === "written" ? stay(state) : send(state);
  switch (event.kind) {
    case "part": {
      if (event.isComplete) return settled({ ...state, failures: 0 }, others, inputs);
      if (event.offset === picture.offset) return failed(state, noStep, inputs);
      return settled({ ...state, failures: 0 }, [{ ...picture, offset: event.offset }, ...others], inputs);
    }
    case "spoiled":
      return settled(state, picture.isAgain ? others : [{ ...picture, offset: 0, isAgain: true }, ...others], inputs);
    case "dropped":
      return settled(state, others, inputs);
    case "failed":
      return failed(state, event, inputs);
    default:
      return stay(state);
  }
}

/** After each part the rows are looked at first. */
function settled(state: ForwarderState, owed: readonly OwedPicture[], { pace }: ForwarderInputs): ForwarderStep {
  const marked = mark({ ...state, owed });
  return after(marked.effects, owed.length >= pace.owedMax ? upload(marked.state) : send(marked.state));
}

/** The hub answered, and had no more than before. */
const noStep = Object.freeze({ kind: "failed" as const, retryAfterMs: null, isTooLarge: false, isSlow: false });

function failed(
  state: ForwarderState,
  { retryAfterMs, isTooLarge, isSlow }: Extract<ForwarderEvent, { kind: "failed" }>,
  { uniform, pace }: ForwarderInputs,
): ForwarderStep {
  const half = Math.floor(state.callBytesMax / 2);
  if (isTooLarge && half >= pace.callBytesMin) {
    const smaller = { ...state, callBytesMax: half, proxyBytesMax: half };
    return state.phase === "uploading" ? upload(smaller) : send(smaller);
  }
  const failures = state.failures + 1;
  // On a slow line the same size would fail for ever.
  const callBytesMax = isSlow ? Math.max(Math.min(pace.callBytesMin, state.callBytesMax), half) : state.callBytesMax;
  return rest({ ...state, failures, callBytesMax }, backOffMs(failures, uniform, retryAfterMs, pace));
}

/** The journal may forget rows up to the first whose picture is still owed. */
function mark(state: ForwarderState): ForwarderStep {
  const firstOwed = state.owed.reduce((least, { seq }) => Math.min(least, seq), Infinity);
  const watermark = Math.min(state.watermark, firstOwed - 1);
  if (watermark <= state.marked) return stay(state);
  return { state: { ...state, marked: watermark }, effects: [{ kind: "mark", watermark }] };
}

function stay(state: ForwarderState): ForwarderStep {
  return { state, effects: [] };
}

function send(state: ForwarderState): ForwarderStep {
  const { watermark, callBytesMax } = state;
  return { state: { ...state, phase: "sending" }, effects: [{ kind: "send", after: watermark, callBytesMax }] };
}

function upload(state: ForwarderState): ForwarderStep {
  const [picture] = state.owed;
  if (!picture) return send(state);
  const effect: ForwarderEffect = { kind: "upload", picture, partBytesMax: state.callBytesMax };
  return { state: { ...state, phase: "uploading" }, effects: [effect] };
}

function rest(state: ForwarderState, delayMs: number): ForwarderStep {
  return { state: { ...state, phase: "resting" }, effects: [{ kind: "rest", delayMs: Math.floor(delayMs) }] };
}

function after(first: readonly ForwarderEffect[], { state, effects }: ForwarderStep): ForwarderStep {
  return { state, effects: [...first, ...effects] };
}

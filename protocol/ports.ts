/** What pure code asks of the world. Shells pass real ones in; tests pass fakes from `holdpoint/testing`. */

/** Two clocks: wall time goes into records, monotonic time measures durations and survives a clock jump. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump in either direction. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
}

/** Cancels what it was returned for; calling it again does nothing. */
export type Cancel = () => void;

export interface Timers {
  /** Runs `task` once after `delayMs` monotonic milliseconds. */
  after(delayMs: number, task: () => void): Cancel;
}

export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array;
}

/** Structured log: an event name in the past tense or a noun, and plain data. */
export interface Logger {
  debug(event: string, data?: Readonly<Record<string, unknown>>): void;
  info(event: string, data?: Readonly<Record<string, unknown>>): void;
  warn(event: string, data?: Readonly<Record<string, unknown>>): void;
  error(event: string, data?: Readonly<Record<string, unknown>>): void;
}

/** SHA-256 and HMAC-SHA-256. Node's native one is five times faster than the universal one on pictures. */
export interface Hasher {
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
}

/** For whoever wants no log. */
export const silentLogger: Logger = Object.freeze({
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
});

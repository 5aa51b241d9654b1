/** The catalogue of operational errors. `docs/errors.md` is tested against it. */

/** What the caller may do: nothing, the same call later, or the same call after something changed. */
export type Retry = "never" | "backoff" | "after-change";

interface CatalogueEntry {
  readonly retry: Retry;
  /** HTTP status of a problem+json that carries the code. */
  readonly status: number;
  /** What the operator or developer does next, where the thrower has no better one. */
  readonly hint: string;
}

export const errorCatalogue = {
  // What a device sent.
  HP_ENCODING: { retry: "never", status: 400, hint: "Send a JSON object or a MessagePack map." },
  HP_SCHEMA: {
    retry: "never",
    status: 400,
    hint: "Compare the message with docs/messages.md, a call of the hub with its /openapi.json.",
  },
  HP_VERSION: { retry: "never", status: 400, hint: 'Send "v": 1, or update the agent.' },
  HP_NOT_FINITE: { retry: "never", status: 400, hint: "Send finite numbers only; no NaN and no infinity." },
  HP_TOO_LARGE: { retry: "never", status: 413, hint: "Send less at once; docs/limits.md lists every limit." },
  HP_PICTURE: { retry: "never", status: 422, hint: "Send a whole JPEG, PNG or WebP picture." },
  HP_INPUT: { retry: "never", status: 422, hint: "Send the input kind and shape that the task's model expects." },
  HP_UNKNOWN_TASK: { retry: "after-change", status: 404, hint: "Name the task in the store config." },
  HP_CONFLICT: { retry: "never", status: 409, hint: "Use a new id for a new request." },
  HP_NOT_FOUND: { retry: "never", status: 404, hint: "Check the id or the path." },
  HP_METHOD: {
    retry: "never",
    status: 405,
    hint: "Use the method that docs/http.md, or a hub's /openapi.json, names for this path.",
  },
  HP_UNAUTHORIZED: {
    retry: "after-change",
    status: 401,
    hint: "Give the device's secret; `holdpoint device add` makes one.",
  },
  HP_FORBIDDEN: {
    retry: "never",
    status: 403,
    hint: "A device may use only its own topics and decisions; a person or program what its role, stores and tasks allow.",
  },
  HP_RATE: { retry: "backoff", status: 429, hint: "Wait for retryAfterMs and try again." },
  HP_BUSY: { retry: "backoff", status: 503, hint: "Wait for retryAfterMs and send the same request again." },
  HP_INTERNAL: {
    retry: "backoff",
    status: 500,
    hint: "The server's log says why it failed. Wait for retryAfterMs and send the same request again.",
  },
  HP_TIMEOUT: { retry: "backoff", status: 504, hint: "Send the same request again; it is not doubled." },
  HP_UNREACHABLE: { retry: "backoff", status: 503, hint: "Check that the agent runs and that the url is right." },
  HP_CLOSED: { retry: "after-change", status: 503, hint: "Open a new client or decider; this one was closed." },
  HP_OUTBOX_FULL: { retry: "backoff", status: 503, hint: "Reconnect to the agent so that the outbox drains." },
  // Config.
  HP_CONFIG: {
    retry: "after-change",
    status: 422,
    hint: "Mend the line that the message names; the last good config stays in force.",
  },
  // Models.
  HP_MODEL_NOT_FOUND: { retry: "after-change", status: 422, hint: "Import the model with `holdpoint model import`." },
  HP_MODEL_NO_MANIFEST: { retry: "after-change", status: 422, hint: "Write a manifest with `holdpoint model init`." },
  HP_MODEL_FORMAT: { retry: "after-change", status: 422, hint: "Export the model to ONNX; docs/models.md shows how." },
  HP_MODEL_MANIFEST: {
    retry: "after-change",
    status: 422,
    hint: "Mend the manifest; `holdpoint model check` names the line.",
  },
  HP_MODEL_DIGEST: {
    retry: "after-change",
    status: 422,
    hint: "Import the model again; its bytes do not have the stated digest.",
  },
  HP_MODEL_LOAD: { retry: "after-change", status: 422, hint: "Check the model with `holdpoint model check`." },
  HP_MODEL_GOLDEN: {
    retry: "after-change",
    status: 422,
    hint: "The model answers its golden input differently here; do not use it.",
  },
  HP_MODEL_OUTPUT: {
    retry: "after-change",
    status: 422,
    hint: "The model's outputs do not fit its manifest; mend the manifest.",
  },
  HP_MODEL_RUN: {
    retry: "backoff",
    status: 500,
    hint: "See the agent's log; the case went to the next rung of the ladder.",
  },
  HP_PROVIDER: {
    retry: "after-change",
    status: 422,
    hint: 'List only execution providers that exist here; "cpu" always does.',
  },
  HP_RUNTIME_MISSING: {
    retry: "after-change",
    status: 500,
    hint: "Install the optional package that the message names.",
  },
  HP_INFERENCE_DOWN: { retry: "backoff", status: 503, hint: "The inference child is being restarted." },
  HP_QUARANTINED: {
    retry: "never",
    status: 422,
    hint: "This input ended the inference child twice; it is not tried again.",
  },
  // The box.
  HP_DISK_FULL: { retry: "backoff", status: 503, hint: "Free space on the agent's disk." },
  HP_JOURNAL: {
    retry: "after-change",
    status: 500,
    hint: "Do what the message says; docs/durability.md says what a journal that is damaged, newer or read-only needs.",
  },
  HP_LOCKED: {
    retry: "after-change",
    status: 500,
    hint: "Another agent uses this data directory; stop it or choose another directory.",
  },
  HP_PORT: { retry: "after-change", status: 500, hint: "Another process listens on this port; choose another one." },
  HP_USAGE: { retry: "never", status: 400, hint: "See --help." },
  HP_SCORES: {
    retry: "after-change",
    status: 422,
    hint: "Mend the line that the message names; docs/gate.md says what a file of scores looks like.",
  },
  // Review.
  HP_LEASE_LOST: { retry: "after-change", status: 409, hint: "Somebody else has this case now; take the next one." },
  HP_SETTLED: { retry: "never", status: 409, hint: "This case is closed; the answer is kept as a label." },
  HP_PIN: { retry: "backoff", status: 403, hint: "Type the PIN that the agent shows now." },
  // The hub.
  HP_CLOCK: {
    retry: "after-change",
    status: 401,
    hint: "Set the clock; an agent takes the hub's time from the answer and signs again.",
  },
  HP_TOKEN: { retry: "never", status: 403, hint: "Make a new token; each is good once and not for long." },
  HP_REVOKED: { retry: "after-change", status: 403, hint: "An operator has shut this agent out; enrol it again." },
  HP_CLONED: {
    retry: "after-change",
    status: 409,
    hint: "Two boxes run with one key: stop one of them and enrol it anew with its own data directory.",
  },
  HP_DATABASE: { retry: "backoff", status: 503, hint: "Check the hub's database; the hub takes up again by itself." },
  HP_CERTIFICATE: {
    retry: "after-change",
    status: 502,
    hint: "Check the certificate at the other end, and the clock of this box.",
  },
  HP_GATE_CERTIFICATE: {
    retry: "after-change",
    status: 422,
    hint: "Ask the hub for a certificate of this store, model and calibration; until then people decide.",
  },
  HP_NOT_HUB: {
    retry: "backoff",
    status: 502,
    hint: "Something else answers at the hub's address: a captive portal, a proxy, or a wrong url.",
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

/** The wire form: on the error topic, and as members of problem+json (RFC 9457). */
export interface ErrorBody {
  readonly id: string | null;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly retry: Retry;
  readonly retryAfterMs?: number;
}

export interface HoldpointErrorOptions {
  readonly hint?: string;
  readonly cause?: unknown;
  readonly retryAfterMs?: number;
}

/** A message may quote what was sent, which has bounds of its own; a longer one is cut on its way to the peer. */
const errorTextCharsMax = 2_000;

function bounded(text: string): string {
  if (text.length <= errorTextCharsMax) return text;
  // Half of a character is none.
  return `${text.slice(0, errorTextCharsMax - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** A peer waits so long after a bug: it may be gone with whatever else was under way. */
const internalRetryMs = 1000;

/** The one class of operational errors. A bug is an assertion, not one of these. */
export class HoldpointError extends Error {
  override readonly name = "HoldpointError";
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: HoldpointErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? errorCatalogue[code].hint;
    this.retryAfterMs = options.retryAfterMs;
  }

  get retry(): Retry {
    return errorCatalogue[this.code].retry;
  }

  /** HTTP status for a problem+json. */
  get status(): number {
    return errorCatalogue[this.code].status;
  }

  /** The wire form. `id` is the request's, or null where none could be read. */
  body(id: string | null): ErrorBody {
    const { code, retry, retryAfterMs } = this;
    const [message, hint] = [bounded(this.message), bounded(this.hint)];
    return { id, code, message, hint, retry, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }

  // `this`, not the name: a class that names itself is renamed by the bundler, and consoles would show `_HoldpointError`.
  static from(error: unknown, fallback: ErrorCode): HoldpointError {
    if (error instanceof this) return error;
    return new this(fallback, error instanceof Error ? error.message : String(error), { cause: error });
  }

  /** What a peer is told: an operational error as it is. The words of a bug may hold anything; they are for the log. */
  static told(cause: unknown): HoldpointError {
    if (cause instanceof this) return cause;
    return new this("HP_INTERNAL", "the server failed with this request", {
      cause,
      retryAfterMs: internalRetryMs,
    });
  }
}

/** For expected results: a value or an operational error, never thrown. */
export type Result<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: HoldpointError };

export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function refused(code: ErrorCode, message: string, options: HoldpointErrorOptions = {}): Result<never> {
  return { ok: false, error: new HoldpointError(code, message, options) };
}

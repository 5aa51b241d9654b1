import { Agent, errors, request, type Dispatcher } from "undici";
import {
  signatureHeaders,
  toHex,
  type Clock,
  type HoldpointErrorOptions,
  type Hasher,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { fault, headFault, readAnswer, type RawAnswer } from "./hub-answer.ts";
import { type ExchangeOutcome, type HubAnswer, type HubCall, type HubExchange } from "./hub-port.ts";

export interface ExchangeOptions {
  /** Of the hub: scheme, host and port. */
  readonly origin: string;
  /** Certificates (PEM) that are trusted instead of the system's. */
  readonly ca?: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly hasher: Hasher;
  /** Told of every call's end. */
  readonly onOutcome?: (call: HubCall<unknown>["name"], outcome: ExchangeOutcome) => void;
}

/** Whose calls: known after enrolment. */
export interface CallSigner {
  readonly keyId: string;
  sign(bytes: Uint8Array): Uint8Array;
}

export interface RunningExchange extends HubExchange {
  signer: CallSigner | null;
  /** The hub's clock, as far as its answers told: milliseconds to add to the box's own. 0 where they agree. */
  readonly clockOffsetMs: number;
  /** The hub said what time it is. */
  hubTime(wallMs: number): void;
  close(): Promise<void>;
}

const deadlineDefaultMs = 30_000;
const connectMsMax = 10_000;
/** One answer, as it comes over the wire; compressed ones are refused, so it is that in memory as well. */
const answerBytesMax = 4 * 1024 * 1024;
/** The feed waits on one connection; the others take turns. */
const connectionsMax = 8;
/** Shorter than a hub or a proxy keeps one open: a call is not sent into a connection that is just being closed. */
const keepAliveMs = 20_000;
/** Clocks that are closer than this are the same clock. Far below what a signature may be off. */
const clockAgreesMs = 60_000;

/**
 * Signed calls to one hub. Each has one deadline over everything, follows no redirect, takes nothing compressed and
 * nothing endless, and ends as a value with a name for what went wrong.
 */
export function createExchange(options: ExchangeOptions): RunningExchange {
  return new Exchange(options);
}

class Exchange implements RunningExchange {
  signer: CallSigner | null = null;
  clockOffsetMs = 0;
  readonly #options: ExchangeOptions;
  readonly #agent: Agent;
  readonly #closed = new AbortController();

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#agent = new Agent({
      connections: connectionsMax,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      // The deadline of the call holds for these; undici's own are per chunk.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: answerBytesMax,
      connect: {
        timeout: connectMsMax,
        rejectUnauthorized: true,
        ...(options.ca === undefined ? {} : { ca: options.ca }),
      },
    });
  }

  async call<T>(call: HubCall<T>, signal?: AbortSignal): Promise<HubAnswer<T>> {
    let answer = await this.#once(call, signal);
    // The hub's own clock came with the refusal: the next try is signed by it.
    if (!answer.ok && answer.error.code === "HP_CLOCK") answer = await this.#once(call, signal);
    this.#options.onOutcome?.(call.name, answer.ok ? "ok" : answer.outcome);
    return answer;
  }

  hubTime(wallMs: number): void {
    const offsetMs = wallMs - this.#options.clock.wallMs();
    this.clockOffsetMs = Math.abs(offsetMs) < clockAgreesMs ? 0 : offsetMs;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#agent.destroy();
  }

  async #once<T>(call: HubCall<T>, signal?: AbortSignal): Promise<HubAnswer<T>> {
    const { clock, timers } = this.#options;
    const deadlineMs = call.deadlineMs ?? deadlineDefaultMs;
    const late = new AbortController();
    const cancel = timers.after(deadlineMs, () => late.abort());
    const ends = [late.signal, this.#closed.signal, ...(signal ? [signal] : [])];
    let isReading = false;
    try {
      const response = await this.#send(call, AbortSignal.any(ends));
      isReading = true;
      const raw = headOf(response);
      const early = headFault(raw, clock.wallMs());
      if (early) {
        response.body.destroy();
        return early;
      }
      const body = await readBody(response.body);
      if (body === null) return fault("too_long", "HP_NOT_HUB", `the answer has more than ${answerBytesMax} bytes`);
      const answer = readAnswer({ ...raw, body }, call.reply, clock.wallMs());
      if (!answer.ok && answer.error.code === "HP_CLOCK") this.#takeDate(raw);
      return answer;
    } catch (cause) {
      if (late.signal.aborted) return lateFault(isReading, deadlineMs);
      if (signal?.aborted === true || this.#closed.signal.aborted) {
        return fault("unreachable", "HP_CLOSED", "the call was given up", { cause });
      }
      return networkFault(cause);
    } finally {
      cancel();
    }
  }

  #send(call: HubCall<unknown>, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { origin } = this.#options;
    const url = new URL(`${call.path}${call.query ?? ""}`, origin);
    const body = call.body?.bytes ?? new Uint8Array(0);
    return request(url, {
      dispatcher: this.#agent,
      method: call.method,
      signal,
      // An own decompressor would be an own bomb squad; answers are small.
      headers: {
        accept: "application/json",
        "accept-encoding": "identity",
        ...(call.body ? { "content-type": call.body.contentType } : {}),
        ...call.headers,
        ...(call.unsigned === true ? {} : this.#signatureOf(call.method, url, body)),
      },
      ...(call.body ? { body } : {}),
    });
  }

  #signatureOf(method: string, url: URL, body: Uint8Array): Record<string, string> {
    const { clock, random, hasher } = this.#options;
    const { signer } = this;
    if (!signer) throw new Error("a signed call before enrolment");
    const createdS = Math.floor((clock.wallMs() + this.clockOffsetMs) / 1000);
    const facts = { keyId: signer.keyId, createdS, nonce: toHex(random.bytes(12)) };
    const signed = { method, path: url.pathname, query: url.search, body };
    return { ...signatureHeaders(signed, facts, hasher, (bytes) => signer.sign(bytes)) };
  }

  #takeDate({ header }: Omit<RawAnswer, "body">): void {
    const hubMs = Date.parse(header("date") ?? "");
    if (Number.isFinite(hubMs)) this.hubTime(hubMs);
  }
}

function headOf({ statusCode, headers }: Dispatcher.ResponseData): Omit<RawAnswer, "body"> {
  return {
    status: statusCode,
    header: (name) => {
      const value = headers[name];
      return value === undefined ? null : typeof value === "string" ? value : value.join(", ");
    },
  };
}

/** Null above `answerBytesMax`. */
async function readBody(body: Dispatcher.ResponseData["body"]): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > answerBytesMax) {
      body.destroy();
      return null;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

function lateFault(isReading: boolean, deadlineMs: number): Exclude<HubAnswer<never>, { ok: true }> {
  return isReading
    ? fault("stalled", "HP_TIMEOUT", `the hub's answer did not end within ${deadlineMs} ms`, { hint: networkHint })
    : fault("timeout", "HP_TIMEOUT", `no answer of the hub within ${deadlineMs} ms`, { hint: networkHint });
}

const networkHint = "The agent goes on by itself; check the way to the hub if this lasts.";

/** What Node calls a certificate that it does not trust. */
const certificateCodes = new Set([
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_REVOKED",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "CERT_REJECTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "HOSTNAME_MISMATCH",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

function networkFault(cause: unknown): Exclude<HubAnswer<never>, { ok: true }> {
  const { code = "", message } = cause as { readonly code?: string; readonly message: string };
  const because: HoldpointErrorOptions = { cause, hint: networkHint };
  if (certificateCodes.has(code)) {
    const hint =
      code === "CERT_NOT_YET_VALID"
        ? "Set this box's clock."
        : "Check the hub's certificate, and --hub-ca where it is your own.";
    return fault("certificate", "HP_CERTIFICATE", `the hub's certificate is not trusted: ${code}`, { cause, hint });
  }
  if (code === "UND_ERR_RES_EXCEEDED_MAX_SIZE") {
    return fault("too_long", "HP_NOT_HUB", `the answer has more than ${answerBytesMax} bytes`, { cause });
  }
  const isNoTls = code === "EPROTO" || code.startsWith("ERR_SSL_");
  if (isNoTls || cause instanceof errors.HTTPParserError || code === "UND_ERR_HEADERS_OVERFLOW") {
    const what = code === "" ? "no HTTP" : code;
    return fault("foreign", "HP_NOT_HUB", `what answers does not speak this protocol (${what})`, { cause });
  }
  return fault("unreachable", "HP_UNREACHABLE", `the hub cannot be reached: ${code === "" ? message : code}`, because);
}

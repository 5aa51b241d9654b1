import { request as requestHttp } from "node:http";
import { request as requestHttps, type RequestOptions } from "node:https";
import { isIP } from "node:net";
import { HoldpointError } from "../../../protocol/index.ts";
import { createAddressGuard, type AddressGuardOptions, type CheckedAddress } from "./public-address.node.ts";
import { type SendResult, type WebhookPost, type WebhookSender } from "./webhook-sender.ts";

export interface WebhookSenderOptions extends AddressGuardOptions {
  /** Name look-up, connection, TLS, request and the head of the answer, all together. */
  readonly deadlineMs?: number;
  /** Certificates that count beside the system's own, PEM: for a receiver with an authority of its own. */
  readonly ca?: string;
}

const deadlineDefaultMs = 10_000;
const headBytesMax = 8 * 1024;

/**
 * Sends over a connection of its own to the very address that was checked. A redirect is an answer like any other and
 * is not followed; of the answer only its status is read; everything has one deadline.
 */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const guard = createAddressGuard(options);
  const deadlineMs = options.deadlineMs ?? deadlineDefaultMs;
  const before = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
    new Promise((resolve, reject) => {
      const stop = (): void => reject(new HoldpointError("HP_TIMEOUT", `no answer within ${deadlineMs} ms`));
      signal.addEventListener("abort", stop, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
    });
  return {
    check: async (url) => {
      await before(guard.addressOf(new URL(url)), AbortSignal.timeout(deadlineMs));
    },
    send: async (post) => {
      const signal = AbortSignal.any([post.signal, AbortSignal.timeout(deadlineMs)]);
      try {
        const url = new URL(post.url);
        const place = await before(guard.addressOf(url), signal);
        return await before(attempt(url, place, post, signal, options.ca), signal);
      } catch (cause) {
        return { kind: "failed", reason: cause instanceof Error ? cause.message : String(cause) };
      }
    },
  };
}

function attempt(
  url: URL,
  { address, family }: CheckedAddress,
  post: WebhookPost,
  signal: AbortSignal,
  ca: string | undefined,
): Promise<SendResult> {
  const name = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const body = new TextEncoder().encode(post.body);
  const settings: RequestOptions = {
    method: "POST",
    host: address,
    family,
    port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
    path: `${url.pathname}${url.search}`,
    headers: {
      ...post.headers,
      host: url.host,
      "content-type": "application/json",
      "content-length": String(body.byteLength),
      "user-agent": "holdpoint-hub",
    },
    // The certificate must be the name's, whatever address it was reached at.
    servername: isIP(name) === 0 ? name : "",
    agent: false,
    maxHeaderSize: headBytesMax,
    signal,
    ...(ca === undefined ? {} : { ca }),
  };
  return new Promise((resolve, reject) => {
    const request = url.protocol === "https:" ? requestHttps(settings) : requestHttp(settings);
    request.on("error", reject);
    request.on("response", (answer) => {
      const status = answer.statusCode ?? 0;
      resolve({ kind: "answered", status, retryAfterMs: retryAfterMs(answer.headers["retry-after"]) });
      // What it says beside its status is nobody's business here, however long it is.
      answer.destroy();
    });
    request.end(body);
  });
}

/** RFC 9110 10.2.3, in seconds; the form with a date is rare and ours is good enough then. */
function retryAfterMs(header: string | undefined): number | null {
  return header !== undefined && /^\d{1,7}$/.test(header) ? Number(header) * 1000 : null;
}

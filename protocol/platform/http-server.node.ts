import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type Socket } from "node:net";
import { HoldpointError } from "../errors.ts";
import { problemReply, type Reply, type Route } from "../http.ts";
import { type Logger } from "../ports.ts";
import { BodyBudget, ServedExchange } from "./http-exchange.node.ts";
import { HttpRouter } from "./http-router.ts";

/** The HTTP server that every room shares: routes as data in, problem+json out, a bound on everything. */
export interface HttpServerOptions {
  readonly routes: readonly Route[];
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  readonly bodyBytesMax: number;
  /** Bodies of all exchanges together; above it HP_BUSY. */
  readonly bodiesBytesMax?: number;
  /** Sockets above it are closed at once. */
  readonly connectionsMax: number;
  /** From the first byte of a request to the last of its body; a peer that drips is answered 408 and closed. */
  readonly requestTimeoutMs?: number;
  readonly logger: Logger;
  readonly onConnections?: (open: number) => void;
  readonly onRefused?: (error: HoldpointError) => void;
}

export interface RunningHttpServer {
  readonly port: number;
  readonly url: string;
  /** Stops listening, lets running exchanges end for `graceMs`, then closes them. */
  close(graceMs?: number): Promise<void>;
}

const bodiesBytesDefault = 128 * 1024 * 1024;
const requestTimeoutDefaultMs = 30_000;
const headersTimeoutMs = 10_000;
const keepAliveTimeoutMs = 65_000;
/** A refused body is read and dropped for so long, so that the peer can read why; then the socket is closed. */
const lingerMs = 500;

/** Errors: HP_PORT when the port is taken or not allowed. */
export async function serveHttp(options: HttpServerOptions): Promise<RunningHttpServer> {
  const requestTimeoutMs = options.requestTimeoutMs ?? requestTimeoutDefaultMs;
  const server = createServer({
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.min(headersTimeoutMs, requestTimeoutMs),
    connectionsCheckingInterval: Math.min(2_000, Math.max(50, requestTimeoutMs / 4)),
    keepAliveTimeout: keepAliveTimeoutMs,
    noDelay: true,
  });
  const door = new HttpDoor(options);
  server.on("request", (incoming, outgoing) => void door.answer(incoming, outgoing));
  // A body that is too large is refused before the peer sends it.
  server.on("checkContinue", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    if (!(Number(incoming.headers["content-length"] ?? 0) > options.bodyBytesMax)) outgoing.writeContinue();
    void door.answer(incoming, outgoing);
  });
  server.on("clientError", (cause: NodeJS.ErrnoException, socket: Socket) => {
    // Each further chunk of a broken request breaks it again.
    if (!socket.writable) return;
    const error = brokenRequest(cause);
    const answer = answerUnderWay(socket);
    // Where a handler waits for the body, the handler counts it.
    if (error !== null && answer === null) options.onRefused?.(error);
    if (error !== null && answer?.headersSent !== true) socket.write(rawReply(error));
    socket.destroySoon();
  });
  await listen(server, options);
  return runningServer(server, options);
}

class HttpDoor {
  readonly #options: HttpServerOptions;
  readonly #router: HttpRouter;
  readonly #budget: BodyBudget;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#router = new HttpRouter(options.routes);
    this.#budget = new BodyBudget(options.bodiesBytesMax ?? bodiesBytesDefault);
  }

  /** Never rejects. */
  async answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const exchange = new ServedExchange(incoming, outgoing, this.#options.bodyBytesMax, this.#budget);
    try {
      const answer = await this.#handled(exchange);
      if (outgoing.destroyed) return;
      if (answer instanceof Response) await sendResponse(answer, outgoing, incoming.method === "HEAD");
      else sendReply(answer, outgoing, incoming.method === "HEAD");
      if (!incoming.complete) dropRest(incoming);
    } catch (cause) {
      // The answer itself broke off in the middle: the peer must not take it for whole.
      if (!outgoing.destroyed) this.#options.logger.warn("http_answer_failed", { cause });
      outgoing.destroy();
    } finally {
      exchange.release();
    }
  }

  async #handled(exchange: ServedExchange): Promise<Response | Reply> {
    try {
      const found = this.#router.find(exchange.method, exchange.path);
      if (found.kind === "route") {
        exchange.params = found.params;
        return await found.route.handle(exchange);
      }
      if (found.kind === "nothing") throw new HoldpointError("HP_NOT_FOUND", `there is nothing at ${exchange.path}`);
      const error = new HoldpointError("HP_METHOD", `${exchange.method} is not allowed on ${exchange.path}`);
      this.#options.onRefused?.(error);
      const reply = problemReply(error);
      return { ...reply, headers: { ...reply.headers, allow: found.allow.join(", ") } };
    } catch (cause) {
      const error = HoldpointError.told(cause);
      if (error !== cause && !exchange.isGone) {
        this.#options.logger.error("http_handler_failed", { path: exchange.path, cause });
      }
      this.#options.onRefused?.(error);
      return problemReply(error);
    }
  }
}

/** What the parser could not read, as an error; null where the peer has just gone. */
function brokenRequest({ code, message }: NodeJS.ErrnoException): HoldpointError | null {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return new HoldpointError("HP_TIMEOUT", "the request did not arrive in time");
  if (code === "HPE_HEADER_OVERFLOW") return new HoldpointError("HP_TOO_LARGE", "the headers are too large");
  return code?.startsWith("HPE_") === true ? new HoldpointError("HP_ENCODING", `not HTTP/1.1: ${message}`) : null;
}

/** Node keeps the answer under way on its socket; its own handler looks at it as well. */
function answerUnderWay(socket: Socket): ServerResponse | null {
  return (socket as Socket & { readonly _httpMessage?: ServerResponse | null })._httpMessage ?? null;
}

function rawReply(error: HoldpointError): string {
  // HP_TIMEOUT is a gateway's elsewhere; here the peer itself was slow.
  const status = error.code === "HP_TIMEOUT" ? 408 : error.status;
  const { headers, body } = problemReply(error, null, status);
  const text = String(body);
  const all = { ...headers, "content-length": String(Buffer.byteLength(text)), connection: "close" };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${text}`;
}

function sendReply(reply: Reply, outgoing: ServerResponse, headOnly: boolean): void {
  const { status, headers, body } = reply;
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
  outgoing.writeHead(status, { ...headers, "content-length": length });
  outgoing.end(headOnly ? undefined : body);
}

async function sendResponse(response: Response, outgoing: ServerResponse, headOnly: boolean): Promise<void> {
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") outgoing.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  if (headOnly || response.body === null) {
    outgoing.end();
    // A stream that nobody reads would be kept for a peer who has its answer.
    await response.body?.cancel();
    return;
  }
  // A stream may be endless (server-sent events); it stops with its peer.
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    if (outgoing.destroyed) return;
    if (!outgoing.write(chunk)) await flowing(outgoing);
  }
  outgoing.end();
}

function flowing(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      outgoing.off("drain", go);
      outgoing.off("close", go);
      resolve();
    };
    outgoing.once("drain", go);
    outgoing.once("close", go);
  });
}

function dropRest(incoming: IncomingMessage): void {
  incoming.resume();
  const { socket } = incoming;
  const timer = setTimeout(() => {
    if (!incoming.complete) socket.destroy();
  }, lingerMs);
  incoming.once("close", () => clearTimeout(timer));
}

function listen(server: Server, { host, port }: HttpServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      const message = `cannot listen on ${host}:${port} (${cause.code ?? cause.message})`;
      reject(new HoldpointError("HP_PORT", message, { cause }));
    };
    server.once("error", fail);
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

function runningServer(server: Server, options: HttpServerOptions): RunningHttpServer {
  server.maxConnections = options.connectionsMax;
  server.on("error", (cause) => options.logger.error("http_server_failed", { cause }));
  let open = 0;
  server.on("connection", (socket) => {
    options.onConnections?.((open += 1));
    socket.once("close", () => options.onConnections?.((open -= 1)));
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;
  return {
    port,
    url: `http://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`,
    close: (graceMs = 1000) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

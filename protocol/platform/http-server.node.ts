import { type IncomingMessage, type Server } from "node:http";
import { serve, type HttpBindings } from "@hono/node-server";
import { Hono, type Context } from "hono";
import { HoldpointError, problemResponse, type Exchange, type Logger, type Route } from "../index.ts";

/** The HTTP server that every room shares: routes as data in, problem+json out, a bound on everything. */
export interface HttpServerOptions {
  readonly routes: readonly Route[];
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  readonly bodyBytesMax: number;
  /** Sockets above it are closed at once. */
  readonly connectionsMax: number;
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

/** Errors: HP_PORT when the port is taken or not allowed. */
export async function serveHttp(options: HttpServerOptions): Promise<RunningHttpServer> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  for (const route of options.routes) {
    app.on(route.method, route.path, async (context) => route.handle(exchangeOf(context, options.bodyBytesMax)));
  }
  app.notFound((context) => {
    const known = options.routes.some((route) => sameShape(route.path, context.req.path));
    const error = known
      ? new HoldpointError("HP_METHOD", `${context.req.method} is not allowed on ${context.req.path}`)
      : new HoldpointError("HP_NOT_FOUND", `there is nothing at ${context.req.path}`);
    options.onRefused?.(error);
    return problemResponse(error);
  });
  app.onError((cause) => {
    if (!(cause instanceof HoldpointError)) options.logger.error("http_handler_failed", { cause });
    const error = cause instanceof HoldpointError ? cause : new HoldpointError("HP_BUSY", "the request failed here");
    options.onRefused?.(error);
    return problemResponse(error);
  });
  const server = await listen(app, options);
  return runningServer(server, options);
}

function exchangeOf(context: Context<{ Bindings: HttpBindings }>, bodyBytesMax: number): Exchange {
  const request = context.req.raw;
  const url = new URL(request.url);
  return {
    request,
    params: context.req.param(),
    query: url.searchParams,
    remote: context.env.incoming.socket.remoteAddress ?? "",
    body: () => readBody(context.env.incoming, bodyBytesMax),
  };
}

/** Reads Node's own stream: the length is checked before and while reading, and nothing is copied twice. */
async function readBody(incoming: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const tooLarge = (): HoldpointError =>
    new HoldpointError("HP_TOO_LARGE", `the body is larger than the ${bytesMax} bytes that are allowed`);
  if (Number(incoming.headers["content-length"] ?? 0) > bytesMax) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

function listen(app: Hono<{ Bindings: HttpBindings }>, options: HttpServerOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: options.host, port: options.port }, () => {
      server.off("error", fail);
      resolve(server);
    }) as Server;
    const fail = (cause: NodeJS.ErrnoException): void => {
      const message = `cannot listen on ${options.host}:${options.port} (${cause.code ?? cause.message})`;
      reject(new HoldpointError("HP_PORT", message, { cause }));
    };
    server.once("error", fail);
  });
}

function runningServer(server: Server, options: HttpServerOptions): RunningHttpServer {
  server.maxConnections = options.connectionsMax;
  server.headersTimeout = 10_000;
  server.requestTimeout = 120_000;
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

/** `/v1/decisions/:id` has the shape of `/v1/decisions/42`. */
function sameShape(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  return wanted.length === given.length && wanted.every((part, i) => part.startsWith(":") || part === given[i]);
}

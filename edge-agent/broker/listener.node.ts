import { readFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import { HoldpointError } from "../../protocol/index.ts";

export interface ListenerOptions {
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  readonly connectionsMax: number;
  readonly accept: (socket: Socket) => void;
}

/** Errors: HP_PORT when the port is taken or not allowed. */
export function listenOn(options: ListenerOptions): Promise<{ server: Server; port: number }> {
  return new Promise((resolve, reject) => {
    const server = createServer(options.accept);
    server.maxConnections = options.connectionsMax;
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const message = `cannot listen on ${options.host}:${options.port} (${cause.code ?? cause.message})`;
      reject(new HoldpointError("HP_PORT", message, { cause }));
    });
    server.listen({ host: options.host, port: options.port, backlog: 1024 }, () => {
      const address = server.address();
      resolve({ server, port: typeof address === "object" && address !== null ? address.port : options.port });
    });
  });
}

/** Resolves when the last connection is closed; the caller closes them. */
export function closeListener(server: Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()));
}

export interface TlsFiles {
  /** PEM files. They are read at the start; a new certificate needs a restart. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** Errors: HP_CONFIG when the files cannot be read or do not fit each other. */
export async function tlsWrapper(files: TlsFiles): Promise<(socket: Socket) => TLSSocket> {
  try {
    const [cert, key] = await Promise.all([readFile(files.certFile), readFile(files.keyFile)]);
    const secureContext = createSecureContext({ cert, key, minVersion: "TLSv1.2" });
    // Wrapped by hand and not by tls.Server, so that the silence of a peer is timed from its first packet on.
    return (socket) => new TLSSocket(socket, { isServer: true, secureContext });
  } catch (cause) {
    const message = `cannot use ${files.certFile} and ${files.keyFile} for TLS: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new HoldpointError("HP_CONFIG", message, { hint: "Give a PEM certificate and its key.", cause });
  }
}

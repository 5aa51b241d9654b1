import { mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { build } from "vite";
import { root } from "./agent-process.ts";

/** What the bundler put into the page. */
export interface Bundle {
  readonly folder: string;
  /** File name → code. */
  readonly chunks: ReadonlyMap<string, string>;
  /** Every module, by its source: a path below the package, or `node_modules/…`. */
  readonly modules: readonly string[];
  /** Those that the page loads at its start: of the entry's chunk and of what that imports statically. */
  readonly startModules: readonly string[];
  readonly remove: () => void;
}

/** Bundles the page as a user would who installed the package: from a folder whose node_modules has it. */
export async function bundlePage(): Promise<Bundle> {
  const folder = join(root, "temp", `browser-page-${process.pid}`);
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  symlinkSync(root, join(folder, "node_modules/holdpoint"), "dir");
  const entry = join(folder, "page.ts");
  symlinkSync(join(root, "test/support/browser-page.ts"), entry);
  const built = await build({
    root: folder,
    configFile: false,
    logLevel: "error",
    build: {
      outDir: join(folder, "site"),
      minify: false,
      sourcemap: false,
      target: "es2022",
      rolldownOptions: { input: { page: entry }, output: { entryFileNames: "[name].js" } },
    },
  });
  if (Array.isArray(built) || !("output" in built)) throw new Error("one bundle was expected");
  const chunks = built.output.filter((part) => part.type === "chunk");
  const start = new Set(["page.js"]);
  for (const name of start) for (const next of chunks.find((c) => c.fileName === name)?.imports ?? []) start.add(next);
  const modulesOf = (some: typeof chunks): string[] =>
    some.flatMap(({ moduleIds }) => moduleIds.flatMap((id) => sourcesOf(id)));
  return {
    folder: join(folder, "site"),
    chunks: new Map(chunks.map(({ fileName, code }) => [fileName, code])),
    modules: modulesOf(chunks),
    startModules: modulesOf(chunks.filter(({ fileName }) => start.has(fileName))),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A module of `dist` is a bundle itself; its map says of which files. */
function sourcesOf(id: string): readonly string[] {
  const path = id.startsWith(root) ? id.slice(root.length) : id;
  if (!path.startsWith("dist/")) return [path];
  const { sources } = JSON.parse(readFileSync(`${id}.map`, "utf8")) as { readonly sources: readonly string[] };
  return sources.map((source) => source.replace(/^(\.\.\/)+/, ""));
}

export interface Site {
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: string[];
  /** Gives a file to the page; returns its path. */
  readonly put: (name: string, bytes: Uint8Array) => string;
  /** From now on `/agent/…` is this agent. */
  readonly proxyTo: (url: string) => void;
  readonly close: () => Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".html": "text/html; charset=utf-8",
};

/** No inline script, no eval, nothing from elsewhere. WebAssembly has a word of its own. */
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";
const html = '<!doctype html><title>page</title><script type="module" src="/page.js"></script>';
/** The same page without a policy of its own: what it may not do, the browser or the agent forbids. */
export const openPath = "/open";

/**
 * Serves the page, onnxruntime's own files, the shipped model, and, below `/agent`, an agent: what the front server of
 * a store's page does, on one origin.
 */
export async function startSite(bundle: Bundle): Promise<Site> {
  const folders: Readonly<Record<string, string>> = {
    "/ort/": join(root, "node_modules/onnxruntime-web/dist"),
    "/zoo/": join(root, "models/zoo/product-id"),
    "/": bundle.folder,
  };
  const index = new TextEncoder().encode(html);
  const files = new Map<string, Uint8Array>([
    ["/", index],
    [openPath, index],
    ["/favicon.ico", new Uint8Array(0)],
  ]);
  const asked: string[] = [];
  let agent: URL | null = null;
  const server = createServer((incoming, outgoing) => {
    // A browser that takes the site for a proxy writes the whole url.
    const { pathname, search } = new URL(incoming.url ?? "/", "http://site");
    const path = normalize(pathname);
    asked.push(path);
    if (path.startsWith("/agent/") && agent) {
      passOn(agent, path.slice("/agent".length) + search, incoming, outgoing);
      return;
    }
    const body = files.get(path) ?? fileOf(folders, path);
    if (!body) return void outgoing.writeHead(404).end();
    const type = body === index ? types[".html"] : types[extname(path)];
    outgoing.writeHead(200, {
      "content-type": type ?? "application/octet-stream",
      ...(path === openPath ? {} : { "content-security-policy": policy }),
    });
    outgoing.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    put: (name, bytes) => {
      files.set(`/input/${name}`, bytes);
      return `/input/${name}`;
    },
    proxyTo: (url) => (agent = new URL(url)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function fileOf(folders: Readonly<Record<string, string>>, path: string): Uint8Array | null {
  const prefix = Object.keys(folders).find((start) => path.startsWith(start)) ?? "/";
  try {
    return readFileSync(join(folders[prefix] ?? "", path.slice(prefix.length)));
  } catch {
    return null;
  }
}

/** A reverse proxy in ten lines: another path, headers and body as they are. */
function passOn(agent: URL, path: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { method, headers } = incoming;
  const onward = request({ host: agent.hostname, port: agent.port, path, method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on("error", () => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end()));
  outgoing.on("close", () => onward.destroy());
  incoming.pipe(onward);
}

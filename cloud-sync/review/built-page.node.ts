import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { HoldpointError, type Exchange, type Reply, type Route } from "../../protocol/index.ts";

/**
 * Routes of built pages, read once: some dozens of small files in memory, so that no path from a request ever reaches
 * the disk. One document stands at every path; which page it is, it reads from its address.
 * Throws HP_NOT_FOUND where the pages were not built.
 *
 * @param built name of the folder below `dist` that they were built into
 * @param assetsDir another folder with them
 */
export async function builtPageRoutes(
  built: string,
  paths: readonly string[],
  assetsDir: string = findAssetsDir(built),
): Promise<readonly Route[]> {
  const page = await readFile(join(assetsDir, "index.html")).catch((cause: unknown) => {
    throw new HoldpointError("HP_NOT_FOUND", `there are no built pages in ${assetsDir}`, {
      hint: "Build them with `npm run build`.",
      cause,
    });
  });
  const assets = new Map<string, Asset>();
  for (const name of await readdir(join(assetsDir, "assets"))) {
    const contentType = contentTypes[extname(name)];
    if (contentType === undefined) continue;
    assets.set(name, assetOf(await readFile(join(assetsDir, "assets", name)), contentType));
  }
  const etag = etagOf(page);
  const document = (exchange: Exchange): Reply => {
    const headers = { ...pageHeaders, etag };
    if (exchange.header("if-none-match") === etag) return { status: 304, headers, body: "" };
    return { status: 200, headers, body: page };
  };
  return [
    ...paths.map((path): Route => ({ method: "GET", path, handle: document })),
    {
      method: "GET",
      path: "/assets/:name",
      handle: (exchange) => assetReply(assets.get(exchange.params["name"] ?? ""), exchange),
    },
  ];
}

interface Asset {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  readonly etag: string;
}

function assetOf(bytes: Uint8Array, contentType: string): Asset {
  return { bytes, contentType, etag: etagOf(bytes) };
}

function assetReply(asset: Asset | undefined, exchange: Exchange): Reply {
  if (!asset) throw new HoldpointError("HP_NOT_FOUND", "there is no such asset");
  const headers = {
    "content-type": asset.contentType,
    // The name carries a hash of the content.
    "cache-control": "public, max-age=31536000, immutable",
    etag: asset.etag,
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
  };
  if (exchange.header("if-none-match") === asset.etag) return { status: 304, headers, body: "" };
  return { status: 200, headers, body: asset.bytes };
}

function etagOf(bytes: Uint8Array): string {
  return `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 27)}"`;
}

const contentTypes: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};

const pageHeaders = {
  "content-type": "text/html; charset=utf-8",
  // Asked for again each time, and answered with 304 where it is the same: a new release is there at the next visit.
  "cache-control": "no-cache",
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=()",
};

/** From a bundle in `dist/`, and from the source under a test: the first pages upwards. */
function findAssetsDir(built: string): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    for (const candidate of [join(dir, built), join(dir, "dist", built)]) {
      if (existsSync(join(candidate, "index.html"))) return candidate;
    }
    const parent = dirname(dir);
    if (parent === dir) return join(process.cwd(), "dist", built);
    dir = parent;
  }
}

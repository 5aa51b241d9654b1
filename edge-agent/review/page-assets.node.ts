import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { HoldpointError, type Route } from "../../protocol/index.ts";

/**
 * The built page, read once: a handful of small files in memory, so that no path from a request ever reaches the disk.
 * Throws HP_NOT_FOUND where the page was not built.
 */
export async function pageRoutes(assetsDir: string = findAssetsDir()): Promise<readonly Route[]> {
  const page = await readFile(join(assetsDir, "index.html")).catch((cause: unknown) => {
    throw new HoldpointError("HP_NOT_FOUND", `there is no review page in ${assetsDir}`, {
      hint: "Build the page with `npm run build`.",
      cause,
    });
  });
  const assets = new Map<string, Uint8Array>();
  for (const name of await readdir(join(assetsDir, "assets"))) {
    assets.set(name, await readFile(join(assetsDir, "assets", name)));
  }
  const html = (): Response => new Response(page, { headers: pageHeaders });
  return [
    { method: "GET", path: "/", handle: () => new Response(null, { status: 302, headers: { location: "/review" } }) },
    { method: "GET", path: "/review", handle: html },
    { method: "GET", path: "/assets/:name", handle: ({ params }) => assetResponse(assets, params["name"] ?? "") },
  ];
}

function assetResponse(assets: ReadonlyMap<string, Uint8Array>, name: string): Response {
  const bytes = assets.get(name);
  const contentType = contentTypes[extname(name)];
  if (!bytes || contentType === undefined) throw new HoldpointError("HP_NOT_FOUND", `there is no asset named ${name}`);
  return new Response(Uint8Array.from(bytes), {
    headers: {
      "content-type": contentType,
      // The name carries a hash of the content.
      "cache-control": "public, max-age=31536000, immutable",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
    },
  });
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
  "cache-control": "no-store",
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
  ].join("; "),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=()",
};

/** From a bundle in `dist/`, from `dist/edge-agent/`, and from the source under a test: the first page upwards. */
function findAssetsDir(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    for (const candidate of [join(dir, "review-page"), join(dir, "dist", "review-page")]) {
      if (existsSync(join(candidate, "index.html"))) return candidate;
    }
    const parent = dirname(dir);
    if (parent === dir) return join(process.cwd(), "dist", "review-page");
    dir = parent;
  }
}

import { builtPageRoutes } from "../../cloud-sync/review/built-page.node.ts";
import { type Route } from "../../protocol/index.ts";

/** The built review page. Throws HP_NOT_FOUND where it was not built. */
export async function pageRoutes(assetsDir?: string): Promise<readonly Route[]> {
  const toPage = (): Response => new Response(null, { status: 302, headers: { location: "/review" } });
  return [
    { method: "GET", path: "/", handle: toPage },
    ...(await builtPageRoutes("review-page", ["/review"], assetsDir)),
  ];
}

import { type Route } from "../../protocol/index.ts";
import { builtPageRoutes } from "../review/built-page.node.ts";

/** The hub's built pages. Throws HP_NOT_FOUND where they were not built. */
export function hubPageRoutes(assetsDir?: string): Promise<readonly Route[]> {
  return builtPageRoutes("hub-page", pagePaths, assetsDir);
}

/** As cloud-sync/hub/page/router.ts has them; a test compares the two. */
export const pagePaths: readonly string[] = [
  "/",
  "/invitation",
  "/review",
  "/queues",
  "/stores",
  "/stores/:id",
  "/cases",
  "/cases/:id",
  "/automation",
  "/gates",
  "/gates/:id",
  "/people",
  "/config",
  "/audit",
  "/settings",
  "/settings/:id",
];

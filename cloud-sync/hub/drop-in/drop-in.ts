import { type HubRoute } from "../api/hub-route.ts";
import { a2iRoutes } from "./a2i/a2i-routes.ts";
import { workKeyRoutes } from "./a2i/work-key-routes.ts";
import { decisionRoutes } from "./decision-routes.ts";
import { type DropInOptions } from "./drop-in-options.ts";
import { labelStudioRoutes } from "./label-studio/label-studio-routes.ts";

export function dropInRoutes(options: DropInOptions): readonly HubRoute[] {
  return [...decisionRoutes(options), ...workKeyRoutes(options), ...a2iRoutes(options), ...labelStudioRoutes(options)];
}

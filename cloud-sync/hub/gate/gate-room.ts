import { type HubParts, type HubRoom } from "../room.ts";
import { gateRoutes } from "./gate-routes.ts";
import { startGateWorker } from "./gate-worker.ts";

/** The hub's room of the certified gate: its labels, its certificates, what could be changed and by whom. */
export function createGateRoom(parts: HubParts): HubRoom {
  return { routes: gateRoutes(parts), start: () => startGateWorker(parts) };
}

import { type Cancel } from "../../../protocol/index.ts";
import { type HubParts, type HubRoom } from "../room.ts";
import { refreshContracts } from "./gate-contracts.ts";

/** The hub's room of the certified gate. */
export function createGateRoom(parts: HubParts): HubRoom {
  return { routes: [], start: () => watchContracts(parts) };
}

/** How late a change of the config may be noticed where no news said so. */
const lookEveryMs = 15_000;
/** News of one change come in a bunch. */
const soonMs = 50;

/** Keeps the table of the contracts in step with the config. */
function watchContracts(parts: HubParts): Cancel {
  const { database, timers, logger } = parts;
  let stopped = false;
  let cancel: Cancel = () => undefined;
  const look = (delayMs: number): void => {
    cancel();
    cancel = timers.after(delayMs, () => {
      refreshContracts(parts)
        .catch((cause: unknown) => logger.warn("hub_contracts_not_read", { cause }))
        .finally(() => {
          if (!stopped) look(lookEveryMs);
        });
    });
  };
  const unlisten = database.onNews(({ kind }) => {
    if ((kind === "config" || kind === "resync") && !stopped) look(soonMs);
  });
  look(soonMs);
  return () => {
    stopped = true;
    unlisten();
    cancel();
  };
}

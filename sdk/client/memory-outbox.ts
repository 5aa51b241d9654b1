import { toHex, type Random } from "../../protocol/index.ts";
import { ambientRandom } from "../ambient.ts";
import { type Outbox, type OutboxItem } from "./outbox.ts";

/** The default outbox: survives a broken connection and an agent's restart, but not this process. */
export function memoryOutbox(random: Random = ambientRandom): Outbox {
  const items = new Map<string, OutboxItem>();
  return Object.freeze({
    list: () => Promise.resolve({ instance: toHex(random.bytes(4)), items: [...items.values()] }),
    put: (item: OutboxItem) => {
      items.set(item.key, item);
      return Promise.resolve();
    },
    remove: (key: string) => {
      items.delete(key);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  });
}
